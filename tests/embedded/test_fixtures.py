"""The fixtures of the whole suite: clean stores for every test."""

import asyncpg
from redis.asyncio import Redis


async def test_a_test_begins_with_an_empty_redis(redis_client: Redis):
    assert await redis_client.dbsize() == 0
    await redis_client.set("left", "behind")


async def test_the_next_test_begins_with_an_empty_redis_too(redis_url: str):
    async with Redis.from_url(redis_url) as client:
        assert await client.dbsize() == 0


async def test_a_test_begins_with_an_empty_database_of_its_own(postgres_dsn: str):
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute("CREATE TABLE left_behind ()")
        assert await connection.fetchval("SELECT current_database()") != "hub"
    finally:
        await connection.close()


async def test_the_next_test_begins_with_an_empty_database_too(postgres_dsn: str):
    connection = await asyncpg.connect(postgres_dsn)
    try:
        assert await connection.fetchval("SELECT to_regclass('left_behind')") is None
    finally:
        await connection.close()
