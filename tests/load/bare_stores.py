"""The bare hops into the stores: one script call with its fsync, one row with its commit.

A private Redis and a private Postgres like the hub's own, with nothing else to do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers, start

# What a peer of the kernel does for one sale: take one unit of one SKU.
SALE_SCRIPT = "return redis.call('HINCRBY', KEYS[1], ARGV[1], -1)"

T = TypeVar("T")


class BareStores:
    """Private servers, and the event loop they belong to."""

    def __init__(self, runner: asyncio.Runner, servers: EmbeddedServers) -> None:
        assert servers.redis_url is not None
        self.redis_url = servers.redis_url
        assert servers.postgres_dsn is not None
        self.dsn = servers.postgres_dsn
        self._runner = runner

    def run(self, job: Coroutine[Any, Any, T]) -> T:
        """Run a job on the servers' loop."""
        return self._runner.run(job)

    def script_calls_ms(self, count: int, rate: float) -> list[float]:
        """How long each of `count` script calls takes, at a fixed rate, each on disk before its answer."""
        return self.run(self._script_calls_ms(count, rate))

    def commits_ms(self, count: int, rate: float) -> list[float]:
        """How long each of `count` commits of one row takes, at a fixed rate."""
        return self.run(self._commits_ms(count, rate))

    async def _script_calls_ms(self, count: int, rate: float) -> list[float]:
        async with Redis.from_url(self.redis_url) as client:
            sha = await client.script_load(SALE_SCRIPT)
            return await _timed_ms(lambda: client.evalsha(sha, 1, "stock", "free"), count, rate)  # type: ignore[arg-type, return-value]

    async def _commits_ms(self, count: int, rate: float) -> list[float]:
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute("CREATE TABLE IF NOT EXISTS row (id bigserial PRIMARY KEY, body bytea)")
            insert = await connection.prepare("INSERT INTO row (body) VALUES ($1)")
            return await _timed_ms(lambda: insert.fetch(bytes(400)), count, rate)
        finally:
            await connection.close()


@contextmanager
def bare_stores(folder: Path) -> Iterator[BareStores]:
    """Both servers with their data in `folder`, stopped at the end of the block."""
    with asyncio.Runner() as runner:
        servers = runner.run(start(folder, redis=True, postgres=True))
        try:
            yield BareStores(runner, servers)
        finally:
            runner.run(servers.stop())


async def _timed_ms(call: Callable[[], Awaitable[object]], count: int, rate: float) -> list[float]:
    taken_ms: list[float] = []
    started = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        sent = time.perf_counter()
        await call()
        taken_ms.append((time.perf_counter() - sent) * 1000)
    return taken_ms
