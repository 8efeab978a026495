"""A journal that grows because the ledger is away is noticed before Redis is full."""

from redis.asyncio import Redis

from hub.domain.entry import FIELD
from hub.journal.backlog import OPEN_BELOW, Backlog

LIMIT = 200_000


async def grow(client: Redis, key: str, until_bytes: float) -> None:
    number = await client.xlen(key)
    while (await client.memory_usage(key) or 0) < until_bytes:
        async with client.pipeline(transaction=False) as pipeline:
            for _ in range(20):
                pipeline.xadd(key, {FIELD: b"x" * 450}, id=f"1-{number}")
                number += 1
            await pipeline.execute()


async def test_a_journal_is_full_at_its_limit_and_open_again_well_below_it(redis_client: Redis, key: str) -> None:
    backlog = Backlog(redis_client, key, LIMIT)
    await backlog.look()
    assert (backlog.bytes, backlog.full_because) == (0, None)

    await grow(redis_client, key, LIMIT * 0.95)
    await backlog.look()
    assert backlog.full_because is None

    await grow(redis_client, key, LIMIT * 1.1)
    await backlog.look()
    assert backlog.bytes >= LIMIT
    assert backlog.full_because is not None

    # A little less does not open it, or it would open and close for every entry.
    while (await redis_client.memory_usage(key) or 0) > LIMIT * 0.97:
        await redis_client.xtrim(key, maxlen=await redis_client.xlen(key) - 9, approximate=False)
    await backlog.look()
    assert backlog.full_because is not None

    await redis_client.xtrim(key, maxlen=10, approximate=False)
    await backlog.look()
    assert backlog.bytes < LIMIT * OPEN_BELOW
    assert backlog.full_because is None


async def test_a_redis_with_hardly_any_memory_left_is_full_too(redis_client: Redis, key: str) -> None:
    backlog = Backlog(redis_client, key, LIMIT)
    used = (await redis_client.info("memory"))["used_memory"]
    try:
        await redis_client.config_set("maxmemory", int(used * 1.02))
        await backlog.look()
        assert backlog.full_because is not None
        await redis_client.config_set("maxmemory", used * 3)
        await backlog.look()
        assert backlog.full_because is None
    finally:
        await redis_client.config_set("maxmemory", 0)


async def test_a_large_journal_is_measured_as_well_by_some_of_its_nodes(redis_client: Redis, key: str) -> None:
    await grow(redis_client, key, 5_000_000)
    backlog = Backlog(redis_client, key, LIMIT)
    await backlog.look()

    exact = await redis_client.memory_usage(key, samples=0)
    assert 0.9 < backlog.bytes / exact < 1.1
