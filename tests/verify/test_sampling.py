"""A running hub looks at its own stock: what differs is told once, with where, and no more once it is right."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Line
from hub.domain.entry import FIELD, Entry, decode_entry
from hub.domain.position import Position
from hub.stock import keys
from hub.stock.outcome import Applied
from hub.tasks import end
from hub.verify import names_in_turn
from hub.verify.following import LedgerBehind
from hub.verify.names_in_turn import RecentSkus
from hub.verify.sampling import Pace, Sampling
from tests.databases import unwritten
from tests.stock.opened import OpenStores
from tests.verify.conftest import sale

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


async def alerts(client: Redis) -> list[Entry]:
    found = await client.xrange(keys.JOURNAL)
    entries = [decode_entry(fields[FIELD]) for _, fields in found]
    return [entry for entry in entries if entry.type == "stock_differs"]


async def spoil(client: Redis, sku: str, location: str, **changes: Any) -> bytes:
    """Change parts of a position by hand; answers what was there."""
    field = "l:" + location
    packed: Any = await client.hget(keys.sku(sku), field)  # type: ignore[misc]
    changed = msgspec.structs.replace(msgspec.msgpack.decode(packed, type=Position), **changes)
    await client.hset(keys.sku(sku), field, msgspec.msgpack.encode(changed))  # type: ignore[misc]
    return bytes(packed)


async def look_at_all(hub: OpenStores) -> int:
    """Two looks, for one may end the round in the middle of the last."""
    await hub.stores.sampling.look()
    await hub.stores.sampling.look()
    return hub.stores.sampling.findings


async def test_a_good_hub_has_nothing_to_tell_whether_hot_or_cold(hub: OpenStores, redis_client: Redis) -> None:
    assert await look_at_all(hub) == 0
    assert await alerts(redis_client) == []


async def test_a_spoilt_position_is_told_once_with_where_and_no_more_when_it_is_right(
    hub: OpenStores, redis_client: Redis
) -> None:
    # Free units would differ in what pools show too.
    before = await spoil(redis_client, "BAG", "PAR", aside=(("inspection", 4),))

    # The bucket, and the sum of all of them.
    assert await look_at_all(hub) == 2
    told = await alerts(redis_client)
    assert sorted(entry.about for entry in told) == ["BAG", "BAG PAR"]
    [payload] = [msgspec.json.decode(entry.payload) for entry in told if entry.about == "BAG PAR"]
    assert (payload["kind"], payload["sku"], payload["location"]) == ("position_differs", "BAG", "PAR")
    assert payload["detail"] == "aside:inspection is 4, but the ledger's movements make 1"

    await redis_client.hset(keys.sku("BAG"), "l:PAR", before)  # type: ignore[misc]
    assert await look_at_all(hub) == 0
    assert len(await alerts(redis_client)) == 2


@pytest.mark.parametrize(
    ("sku", "changes", "kinds"),
    [
        ("BAG", {"reserved": 1, "aside": ()}, {"position_differs", "reserved_differs"}),
        ("HAT", {"deficit": 1}, {"position_differs", "conservation"}),
    ],
)
async def test_it_compares_what_is_reserved_and_what_is_owed(
    hub: OpenStores, redis_client: Redis, sku: str, changes: dict[str, Any], kinds: set[str]
) -> None:
    await spoil(redis_client, sku, "PAR", **changes)

    await look_at_all(hub)

    assert {msgspec.json.decode(entry.payload)["kind"] for entry in await alerts(redis_client)} == kinds


async def test_a_spoilt_view_a_lost_sku_and_a_forgotten_place_are_found(hub: OpenStores, redis_client: Redis) -> None:
    await redis_client.hdel(keys.sku("BAG"), "p:vip")  # type: ignore[misc]
    await redis_client.delete(keys.sku("SCARF"))
    await redis_client.srem(keys.skus_at("PAR"), "HAT")  # type: ignore[misc]
    # Nothing but the rounds would find them.
    hub.stores.sampling.recent = RecentSkus(lambda: 0.0)

    await look_at_all(hub)

    found = {
        (each["kind"], each["sku"]) for each in [msgspec.json.decode(e.payload) for e in await alerts(redis_client)]
    }
    assert {("view_missing", "BAG"), ("position_not_in_redis", "SCARF"), ("place_lacks_sku", "HAT")} <= found


async def test_nothing_is_found_in_a_hub_that_sells(hub: OpenStores, redis_client: Redis) -> None:
    stop = asyncio.Event()

    async def sell() -> int:
        sold = 0
        while not stop.is_set():
            outcomes = await hub.book(*(sale(hub, f"busy-{sold}-{i}", Line(f"SKU-{i}", "PAR", 1)) for i in range(20)))
            assert all(isinstance(outcome, Applied) for outcome in outcomes)
            sold += 1
        return sold

    selling = asyncio.create_task(sell())
    for _ in range(10):
        await hub.stores.sampling.look()
    stop.set()

    assert await selling > 1
    assert hub.stores.sampling.findings == 0
    assert await alerts(redis_client) == []


async def test_what_was_told_and_lost_with_redis_is_told_again_if_it_still_differs(
    hub: OpenStores, redis_client: Redis, postgres_dsn: str
) -> None:
    await spoil(redis_client, "BAG", "PAR", aside=(("inspection", 4),))
    async with unwritten(postgres_dsn) as writer_is_stuck:
        # A second look would wait for the ledger.
        await hub.stores.sampling.look()
        assert len(await alerts(redis_client)) == 2
        await writer_is_stuck()
        await redis_client.flushall()
    while hub.kernel.epoch == 1:
        await hub.stores.healing.look()
    assert await alerts(redis_client) == []

    await spoil(redis_client, "BAG", "PAR", aside=(("inspection", 4),))
    assert await look_at_all(hub) == 2

    assert sorted(entry.about for entry in await alerts(redis_client)) == ["BAG", "BAG PAR"]


async def test_a_closed_partition_is_not_looked_at(hub: OpenStores, redis_client: Redis) -> None:
    await spoil(redis_client, "BAG", "PAR", reserved=1)
    await redis_client.hset(keys.META, "halted", "1")  # type: ignore[misc]

    with pytest.raises(LedgerBehind):
        await hub.stores.sampling.look()

    assert hub.stores.sampling.findings == 0


async def test_it_goes_on_when_the_ledger_is_back(
    hub: OpenStores, redis_client: Redis, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.verify.sampling.RETRY_SECONDS", 0.01)
    sampling = hub.stores.sampling
    sampling._pace = Pace(share=0.5, pause_seconds=0.01)
    watching = asyncio.create_task(sampling.run())
    try:
        async with hub.ledger_away():
            await spoil(redis_client, "HAT", "PAR", deficit=1)

        async def is_found() -> bool:
            return sampling.findings == 2

        await until(is_found)
    finally:
        await end([watching])


async def test_many_positions_make_a_look_smaller_and_every_sku_is_met(
    hub: OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.verify.sampling.POSITIONS_PER_LOOK", 3)
    sampled: list[int] = []
    monkeypatch.setattr(hub.stores.sampling, "_on_sampled", sampled.append)
    hub.stores.sampling.recent = RecentSkus(lambda: 0.0)

    while sum(sampled) < 12:
        await hub.stores.sampling.look()

    assert max(sampled[1:]) < 4


def test_what_changed_last_is_looked_at_first_and_then_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_in_turn, "RECENT_MAX", 4)
    now = 0.0
    recent = RecentSkus(lambda: now)
    for name in "ABCDE":
        recent.note([name])

    assert recent.take(2) == ["E", "D"]
    assert recent.take(3) == ["C", "B", "E"]
    now = 200.0
    recent.note(["B"])
    now = 400.0
    assert recent.take(9) == ["B"]
    assert recent.take(9) == ["B"]


@pytest.mark.parametrize(("worked", "pause"), [(0.0, 0.5), (0.004, 0.5), (0.1, 9.9)])
def test_a_look_takes_one_hundredth_of_the_time_at_most(worked: float, pause: float) -> None:
    assert Pace().pause_after(worked) == pytest.approx(pause)


async def test_a_whole_round_has_a_length(hub: OpenStores) -> None:
    await look_at_all(hub)
    assert isinstance(hub.stores.sampling, Sampling)
    assert 0 < hub.stores.sampling.rounds.seconds < 20


async def looked_at(hub: OpenStores, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which SKUs a look compares beside those of the rounds, which have no turn here."""
    sampling = hub.stores.sampling
    sampling.recent = RecentSkus(lambda: 0.0)
    monkeypatch.setattr(sampling.rounds, "take", nothing)
    seen: list[str] = []
    look = sampling._looking.look

    async def noted(names: list[str]) -> Any:
        seen.extend(names)
        return await look(names)

    monkeypatch.setattr(sampling._looking, "look", noted)
    return seen


