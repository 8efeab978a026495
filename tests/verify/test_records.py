"""What an undamaged hub remembers is good, whatever is remembered meanwhile and however little the ledger has."""

import asyncio
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import SkuSettings
from hub.domain.command import Counting, Fact, Line, Supply, Transfer
from hub.domain.entry import Seq
from hub.domain.remembering import DAY_MS, REMEMBERED_DAYS
from hub.journal.trimming import drop_seen_days
from hub.ledger import recorded
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.message import Dismiss
from hub.stock.outcome import Applied, Granted, Parked
from hub.stock.remembered import Remembering
from hub.verify import holds, records
from hub.verify.open_counts import OpenCountCheck
from hub.verify.report import Report
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import house_of
from tests.stock.test_earlier import dispatched, received, sold, voided
from tests.stock.test_requesting import request, reserve
from tests.verify.conftest import HOUSE, Verify
from tests.verify.hand import encode
from tests.verify.record_damages import ALIAS, keep, remember
from tests.watching.test_waits import booked, make_old


def good(report: Report) -> bool:
    assert report.findings == []
    return not report.unchecked


def told_of_one_round(hub: OpenStores, number: int) -> list[Fact]:
    """Something of each table, much of it about the same records as in the round before."""
    now = hub.kernel.booked_at_ms
    order = {"verb": "expected", "type": "expected", "detail": Supply("PO-1", now)}
    counting = {"verb": "count", "type": "count", "detail": Counting(now, "physical", 0)}
    return [
        hub.fact(f"{number}-w", Line("WATCH", ("LON", "PAR")[number % 2], 1, serials=("W1",))),
        hub.fact(f"{number}-o", Line("COAT", "PAR", number), **order),
        hub.fact(f"{number}-r", Line("COAT", "PAR", 1), detail=Supply("PO-1")),
        voided(hub, f"{number}-v", f"{number}-s"),
        sold(hub, f"{number}-s", 2),
        voided(hub, f"{number}-e", f"{number + 1}-s", 1),
        dispatched(hub, f"{number}-d", 2, transfer=f"T{number}"),
        received(hub, f"{number}-a", 1, transfer=f"T{number - 1}", final=1),
        hub.fact(f"{number}-c", Line("HAT", "LON", 3), **counting),
    ]


async def test_a_hub_that_remembers_much_is_good(hub: OpenStores, verify: Verify) -> None:
    await remember(hub)

    report = await verify()

    assert good(report)
    assert report.exit_code == 0


async def test_a_hub_is_good_while_units_are_held_and_given_back(hub: OpenStores, verify: Verify) -> None:
    await hub.book(hub.fact("b-1", Line("BELT", "LON", 5), Line("BELT", "PAR", 5)))
    stop = asyncio.Event()

    async def hold(owner: str) -> int:
        number = 0
        while not stop.is_set():
            outcome = await reserve(hub, f"{owner}-{number}", "BELT", owner=owner, is_named=number % 2)
            assert isinstance(outcome, Granted), outcome
            if number % 2 == 0:
                await hub.stores.requests.ask(request(hub, ("release", "fulfil")[number % 4 == 0], f"{owner}-{number}"))
                await hub.book(hub.fact(f"{owner}-b-{number}", Line("BELT", "PAR", 1)))
            number += 1
        return number

    holding = [asyncio.create_task(hold(owner)) for owner in ("anna", "bob")]
    reports = [await verify() for _ in range(8)]
    stop.set()

    assert min(await asyncio.gather(*holding)) > 2
    assert [(report.findings, report.unchecked) for report in reports] == [([], [])] * 8
    assert good(await verify())


