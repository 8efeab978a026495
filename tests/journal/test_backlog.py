"""A journal that grows because the ledger is away is noticed before Redis is full."""

import pytest
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


async def test_a_journal_is_measured_right_though_its_first_entries_are_large(redis_client: Redis, key: str) -> None:
    for number in range(20):
        await redis_client.xadd(key, {FIELD: b"x" * 20_000}, id=f"0-{number + 1}")
    await grow(redis_client, key, 5_000_000)
    backlog = Backlog(redis_client, key, LIMIT)
    await backlog.look()

    assert backlog.bytes == await redis_client.memory_usage(key, samples=0)


async def test_a_long_journal_is_measured_by_its_entries_until_it_has_grown(
    redis_client: Redis, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.journal.backlog.MEASURED_AT_ONCE_MAX", 100)
    await grow(redis_client, key, 1_000_000)
    backlog = Backlog(redis_client, key, LIMIT)
    await backlog.look()
    first = backlog.bytes

    await grow(redis_client, key, first * 1.03)
    await backlog.look()
    between = backlog.bytes
    assert between == pytest.approx(await redis_client.memory_usage(key, samples=0), rel=0.01)
    assert between > first

    await grow(redis_client, key, first * 1.2)
    await backlog.look()
    assert backlog.bytes == await redis_client.memory_usage(key, samples=0)
