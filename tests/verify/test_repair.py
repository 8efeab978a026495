"""What somebody's hand damaged is set right by one visible entry for each SKU, or it is said why not."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.commands.verify import repaired
from hub.domain.articles import Catalogue
from hub.domain.entry import FIELD, Entry, decode_entry
from hub.domain.pools import View
from hub.domain.position import Position
from hub.domain.repairing import BLOCKING, INDEXES, REPAIRABLE, MendedPlace, advice
from hub.domain.verifying import KINDS
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.verify.report import Report
from hub.verify.verification import Verification
from tests.verify.damages import POSITIONS, VIEWS, WHOLE, Damage
from tests.verify.hand import Hand, decode_position, decode_view
from tests.verify.test_damage import hand, stopped  # noqa: F401


class Mender:
    """Verifies and repairs a stopped hub."""

    def __init__(self, client: Redis, dsn: str) -> None:
        self._client = client
        self.sums = Sums(Link(dsn, "verify"))
        self._inspection = Inspection(client)

    async def verify(self) -> Report:
        described = Described(self._client, Catalogue())
        return await Verification(self._inspection, self.sums, described, is_live=False).run()

    async def repair(self, report: Report) -> list[str]:
        return await repaired(self._inspection, self.sums, report, self.verify, is_live=False)

    async def repairs(self) -> list[Entry]:
        found = await self._client.xrange(keys.JOURNAL)
        return [entry for _, fields in found if (entry := decode_entry(fields[FIELD])).kind == "repair"]


@pytest.fixture
async def mender(stopped: tuple[Hand, str], hand: Hand) -> AsyncIterator[Mender]:  # noqa: F811
    made = Mender(hand.redis, stopped[1])
    yield made
    await made.sums.aclose()


# Of what each of these damages is about no command knows the truth, or all of it is made anew by `hub rebuild --whole`.
LEFT = {
    "a SKU that is no hash": "not repaired: WRONGTYPE",
    "a SKU whose name is no text": "",
    "a view of a pool that the SKU does not concern": "",
    "a view of a pool that the house does not have": "",
}
DAMAGES = [(what, do) for what, do, _ in [*POSITIONS, *VIEWS]] + [(what, do) for what, do, _ in WHOLE[:1]]


@pytest.mark.parametrize(("what", "damage"), [pytest.param(*each, id=each[0]) for each in DAMAGES])
async def test_damage_of_a_sku_is_repaired_by_one_visible_entry_or_it_is_said_why_not(
    hand: Hand,  # noqa: F811
    mender: Mender,
    what: str,
    damage: Damage,
) -> None:
    await damage(hand)
    before = await mender.verify()

    said = await mender.repair(before)

    after, entries = await mender.verify(), await mender.repairs()
    if what in LEFT:
        assert LEFT[what] in " ".join(said)
        assert entries == []
        assert after.kinds == before.kinds
        return
    assert (after.findings, after.exit_code) == ([], 0)
    [entry] = entries
    [sku] = {finding.sku for finding in before.findings}
    assert said[0].startswith(f"{sku}: repaired by 0-1-19")
    assert (entry.source, entry.type, entry.about) == ("~hub", "repaired", sku)
    assert bool(entry.movements) == (what == "free units beside a deficit")
    told = msgspec.json.decode(entry.payload)
    assert told["reason"] == "verify"
    assert {each["kind"] for each in told["found"]} == set(before.kinds) & REPAIRABLE
    assert {alert.type for alert in entry.alerts} == {"repaired"}


async def test_the_entry_says_where_and_by_how_much(hand: Hand, mender: Mender) -> None:  # noqa: F811
    await hand.position("BAG", "PAR", free=4, aside=())

    [said] = await mender.repair(await mender.verify())

    [entry] = await mender.repairs()
    assert said == "BAG: repaired by 0-1-19, units: 3 at PAR"
    assert [(alert.sku, alert.location, alert.quantity) for alert in entry.alerts] == [(0, "PAR", 3)]
    assert [(each.location, each.position.free, each.position.aside) for each in entry.positions] == [
        ("PAR", 2, (("inspection", 1),))
    ]


async def shown(hand: Hand) -> View:  # noqa: F811
    packed: Any = await hand.redis.hget(keys.sku("BAG"), "p:online")
    return decode_view(packed)


async def test_a_shown_value_that_went_back_goes_on_behind_what_screens_saw(
    hand: Hand,  # noqa: F811
    mender: Mender,
) -> None:
    before = await shown(hand)
    await hand.view("BAG", "online", changes=1)

    await mender.repair(await mender.verify())

    after = await shown(hand)
    assert (after.changes, after.available) == (before.changes + 1, before.available)


@pytest.mark.parametrize("what", ["a ledger with a hole", "an entry that was set aside", "a partition that is halted"])
async def test_nothing_is_set_where_the_ledger_may_not_be_the_truth(
    hand: Hand,  # noqa: F811
    mender: Mender,
    what: str,
) -> None:
    [damage] = [do for name, do, _ in WHOLE if name == what]
    await hand.position("BAG", "PAR", deficit=7)
    await damage(hand)

    [said] = await mender.repair(await mender.verify())

    assert said.startswith("nothing was repaired, for the ledger's sums may not be the truth: ")
    assert await mender.repairs() == []


async def test_a_position_that_changed_since_it_was_read_is_left_alone(
    hand: Hand,  # noqa: F811
    mender: Mender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await hand.position("BAG", "PAR", deficit=7)
    before = await mender.verify()
    monkeypatch.setattr("hub.verify.repairing.mended_places", _read_too_early)

    [said] = await mender.repair(before)

    assert said == "BAG: not repaired: it changed each time that it was looked at; try again"
    assert await mender.repairs() == []
    assert after_is(await mender.verify(), before)


def _read_too_early(*_: object) -> list[MendedPlace]:
    return [MendedPlace("PAR", b"what was there before", Position(), 7)]


def after_is(after: Report, before: Report) -> bool:
    return after.findings == before.findings


def test_every_kind_of_finding_has_an_answer() -> None:
    assert set(KINDS) >= REPAIRABLE | BLOCKING | INDEXES
    assert not REPAIRABLE & BLOCKING
    assert not INDEXES & (REPAIRABLE | BLOCKING)
    assert all(advice(kind) for kind in KINDS)


async def test_a_lost_position_is_what_entries_set_last_with_the_units_of_its_movements(
    hand: Hand,  # noqa: F811
    mender: Mender,
) -> None:
    key, field = keys.sku("SCARF"), "l:PAR"
    right: Any = await hand.redis.hget(key, field)  # type: ignore[misc]
    for damaged in (None, b"\xc1"):
        if damaged is None:
            await hand.redis.hdel(key, field)  # type: ignore[misc]
        else:
            await hand.redis.hset(key, field, damaged)  # type: ignore[misc]

        [said] = await mender.repair(await mender.verify())

        assert said.startswith("SCARF: repaired by ")
        # Its fences' targets and its count, which move nothing, are there again.
        assert decode_position(await hand.redis.hget(key, field)) == decode_position(right)  # type: ignore[misc, arg-type]


async def test_free_units_repay_the_deficit_that_a_sale_from_a_damaged_position_made(
    hand: Hand,  # noqa: F811
    mender: Mender,
) -> None:
    # The sale found nothing there, so its movement is out of the deficit.
    await hand.position("BAG", "PAR", free=0, deficit=1, aside=())
    await hand.move("BAG", "PAR", "deficit", "sold", 1)

    [said] = await mender.repair(await mender.verify())

    assert said == "BAG: repaired by 0-1-19, units: 3 at PAR"
    [entry] = await mender.repairs()
    assert [(each.from_bucket, each.to_bucket, each.quantity) for each in entry.movements] == [("free", "deficit", 1)]
    [place] = entry.positions
    assert (place.position.free, place.position.deficit) == (1, 0)
    assert (await mender.verify()).findings == []
