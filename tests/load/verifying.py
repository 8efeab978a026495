"""How long `hub verify` takes, beside a plain read of the same: all hashes from Redis, all sums from Postgres.

    uv run python tests/load/verifying.py --positions 100000 --runs 3
    uv run python tests/load/verifying.py --full --runs 1    # a million positions

The peer compares nothing: it scans Redis and takes every SKU's hash, and asks Postgres once for the sums of all
movements and the newest count of changes of all that was shown. Both in turn, on the same stores.
"""

import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import asyncpg
from bare_stores import BareStores, bare_stores
from figures import Options, Row, print_rows, ratios, spread
from large_stock import PLACES, fill
from redis.asyncio import Redis

from hub.domain.articles import Catalogue
from hub.ledger.connection import Link
from hub.ledger.sums import COMMAND_SECONDS, Sums
from hub.stock import keys
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.verify.verification import Verification

_FULL_POSITIONS = 1_000_000
_KEYS_PER_READ = 1_000
_SUMS = """SELECT sku, location, bucket, sum(units) AS units
    FROM hub.movement
    CROSS JOIN LATERAL (VALUES (to_bucket, quantity), (from_bucket, -quantity)) AS sides(bucket, units)
    GROUP BY sku, location, bucket"""
_CHANGES = "SELECT sku, pool, max(changes) FROM hub.shown GROUP BY sku, pool"


async def verified(stores: BareStores) -> tuple[float, int]:
    """Seconds of a verification, and how many positions it compared.

    Raises:
        SystemExit: it found something.
    """
    sums = Sums(Link(stores.dsn, "verify", command_seconds=COMMAND_SECONDS))
    async with Redis.from_url(stores.redis_url) as client:
        verification = Verification(Inspection(client), sums, Described(client, Catalogue()), is_live=False)
        report = await verification.run()
    await sums.aclose()
    print(report.text().splitlines()[-1], file=sys.stderr)
    if report.exit_code:
        raise SystemExit(report.text())
    return report.seconds, report.positions


async def read_plainly(stores: BareStores) -> float:
    """Seconds of reading the same without a comparison."""
    connection = await asyncpg.connect(stores.dsn, server_settings={"jit": "off"})
    began = time.perf_counter()
    async with Redis.from_url(stores.redis_url) as client:
        some: list[bytes] = []
        async for key in client.scan_iter(match=keys.ANY_SKU, count=_KEYS_PER_READ):
            some.append(key)
            if len(some) == _KEYS_PER_READ:
                await _take(client, some)
                some = []
        await _take(client, some)
    async with connection.transaction():
        for question in (_SUMS, _CHANGES):
            async for _ in connection.cursor(question, prefetch=5_000):
                pass
    seconds = time.perf_counter() - began
    await connection.close()
    return seconds


async def _take(client: Redis, some: Iterable[bytes]) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        for key in some:
            pipeline.hgetall(key)
        await pipeline.execute()


async def _filled(stores: BareStores, folder: Path, skus: int) -> None:
    began = time.perf_counter()
    await fill(stores, folder, skus)
    print(f"{skus:,} SKUs made in {time.perf_counter() - began:.0f} s", file=sys.stderr)


def measure(given: Options) -> Iterable[Row]:
    """One row."""
    skus = (_FULL_POSITIONS if given.full else given.positions) // len(PLACES)
    with tempfile.TemporaryDirectory(prefix="load-") as name, bare_stores(Path(name) / "data") as stores:
        stores.run(_filled(stores, Path(name), skus))
        seconds, floors, positions = [], [], 0
        for _ in range(given.runs):
            floors.append(stores.run(read_plainly(stores)))
            taken, positions = stores.run(verified(stores))
            seconds.append(taken)
    speed = [positions / each for each in seconds]
    what = f"`hub verify` of {positions:,} positions of {skus:,} SKUs in {2 * skus + 2:,} entries"
    measured = f"{spread(seconds, 1, ' s')}, {spread(speed)} positions/s"
    floor = f"reading all of it {spread(floors, 1, ' s')}"
    yield Row("—", what, measured, floor, spread(ratios(seconds, floors), 1), "≤ 8 min at 1,000,000")


def profile() -> None:
    """Where the time of a verification goes."""
    with tempfile.TemporaryDirectory(prefix="load-") as name, bare_stores(Path(name) / "data") as stores:
        stores.run(_filled(stores, Path(name), 5_000))
        profiler = cProfile.Profile()
        profiler.enable()
        stores.run(verified(stores))
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    profile() if "--profile" in sys.argv else print_rows(__doc__, measure)
