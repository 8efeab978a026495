"""Where there is no room for more a fact is parked, by the kernel as by the model; and what waits ends."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Fact, Line, Transfer, Voiding
from hub.domain.entry import FIELD, decode_entry
from hub.domain.model import Model
from hub.domain.sending import HELD_MAX
from hub.domain.transfers import EARLY_MAX, EARLY_SERIALS_MAX, SKUS_MAX, with_record
from hub.domain.transit import record_from
from hub.stock import keys
from hub.stock.message import Lapse
from hub.stock.outcome import Applied, Broken, Outcome, Parked, Refused, Unchanged
from tests.model.journeys import with_transfer
from tests.model.lapses import lapse, make_old
from tests.model.pair import Pair
from tests.model.test_bad_commands import BAG, HOUSE, fact


@pytest.fixture
async def pair(redis_client: Redis) -> Pair:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    return pair


async def told(pair: Pair, *facts: Fact) -> Outcome:
    """Tell facts in one call, each made from what stands there before it; what became of the last one."""
    sent = [with_transfer(each, pair.model) if isinstance(each.detail, Transfer) else each for each in facts]
    outcomes = await pair.kernel.call(sent, pair.house)
    await pair.expect(sent, outcomes)
    return outcomes[-1]


def early(id: str, *units: Any, reach: tuple[str, ...] = ()) -> Fact:
    detail = Transfer("T1", "", 0, early=units or (("BAG", 1),), reach=reach)
    return fact(id, BAG, verb="receive", type="transfer.received", lines=(), detail=detail)


def dispatch(id: str, *lines: Line) -> Fact:
    detail = Transfer("T1", "PAR", 0, own_lines=len(lines))
    return fact(id, BAG, verb="dispatch", type="transfer.dispatched", lines=lines, detail=detail)


def void(id: str, reach: tuple[str, ...] = ()) -> Fact:
    return fact(id, BAG, verb="void", type="sale.voided", lines=(), detail=Voiding("sale", 0, reach=reach))


async def test_a_receipt_too_many_is_parked_once_and_booked_behind_its_dispatch(pair: Pair) -> None:
    await told(pair, *(early(f"{n}") for n in range(EARLY_MAX)))

    parked = [await told(pair, early("more", reach=("PAR",))) for _ in range(2)]

    assert isinstance(parked[0], Parked)
    assert parked[0] == parked[1]
    assert pair.model.journal[-1].reach == ("PAR",)
    await told(pair, dispatch("out", Line("BAG", "LON", 200)))
    assert isinstance(await told(pair, early("more")), Applied)


async def test_the_lines_and_serials_of_what_waits_are_bounded(pair: Pair) -> None:
    hundred = (("BAG", 1),) * 100
    assert isinstance(await told(pair, *(early(f"{n}", *hundred) for n in range(19))), Applied)
    assert isinstance(await told(pair, early("line")), Parked)

    detail = {"id": "T2"}
    for number in range(EARLY_SERIALS_MAX // 1_000 + 1):
        named = ("BAG", 1_000, tuple(f"S-{number}-{n}" for n in range(1_000)))
        plain = early(f"serials-{number}", named)
        outcome = await told(
            pair, msgspec.structs.replace(plain, detail=msgspec.structs.replace(plain.detail, **detail))
        )
    assert isinstance(outcome, Parked)


async def test_all_that_may_wait_takes_effect_in_one_entry(pair: Pair) -> None:
    """Each receipt names as many SKUs as it may, and all of them are others."""
    units = [tuple((f"SKU-{n}-{m}", 1, (f"S-{m}",)) for m in range(100)) for n in range(19)]
    await told(pair, *(early(f"{n}", *each) for n, each in enumerate(units)))
    out = with_transfer(dispatch("out", *(Line(f"OWN-{n}", "LON", 1) for n in range(100))), pair.model)

    # Only told to the kernel: all checks of 2,000 SKUs would take long.
    [outcome] = await pair.kernel.call([out], pair.house)

    assert isinstance(outcome, Applied)
    assert len((await stored(pair))[3]) == SKUS_MAX


async def test_more_skus_than_a_transfer_has_are_parked_whoever_tells_of_them(pair: Pair) -> None:
    skus = [f"SKU-{n}" for n in range(SKUS_MAX)]
    sums, unnamed = [[sku, 1, 0] for sku in skus], [[sku, "LON"] for sku in skus]
    record = [1, "PAR", 0, sums, [], [], unnamed, 0]
    await pair.client.hset(keys.TRANSFERS, "T1", msgspec.msgpack.encode(record))
    many = [
        dispatch("more", Line("BAG", "LON", 1)),
        early("in", ("SKU-0", 1), ("BAG", 1)),
        dispatch("elsewhere", Line("SKU-0", "LYON", 1)),
        dispatch("named", Line("SKU-0", "LYON", 1, serials=("S1",))),
    ]
    known = record_from(record)

    outcomes = await pair.kernel.call([with_record(each, known) for each in many], pair.house)

    assert [type(outcome) for outcome in outcomes] == [Parked] * 3 + [Applied]
    model = Model(pair.house)
    model.books.records["transfers"] = {"T1": record}
    expected = [model.apply(with_record(each, known), 0) for each in many]
    assert [outcome.why for outcome in outcomes if isinstance(outcome, Parked)] == [each.why for each in expected[:3]]
    entries = [decode_entry(fields[FIELD]) for _, fields in await pair.client.xrange(keys.JOURNAL)]
    assert [entry.reach for entry in entries[1:4]] == [entry.reach for entry in model.journal[:3]]


@pytest.mark.parametrize("more", [0, 1])
async def test_a_transfer_that_would_bring_units_for_more_orders_is_parked(pair: Pair, more: int) -> None:
    await told(pair, dispatch("out", Line("BAG", "LON", 1)))
    record = [*(await stored(pair))[:8], [["BAG", f"order:{n}", 1] for n in range(HELD_MAX + more)]]
    await pair.client.hset(keys.TRANSFERS, "T1", msgspec.msgpack.encode(record))
    another = with_record(dispatch("another", Line("WATCH", "LYON", 1)), record_from(record))

    [outcome] = await pair.kernel.call([another], pair.house)

    model = Model(pair.house)
    model.books.records["transfers"] = {"T1": record}
    expected = model.apply(another, 0)
    assert (isinstance(outcome, Parked), outcome.why if isinstance(outcome, Parked) else "") == (more, expected.why)


async def stored(pair: Pair) -> Any:
    return msgspec.msgpack.decode(await pair.client.hget(keys.TRANSFERS, "T1") or b"")


async def test_a_void_too_many_is_parked_and_made_from_its_sale(pair: Pair) -> None:
    await told(pair, *(void(f"{n}") for n in range(100)))

    assert isinstance(await told(pair, void("more", ("LON",))), Parked)

    assert pair.model.journal[-1].reach == ("LON",)


async def test_what_is_parked_for_room_is_in_conflict_with_another_content(pair: Pair) -> None:
    await told(pair, *(void(f"{n}") for n in range(100)), void("more"))

    await told(pair, msgspec.structs.replace(void("more"), hash="content-2"))

    assert pair.model.journal[-1].kind == "conflict"


async def test_a_piece_that_stands_twice_in_a_receipt_is_refused_and_in_two_receipts_waits(pair: Pair) -> None:
    twice = early("twice", ("BAG", 1, ("S1",)), ("BAG", 1, ("S1",)))
    assert isinstance((await pair.kernel.call([twice], pair.house))[0], Refused)

    pieces = [early(f"{n}", ("BAG", 1, ("S1",))) for n in range(2)]

    await told(pair, *pieces)
    assert isinstance(await told(pair, dispatch("out", Line("BAG", "LON", 2, serials=("S1", "S2")))), Applied)


async def test_a_dispatch_that_names_other_pieces_than_came_early_is_refused(pair: Pair) -> None:
    await told(pair, early("0", ("BAG", 1, ("S1",))))
    out = with_transfer(dispatch("out", Line("BAG", "LON", 2)), pair.model)
    for serials in ((), ("S2",)):
        lines = (out.lines[0], msgspec.structs.replace(out.lines[1], serials=serials))
        outcome = (await pair.kernel.call([msgspec.structs.replace(out, lines=lines)], pair.house))[0]
        assert isinstance(outcome, Refused)

    assert isinstance(await told(pair, dispatch("out", Line("BAG", "LON", 2))), Applied)


@pytest.mark.parametrize("table", ["transfers", "voids"])
async def test_what_lapsed_waits_anew_when_it_is_told_again(pair: Pair, table: str) -> None:
    waits = early if table == "transfers" else void
    field = "T1" if table == "transfers" else "till:sale"
    await told(pair, waits("1"), waits("2"), waits("3"))

    await lapse(pair, table, field, await make_old(pair, table, field, frozenset({0, 2})))
    await lapse(pair, table, field, await make_old(pair, table, field, frozenset({0})))

    assert isinstance(await told(pair, waits("4")), Applied)
    assert await pair.kernel.call([Lapse(table, field)], pair.house) == [Unchanged()]


@pytest.mark.parametrize(
    "command", [Lapse("serials", "x"), Lapse("voids", ""), Lapse("", "x"), Lapse("voids", "x" * 2_049)]
)
async def test_a_lapse_of_nothing_that_waits_is_refused(pair: Pair, command: Lapse) -> None:
    assert isinstance((await pair.kernel.call([command], pair.house))[0], Refused)


async def test_what_cannot_be_read_does_not_lapse_and_spoils_nothing_else(pair: Pair) -> None:
    await told(pair, void("1"))
    await make_old(pair, "voids", "till:sale", frozenset({0}))
    await pair.client.hset(keys.VOIDS, "bad", b"\xc1")

    outcomes = await pair.kernel.call([Lapse("voids", "bad"), Lapse("voids", "till:sale")], pair.house)

    assert [type(outcome) for outcome in outcomes] == [Broken, Applied]
