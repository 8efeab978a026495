"""A partition that is not the one this process was told of takes nothing, and is never made again in silence."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import StatusSettings
from hub.domain.entry import Seq
from hub.domain.remembering import DAY_MS
from hub.embedded.servers import start
from hub.faults import ServerRefused, Unavailable
from hub.stock import keys
from hub.stock.kernel import RulesChanged
from hub.stock.outcome import Applied, Broken, Duplicate
from hub.stock.scripts import OPEN, Script
from tests.stock.opened import OpenStores
from tests.stock.partition import EPOCH, HOUSE, HUB, Partition, everything, house_of

WRONG = ("string", "list")


async def plant(client: Redis, key: str, kind: str) -> None:
    await client.delete(key)
    if kind == "string":
        await client.set(key, "something else")
    else:
        await client.rpush(key, "something", "else")


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("key", [keys.META, keys.JOURNAL])
async def test_a_meta_or_journal_of_a_wrong_type_is_found_before_any_write(
    partition: Partition, key: str, kind: str
) -> None:
    await plant(partition.client, key, kind)
    before = await everything(partition.client)

    with pytest.raises(Unavailable):
        await partition.call(partition.fact("late"))

    assert await everything(partition.client) == before


@pytest.mark.parametrize("days_ago", [0, 1, 7])
async def test_a_seen_day_of_a_wrong_type_is_found_before_any_write(partition: Partition, days_ago: int) -> None:
    await plant(partition.client, keys.seen(partition.now_ms // DAY_MS - days_ago), "string")
    before = await everything(partition.client)

    with pytest.raises(Unavailable):
        await partition.call(partition.fact("late"))

    assert await everything(partition.client) == before


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("key", [keys.sku("BAG"), keys.skus_at("LON")])
async def test_a_sku_or_place_of_a_wrong_type_is_found_before_any_write(
    partition: Partition, key: str, kind: str
) -> None:
    await plant(partition.client, key, kind)
    before = await everything(partition.client)

    [outcome] = await partition.call(partition.fact("late"))

    assert isinstance(outcome, Broken)
    assert await everything(partition.client) == before


async def test_ids_stated_ahead_under_a_key_of_a_wrong_type_are_found_before_any_write(partition: Partition) -> None:
    await plant(partition.client, keys.AHEAD, "string")
    before = await everything(partition.client)
    ahead = partition.fact("ahead", stated_ms=partition.now_ms + 3 * DAY_MS, ledger_checked=True)

    try:
        outcomes = await partition.call(ahead)
    except Unavailable:
        pass
    else:
        assert isinstance(outcomes[0], Broken)

    assert await everything(partition.client) == before


async def test_a_write_that_fails_halts_the_partition_for_good(partition: Partition) -> None:
    await partition.call(partition.fact("before"))
    # Redis refuses the next id, because the journal already ends behind it.
    await partition.client.xadd(keys.JOURNAL, {"e": "from nowhere"}, id=f"{EPOCH}-1000")

    with pytest.raises(Unavailable, match="halted") as told:
        await partition.call(partition.fact("halting"))

    assert told.value.retry_after_seconds > 0
    assert partition.kernel.closed_because is not None
    after = await everything(partition.client)
    for id in ("late", "before"):
        with pytest.raises(Unavailable, match="halted"):
            await partition.call(partition.fact(id))
    assert await everything(partition.client) == after
    assert (await partition.position()).free == 1
    with pytest.raises(ServerRefused, match="halted"):
        await Partition(partition.client, partition.house).open(create=False)


async def test_a_flushed_redis_is_closed_and_never_made_again(partition: Partition) -> None:
    await partition.call(partition.fact("before"))
    await partition.client.flushall()

    for _ in range(2):
        with pytest.raises(Unavailable, match="lost"):
            await partition.call(partition.fact("late"))

    assert await partition.client.keys("*") == []
    with pytest.raises(ServerRefused, match="rebuild"):
        await Partition(partition.client, partition.house).open(create=False)
    assert await partition.client.keys("*") == []


async def test_a_redis_that_lost_only_its_meta_is_not_made_again_over_its_journal(partition: Partition) -> None:
    await partition.client.delete(keys.META)

    with pytest.raises(ServerRefused, match="rebuild"):
        await Partition(partition.client, partition.house).open(create=True)


async def test_an_older_copy_of_redis_is_behind(partition: Partition) -> None:
    await partition.call(partition.fact("one"))
    copy = await everything(partition.client)
    await partition.call(partition.fact("two"))
    await partition.client.flushall()
    for key, held in copy.items():
        await partition.client.restore(key, 0, held)

    with pytest.raises(Unavailable, match="behind"):
        await partition.call(partition.fact("three"))

    assert await everything(partition.client) == copy


async def test_a_redis_of_another_epoch_is_fenced(partition: Partition) -> None:
    await partition.client.hset(keys.META, "epoch", EPOCH + 1)
    before = await everything(partition.client)

    with pytest.raises(Unavailable, match="epoch"):
        await partition.call(partition.fact("late"))

    assert await everything(partition.client) == before


@pytest.mark.parametrize(("hub", "epoch", "why"), [(UUID(int=8), EPOCH, "another hub"), (HUB, EPOCH + 1, "epoch")])
async def test_another_hubs_redis_or_an_older_epochs_is_not_opened(
    partition: Partition, hub: UUID, epoch: int, why: str
) -> None:
    before = await everything(partition.client)

    with pytest.raises(ServerRefused, match=why):
        await Partition(partition.client, partition.house).open(create=True, hub=hub, epoch=epoch)

    assert await everything(partition.client) == before


async def test_other_rules_made_by_another_process_are_not_overwritten(partition: Partition) -> None:
    settings = msgspec.structs.replace(HOUSE, statuses=(StatusSettings("repair"),))
    await Partition(partition.client, house_of(settings)).open(create=False)
    before = await everything(partition.client)

    with pytest.raises(RulesChanged):
        await partition.call(partition.fact("late"))

    assert await everything(partition.client) == before


async def test_a_redis_that_forgot_its_functions_goes_on(partition: Partition) -> None:
    await partition.call(partition.fact("one"))
    await partition.client.function_flush()

    [outcome] = await partition.call(partition.fact("two"))

    assert isinstance(outcome, Applied)
    assert (await partition.position()).free == 2


async def test_opening_again_changes_nothing_and_a_restart_goes_on_where_it_stopped(partition: Partition) -> None:
    [first] = await partition.call(partition.fact("one"))
    before = await everything(partition.client)

    again = Partition(partition.client, partition.house)
    await again.open(create=False)

    assert await everything(partition.client) == before
    assert isinstance(first, Applied)
    repeated, second = await again.call(again.fact("one"), again.fact("two"))
    assert isinstance(repeated, Duplicate)
    assert repeated.seq == first.seq
    assert isinstance(second, Applied)
    assert second.seq == Seq(EPOCH, first.seq.number + 1)
    assert (await again.position()).free == 2


@pytest.fixture
async def small_redis(tmp_path: Path, redis_binary: Path | None) -> AsyncIterator[Redis]:
    """A Redis of its own, because its memory is to be full."""
    servers = await start(tmp_path, redis=True, postgres=False, redis_binary=redis_binary)
    assert servers.redis_url is not None
    async with Redis.from_url(servers.redis_url) as client:
        yield client
    await servers.stop()


async def test_a_full_redis_takes_nothing_in_part_and_goes_on_when_it_has_room(small_redis: Redis) -> None:
    partition = Partition(small_redis, house_of())
    await partition.open()
    await partition.call(partition.fact("before"))
    before = await everything(small_redis)
    await small_redis.config_set("maxmemory", 1)

    with pytest.raises(Unavailable, match="memory"):
        await partition.call(partition.fact("late"), partition.fact("later"))

    assert await everything(small_redis) == before
    assert (await partition.position()).free == 1
    await small_redis.config_set("maxmemory", 0)
    [outcome] = await partition.call(partition.fact("late"))
    assert isinstance(outcome, Applied)


async def test_a_full_redis_is_noticed_at_start(small_redis: Redis) -> None:
    await small_redis.config_set("maxmemory", 1)

    with pytest.raises(Unavailable, match="memory"):
        await Partition(small_redis, house_of()).open()

    assert await small_redis.keys("*") == []


async def test_the_script_says_that_it_must_not_start_without_memory() -> None:
    assert Script(OPEN).text.startswith("#!lua\n")


async def test_positions_of_a_redis_that_lost_its_stock_are_not_read_as_none(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.book(hub.fact("in"))
    await redis_client.flushall()

    with pytest.raises(Unavailable, match="lost stock"):
        await hub.reads.positions_of("BAG")


@pytest.mark.parametrize("packed", [b"\xc1", b"\x01", b"\x93\x01\x02\xa1x"])
async def test_a_position_that_cannot_be_read_is_named(hub: OpenStores, redis_client: Redis, packed: bytes) -> None:
    await hub.book(hub.fact("in"))
    await redis_client.hset(keys.sku("BAG"), (keys.POSITION_FIELD + b"LON").decode(), packed)

    for question in (hub.reads.positions_of("BAG"), hub.reads.positions_at("LON"), hub.reads.whole("BAG")):
        with pytest.raises(Unavailable, match="the position of BAG at LON cannot be read"):
            await question


async def test_an_event_that_meets_something_unreadable_is_told_of_which_sku(
    hub: OpenStores, redis_client: Redis
) -> None:
    await hub.book(hub.fact("in"))
    await redis_client.hset(keys.sku("BAG"), (keys.POSITION_FIELD + b"LON").decode(), b"\xc1")

    with pytest.raises(Unavailable, match="unexpected of BAG:"):
        await hub.book(hub.fact("late"))


async def test_a_view_that_cannot_be_read_is_named(hub: OpenStores, redis_client: Redis) -> None:
    await hub.book(hub.fact("in"))
    await redis_client.hset(keys.sku("BAG"), (keys.VIEW_FIELD + b"online").decode(), b"\xc1")

    with pytest.raises(Unavailable, match="what the pool online shows of BAG cannot be read"):
        await hub.reads.read("online", ["BAG"])