async def test_a_sku_that_very_many_hold_is_left_unchecked(
    hub: OpenStores, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(hub)
    monkeypatch.setattr(holds, "HOLDS_OF_SKU_MAX", 1)
    few = await verify()
    monkeypatch.setattr(holds, "HOLDS_OF_SKU_MAX", 10)
    monkeypatch.setattr(holds, "HOLDS_PER_LOOK", 1)

    assert few.findings == []
    assert few.unchecked == ["more than 1 holds keep the SKU BELT, so what is reserved was not compared with them"]
    assert good(await verify())


async def test_a_hub_is_good_while_everything_that_is_remembered_changes(hub: OpenStores, verify: Verify) -> None:
    stop = asyncio.Event()

    async def tell() -> int:
        number = 1
        while not stop.is_set():
            outcomes = await hub.book(*told_of_one_round(hub, number))
            assert all(isinstance(outcome, Applied) for outcome in outcomes)
            aliases = (f"{ALIAS}-{number % 3}",)
            await hub.stores.describing.describe([SkuSettings("BAG", f"bags-{number % 5}", aliases=aliases)])
            number += 1
        return number

    telling = asyncio.create_task(tell())
    reports = [await verify() for _ in range(8)]
    stop.set()

    assert await telling > 2
    assert all(map(good, reports))


def piece_on_the_way(hub: OpenStores, id: str, transfer: str, *serials: str) -> Fact:
    """A watch leaves for Paris; without serials nobody says which."""
    detail = Transfer(transfer, "PAR", 0, own_lines=1)
    line = Line("WATCH", "LON", 1, serials=serials)
    return hub.fact(id, line, verb="dispatch", type="transfer.dispatched", detail=detail)


def piece_arrives(hub: OpenStores, id: str, transfer: str, serial: str) -> Fact:
    detail = Transfer(transfer, "", 0, early=(("WATCH", 1, (serial,)),), reach=("PAR",))
    return hub.fact(id, lines=(), verb="receive", type="transfer.received", detail=detail)


async def test_a_hub_is_good_whose_pieces_travel_and_notes_which_transfer_brought_them(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    came = hub.fact("came", Line("WATCH", "LON", 3, serials=("W7", "W8", "W9")))
    sent = [piece_on_the_way(hub, "out-7", "T7", "W7"), piece_on_the_way(hub, "out-9", "T9")]
    early = [piece_arrives(hub, "in-8", "T8", "W8"), piece_arrives(hub, "in-9", "T9", "W9")]
    outcomes = await hub.book(came, *early, *sent, piece_arrives(hub, "in-7", "T7", "W7"))
    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    await hub.ledger_has_all()

    assert good(await verify())

    packed = await redis_client.hget(keys.SERIALS, "WATCH\0W7")
    state, location, time_ms, transfer = msgspec.msgpack.decode(packed or b"")
    assert (state, location, transfer) == ("shelf", "PAR", "T7")
    await redis_client.hset(keys.SERIALS, "WATCH\0W7", encode([state, location, time_ms]))
    assert [(each.kind, each.sku) for each in (await verify()).findings] == [("record_differs", "WATCH")]


async def test_a_hub_is_good_that_lets_waits_lapse_and_parks_for_want_of_room(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    *kept, refused = await hub.book(*(received(hub, f"full-{n}", 1, transfer="full") for n in range(101)))
    assert all(isinstance(outcome, Applied) for outcome in kept)
    assert isinstance(refused, Parked)
    await hub.booking.dismiss(Dismiss("transfer.received", "till", "full-100", "content-1", "{}"))
    await booked(hub, 3)
    await make_old(redis_client, keys.TRANSFERS, but="full")
    await make_old(redis_client, keys.VOIDS, but="till:sale-1")
    assert await hub.stores.waits.look() > 3
    await hub.ledger_has_all()

    assert good(await verify())

    await redis_client.hset(keys.VOIDS, "till:sale-0", encode([[0, [], [], 0]]))
    assert [each.kind for each in (await verify()).findings] == ["record_differs"]


async def test_small_pages_of_a_ledger_make_no_difference(
    hub: OpenStores, verify: Verify, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "NUMBERS_PER_SELECT", 3)
    monkeypatch.setattr(records, "RECORDS_PER_BATCH", 2)
    await remember(hub)

    assert good(await verify())
    await redis_client.hset(keys.SERIALS, "WATCH\0W2", encode(["gone", "LON", 5]))
    assert [each.kind for each in (await verify()).findings] == ["record_differs"]


async def test_more_records_than_can_be_compared_are_said_to_be_unchecked(
    hub: OpenStores, verify: Verify, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "RECORDS_MAX", 2)
    monkeypatch.setattr(recorded, "NUMBERS_PER_SELECT", 1)
    await remember(hub)

    report = await verify()

    assert report.findings == []
    assert "2 things are remembered" in report.unchecked[0]
    assert report.exit_code == 2


async def test_what_was_forgotten_with_its_day_is_not_missed(
    hub: OpenStores, verify: Verify, redis_client: Redis
) -> None:
    await remember(hub)
    later_ms = hub.kernel.booked_at_ms + (REMEMBERED_DAYS + 1) * DAY_MS
    assert await drop_seen_days(redis_client, keys.META, keys.seen, keys.AHEAD, ledger_booked_at_ms=later_ms)

    assert good(await verify())


@pytest.fixture
async def unheard(redis_client: Redis, redis_url: str, postgres_dsn: str) -> None:
    """A hub was killed: the journal has the newest values of some records, which the ledger lacks."""
    async with opened(redis_url, postgres_dsn, HOUSE) as stores:
        await remember(stores)
    kernel = Kernel(redis_client)
    uuid: bytes | None = await redis_client.hget(keys.META, "hub")
    await kernel.open(UUID((uuid or b"").decode()), 1, house_of(HOUSE), create=False)
    sold_piece = Line("WATCH", "LON", 1, serials=("W2",))
    came = stores.fact("unheard-2", Line("COAT", "PAR", 1), detail=Supply("PO-1"))
    sale = stores.fact("unheard-1", sold_piece, verb="sale", type="sale", pool="online")
    new = stores.fact("unheard-3", Line("NEW", "LON", 1, serials=("N1",)))
    counting = {"verb": "count", "type": "count", "detail": Counting(stores.kernel.booked_at_ms, "physical", 0)}
    await kernel.call([sale, came, new, stores.fact("unheard-4", Line("NEW", "LON", 3), **counting)], house_of(HOUSE))


async def test_the_newest_values_that_the_ledger_lacks_are_taken_from_the_journal(
    unheard: None, verify: Verify, redis_client: Redis
) -> None:
    assert good(await verify(is_live=False))

    await redis_client.hdel(keys.SERIALS, "WATCH\0W2")
    [finding] = (await verify(is_live=False)).findings
    assert (finding.kind, finding.sku) == ("record_not_in_redis", "WATCH")


async def test_an_open_count_of_a_stopped_hub_is_good_as_long_as_nobody_changes_its_rows(
    unheard: None, verify: Verify, redis_client: Redis
) -> None:
    assert good(await verify(is_live=False))
    [(opened_by, packed)] = (await redis_client.hgetall(keys.COUNTS)).items()
    *head, [[sku, counted, *book]] = msgspec.msgpack.decode(packed)

    await redis_client.hset(keys.COUNTS, opened_by, encode([*head, [[sku, counted + 1, *book]]]))

    assert [each.kind for each in (await verify(is_live=False)).findings] == ["record_differs"]


async def test_a_count_that_is_closed_while_it_is_waited_for_is_good(redis_client: Redis) -> None:
    report = Report()
    check = OpenCountCheck(Remembering(redis_client), report, patience_seconds=20)
    await redis_client.hset(keys.COUNTS, mapping={"1-2": "a count", "1-9": "a younger one"})
    await check.begin(Seq(1, 5))

    ending = asyncio.create_task(check.end())
    await redis_client.hdel(keys.COUNTS, "1-2")
    await ending

    assert report.findings == []