async def nothing(_: int) -> list[str]:
    return []


async def test_what_is_as_it_was_when_it_was_right_is_not_compared_again(
    hub: OpenStores, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await looked_at(hub, monkeypatch)
    sampling = hub.stores.sampling
    await sampling.look()
    first = sorted(seen)
    seen.clear()

    await sampling.look()
    assert seen == []
    assert first == ["BAG", "HAT", "SCARF", "SHOE"]

    await spoil(redis_client, "HAT", "PAR", deficit=1)
    await sampling.look()
    assert set(seen) == {"HAT"}
    assert sampling.findings == 2
    assert len(await alerts(redis_client)) == 2


async def test_what_differs_is_compared_in_every_look_until_it_is_right(
    hub: OpenStores, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await looked_at(hub, monkeypatch)
    before = await spoil(redis_client, "HAT", "PAR", deficit=1)
    await hub.stores.sampling.look()
    await hub.stores.sampling.look()
    assert seen.count("HAT") >= 3

    await redis_client.hset(keys.sku("HAT"), "l:PAR", before)  # type: ignore[misc]
    await hub.stores.sampling.look()
    seen.clear()
    await hub.stores.sampling.look()

    assert (seen, hub.stores.sampling.findings) == ([], 0)


async def test_a_sku_that_did_not_change_though_units_of_it_moved_is_compared(
    hub: OpenStores, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = await looked_at(hub, monkeypatch)
    await hub.stores.sampling.look()
    dump: Any = await redis_client.dump(keys.sku("BAG"))
    await hub.book(sale(hub, "undone", Line("BAG", "LON", 1)))
    await hub.ledger_has_all()
    hub.stores.sampling.recent = RecentSkus(lambda: 0.0)
    await redis_client.restore(keys.sku("BAG"), 0, dump, replace=True)
    seen.clear()

    await hub.stores.sampling.look()

    assert "BAG" in seen
    assert "position_differs" in {each.kind for each in hub.stores.sampling._wrong["BAG"]}


async def test_a_sku_that_is_gone_from_redis_is_met_by_a_pass(
    hub: OpenStores, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await looked_at(hub, monkeypatch)
    await hub.stores.sampling.look()
    await redis_client.delete(keys.sku("SCARF"))

    await hub.stores.sampling.look()

    assert "position_not_in_redis" in {each.kind for each in hub.stores.sampling._wrong["SCARF"]}
    assert hub.stores.sampling.passes.seconds > 0


async def test_a_pass_over_more_skus_than_a_look_compares_takes_several_and_leaves_none_out(
    hub: OpenStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.book(*(hub.fact(f"more-{i}", Line(f"SKU-{i}", "LON", 1)) for i in range(9)))
    await hub.ledger_has_all()
    monkeypatch.setattr("hub.verify.sampling.SKUS_PER_LOOK", 4)
    monkeypatch.setattr("hub.verify.sampling.SEEN_PER_LOOK", 3)
    hub.stores.sampling._size = 4
    seen = await looked_at(hub, monkeypatch)

    for _ in range(20):
        await hub.stores.sampling.look()

    assert len(seen) == len(set(seen)) == 13


@pytest.mark.parametrize(("percent", "worked", "pause"), [(1, 0.1, 9.9), (5, 0.1, 1.9), (50, 0.1, 0.1), (50, 0, 0.01)])
def test_an_operator_says_how_much_of_a_core_it_may_take(percent: float, worked: float, pause: float) -> None:
    assert Pace.of(percent).pause_after(worked) == pytest.approx(pause)


async def test_it_looks_at_nothing_where_it_may_take_nothing(hub: OpenStores, monkeypatch: pytest.MonkeyPatch) -> None:
    sampled: list[int] = []
    monkeypatch.setattr(hub.stores.sampling, "_on_sampled", sampled.append)
    hub.stores.sampling._pace = Pace.of(0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await hub.stores.sampling.run()

    assert sampled == []
