"""What the ledger sets aside is taken back or told, once, also after a crash between any two steps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hub.commands.verify import repaired
from hub.domain.command import Fact, Line, Ordering
from hub.domain.entry import FIELD, Entry, Seq, decode_entry
from hub.domain.position import Position
from hub.faults import Unavailable
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.inspecting import Inspection
from hub.tasks import end
from hub.watching import set_aside as watch_module
from tests.databases import closed_database, unwritten
from tests.stock.opened import OpenStores, opened
from tests.verify.conftest import Verify, verify  # noqa: F401

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
async def hub(redis_url: str, postgres_dsn: str) -> AsyncIterator[OpenStores]:
    """A hub with five bags."""
    async with opened(redis_url, postgres_dsn) as stores:
        await stores.book(stores.fact("in", Line("BAG", "LON", 5)))
        await stores.ledger_has_all()
        yield stores


async def entries(client: Redis, kind: str) -> list[Entry]:
    found = await client.xrange(keys.JOURNAL)
    return [entry for _, fields in found if (entry := decode_entry(fields[FIELD])).kind == kind]


def sale(hub: OpenStores, id: str, units: int = 1) -> Fact:
    fact = hub.fact(id, Line("BAG", "LON", units), verb="sale", type="sale", pool="online")
    return msgspec.structs.replace(fact, payload='{"pool":"online"}')


async def apply_twice(hub: OpenStores, client: Redis, fact: Fact) -> Seq:
    """Book a fact, and again once Redis has forgotten it; answers where the second stands."""
    await hub.book(fact)
    day = hub.kernel.booked_at_ms // 86_400_000
    assert await client.hdel(keys.seen(day), keys.event_field(fact.source, fact.id)) == 1  # type: ignore[misc]
    [again] = await hub.book(fact)
    await hub.ledger_has_all()
    return again.seq  # type: ignore[union-attr]


async def on_hand(client: Redis) -> int:
    packed = await client.hget(keys.sku("BAG"), "l:LON")  # type: ignore[misc]
    found = msgspec.msgpack.decode(packed, type=Position)
    return found.on_hand - found.deficit


async def test_a_sale_applied_twice_is_taken_back_once_and_the_hub_is_whole(
    hub: OpenStores,
    redis_client: Redis,
    verify: Verify,  # noqa: F811
) -> None:
    twice = await apply_twice(hub, redis_client, sale(hub, "sold", 2))
    assert await on_hand(redis_client) == 1

    watch = hub.stores.set_aside
    assert await watch.look() == 1
    await hub.ledger_has_all()
    assert await watch.look() == 0

    assert await on_hand(redis_client) == 3
    [back] = await entries(redis_client, "reversal")
    assert (back.source, back.about) == ("~hub", twice.stream_id)
    assert [(alert.type, back.skus[alert.sku], alert.location, alert.quantity) for alert in back.alerts] == [
        ("reversed", "BAG", "LON", 2)
    ]
    report = await verify()
    assert report.findings == []


async def test_a_crash_after_the_reversal_repeats_it_without_effect(hub: OpenStores, redis_client: Redis) -> None:
    await apply_twice(hub, redis_client, sale(hub, "sold"))
    watch = hub.stores.set_aside
    await watch.look()
    # Another process, or this one after it died, which knows nothing of the first look; the ledger may lag.
    watch._told.clear()
    await watch.look()
    await hub.ledger_has_all()

    assert len(await entries(redis_client, "reversal")) == 1
    assert await on_hand(redis_client) == 4


async def test_what_cannot_be_moved_back_is_owed(hub: OpenStores, redis_client: Redis) -> None:
    await apply_twice(hub, redis_client, hub.fact("more", Line("BAG", "LON", 2)))
    await hub.book(sale(hub, "all", 9))
    await hub.stores.set_aside.look()

    packed = await redis_client.hget(keys.sku("BAG"), "l:LON")  # type: ignore[misc]
    found = msgspec.msgpack.decode(packed, type=Position)
    assert (found.on_hand, found.deficit) == (0, 2)


async def test_what_did_more_than_move_units_is_left_to_people_and_told_once(
    hub: OpenStores,
    redis_client: Redis,
    verify: Verify,  # noqa: F811
) -> None:
    placed = hub.fact(
        "order",
        Line("BAG", "", 0),
        verb="order_place",
        type="order.placed",
        pool="online",
        detail=Ordering("W-1", (("BAG", "", 1),)),
    )
    twice = await apply_twice(hub, redis_client, placed)

    await hub.stores.set_aside.look()
    await hub.ledger_has_all()
    assert await hub.stores.set_aside.look() == 0

    [told] = await entries(redis_client, "alert")
    assert (told.type, told.about, [alert.type for alert in told.alerts]) == (
        "applied_twice",
        twice.stream_id,
        ["applied_twice"],
    )
    assert await entries(redis_client, "reversal") == []
    assert "doubled" in {finding.kind for finding in (await verify()).findings}

    # A person looks, books what is wrong, and is done with it.
    known = hub.stores.memories.alerts
    [alert] = (await known.page(None, 10, type="applied_twice", is_open=True)).alerts
    assert await known.settle(alert.seq, "mila", "counted, and booked the difference") is not None
    assert "doubled" not in {finding.kind for finding in (await verify()).findings}


@pytest.mark.parametrize("raw", [b"\xc1 no entry", None])
async def test_an_entry_that_cannot_be_booked_is_told_once_while_the_rest_goes_on(
    hub: OpenStores, redis_client: Redis, raw: bytes | None
) -> None:
    """Written past the hub; or an entry of a time that Postgres does not know."""
    if raw is None:
        [first] = await entries(redis_client, "fact")
        raw = msgspec.msgpack.encode(msgspec.structs.replace(first, id="late", time_ms=10**17))
    number = hub.kernel.floor
    await redis_client.xadd(keys.JOURNAL, {FIELD: raw}, id=f"1-{number}")
    await redis_client.hset(keys.META, "next", number + 1)  # type: ignore[misc]

    await hub.book(sale(hub, "sold"))
    await hub.ledger_has_all()
    assert await hub.stores.set_aside.look() == 1
    await hub.ledger_has_all()
    assert await hub.stores.set_aside.look() == 0

    told = [decode_entry(fields[FIELD]) for _, fields in await redis_client.xrange(keys.JOURNAL, min=f"1-{number + 1}")]
    assert [(entry.kind, entry.type) for entry in told] == [("fact", "sale"), ("alert", "entry_set_aside")]
    assert told[1].about == f"1-{number}"


async def lose_what_the_ledger_lacks(hub: OpenStores, client: Redis) -> None:
    """Redis is lost and healed."""
    await client.flushall()
    epoch = hub.kernel.epoch
    while hub.kernel.epoch == epoch:
        await hub.stores.healing.look()


async def test_what_was_told_and_lost_with_redis_is_told_again(
    hub: OpenStores, redis_client: Redis, postgres_dsn: str
) -> None:
    watch = hub.stores.set_aside
    twice = await apply_twice(hub, redis_client, sale(hub, "sold", 2))
    async with unwritten(postgres_dsn) as writer_is_stuck:
        assert await watch.look() == 1
        await writer_is_stuck()
        await redis_client.flushall()
    await lose_what_the_ledger_lacks(hub, redis_client)
    assert await entries(redis_client, "reversal") == []
    # Healing wakes the watch, which need not wait for its next turn.
    assert watch._news.is_set()

    assert await watch.look() == 1
    await hub.ledger_has_all()
    assert await watch.look() == 0

    [back] = await entries(redis_client, "reversal")
    assert back.about == twice.stream_id
    assert await on_hand(redis_client) == 3


Repair = Callable[[], Awaitable[list[str]]]


@pytest.fixture
async def repair(redis_client: Redis, postgres_dsn: str, verify: Verify) -> AsyncIterator[Repair]:  # noqa: F811
    """What `hub verify --repair` does beside the hub, and says."""
    sums = Sums(Link(postgres_dsn, "repair"))

    async def run() -> list[str]:
        return await repaired(Inspection(redis_client), sums, await verify(), verify, is_live=True)

    yield run
    await sums.aclose()


async def set_aside(hub: OpenStores, client: Redis, raw: bytes) -> None:
    """An entry that cannot be booked is written past the hub."""
    number = hub.kernel.floor
    await client.xadd(keys.JOURNAL, {FIELD: raw}, id=f"1-{number}")
    await client.hset(keys.META, "next", number + 1)  # type: ignore[misc]
    await hub.book(sale(hub, "sold"))
    await hub.ledger_has_all()


async def spoil(client: Redis, **changes: int) -> None:
    packed = await client.hget(keys.sku("BAG"), "l:LON")  # type: ignore[misc]
    spoilt = msgspec.structs.replace(msgspec.msgpack.decode(packed, type=Position), **changes)
    await client.hset(keys.sku("BAG"), "l:LON", msgspec.msgpack.encode(spoilt))  # type: ignore[misc]


async def test_an_entry_that_was_set_aside_is_a_finding_until_it_is_told_and_then_a_note(
    hub: OpenStores,
    redis_client: Redis,
    verify: Verify,  # noqa: F811
    repair: Repair,
) -> None:
    await set_aside(hub, redis_client, b"\xc1 no entry")
    report = await verify()
    assert (report.kinds, report.notes) == ({"poison": 1, "entry_malformed": 1}, [])
    assert [said.partition(": ")[2] for said in await repair()] == ["entry_malformed, poison"]

    await hub.stores.set_aside.look()
    await hub.ledger_has_all()

    report = await verify()
    assert (report.kinds, report.exit_code) == ({}, 0)
    [note] = report.notes
    assert "1 entries could not be booked and were set aside" in note
    assert note.endswith(" 0-1-2")


async def test_what_an_entry_that_was_set_aside_cannot_touch_is_repaired(
    hub: OpenStores,
    redis_client: Redis,
    verify: Verify,  # noqa: F811
    repair: Repair,
) -> None:
    await set_aside(hub, redis_client, b"\xc1 no entry")
    await hub.stores.set_aside.look()
    await hub.ledger_has_all()
    await redis_client.srem(keys.skus_at("LON"), "BAG")  # type: ignore[misc]

    [said] = await repair()
    assert said.startswith("BAG: repaired by ")
    await hub.ledger_has_all()

    # Which units it moved nobody knows, until the partition is made anew of what the ledger booked.
    await spoil(redis_client, deficit=7)
    [said] = await repair()
    assert said.startswith("BAG: not repaired: the entry 0-1-2 was set aside, which may be about it")

    await lose_what_the_ledger_lacks(hub, redis_client)
    await spoil(redis_client, deficit=7)
    [said] = await repair()
    assert said.startswith("BAG: repaired by 0-2-")


async def test_a_sku_that_an_entry_names_that_was_set_aside_is_left(
    hub: OpenStores, redis_client: Redis, repair: Repair
) -> None:
    [first] = await entries(redis_client, "fact")
    await set_aside(
        hub, redis_client, msgspec.msgpack.encode(msgspec.structs.replace(first, id="late", time_ms=10**17))
    )
    await hub.stores.set_aside.look()
    await hub.ledger_has_all()
    await redis_client.srem(keys.skus_at("LON"), "BAG")  # type: ignore[misc]

    [said] = await repair()

    assert said.startswith("BAG: not repaired: the entry 0-1-2 was set aside")


async def test_the_watch_is_woken_by_the_writer(hub: OpenStores, redis_client: Redis, until: Until) -> None:
    watching = asyncio.create_task(hub.stores.set_aside.run())
    try:
        await apply_twice(hub, redis_client, sale(hub, "sold"))

        async def is_taken_back() -> bool:
            return await on_hand(redis_client) == 4

        await until(is_taken_back)
    finally:
        await end([watching])


async def test_a_ledger_that_is_away_for_long_is_logged_once(
    hub: OpenStores, postgres_dsn: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = hub.stores.set_aside
    monkeypatch.setattr(watch_module, "RETRY_SECONDS", 0.01)
    looks, look = 0, watch.look

    async def counted() -> int:
        nonlocal looks
        looks += 1
        return await look()

    monkeypatch.setattr(watch, "look", counted)

    async def has_looked_often() -> bool:
        return looks > 5

    async with closed_database(postgres_dsn):
        with pytest.raises(Unavailable):
            # The connection that was cut is noticed first, and told with other words.
            await look()
        with capture_logs() as logs:
            watching = asyncio.create_task(watch.run())
            try:
                await until(has_looked_often)
            finally:
                await end([watching])
    assert [line["event"] for line in logs].count("what was set aside is looked at later") == 1
