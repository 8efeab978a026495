"""P6: durable sales a second of one SKU that four pools see, through the kernel in batches."""

import csv
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from bare_stores import SALE_SCRIPT, BareStores, bare_stores
from figures import Options, Row, print_rows, ratios, spread
from hub_process import HOUSE, LOCATIONS, PLENTY, POOLS, sku
from redis.asyncio import Redis

from hub.domain.command import Fact, Line
from hub.domain.rules import House
from hub.settings import load
from hub.stock.kernel import Kernel
from hub.stock.outcome import Applied

# What 64 waiting tills can put into one call, and five times what the hub puts there in a rush.
BATCHES = (64, 500)
_PEER_CALLS = 40_000
_PEER_CONNECTIONS = 50


def measure(options: Options) -> list[Row]:
    """A row for each size of batch."""
    program = shutil.which("redis-benchmark")
    if program is None:
        print("P6 needs redis-benchmark (Debian: redis-tools), which is not installed.", file=sys.stderr)
        return [Row("P6", "durable sales/s of one SKU", "not measured", "redis-benchmark is absent", "—", "≥ 1.0")]
    peers: list[float] = []
    sold: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    with tempfile.TemporaryDirectory(prefix="load-") as folder, bare_stores(Path(folder)) as stores:
        house = House(load(_config(Path(folder)), {}).house, datetime.now(UTC))
        kernel = stores.run(_opened(stores, house))
        for number in range(options.runs):
            peers.append(_peer(program, stores))
            for batch in BATCHES:
                job = _sell(kernel, house, batch, options.seconds, f"{number}-{batch}")
                sold[batch].append(stores.run(job))
        stores.run(kernel.client.aclose())
    what = "durable sales/s of one SKU seen by four pools, batches of"
    peer = f"redis-benchmark -c {_PEER_CONNECTIONS} EVALSHA HINCRBY {spread(peers, unit='/s')}"
    return [
        Row("P6", f"{what} {batch}", spread(rate, unit="/s"), peer, spread(ratios(rate, peers), 2), "≥ 1.0")
        for batch, rate in sold.items()
    ]


class OpenKernel(Kernel):
    """A kernel that keeps its client, to be closed."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self.client = client


def _config(folder: Path) -> Path:
    config = folder / "hub.toml"
    config.write_text(HOUSE)
    return config


async def _opened(stores: BareStores, house: House) -> OpenKernel:
    kernel = OpenKernel(Redis.from_url(stores.redis_url))
    await kernel.open(uuid4(), 1, house, create=True)
    await kernel.call([_fact("fill", "receipt", PLENTY, "")], house)
    return kernel


async def _sell(kernel: Kernel, house: House, batch: int, seconds: float, run: str) -> float:
    """Sales a second, one call after the other; the facts are made outside the measured time."""
    booked, spent = 0, 0.0
    while spent < seconds:
        facts = [_fact(f"{run}-{booked + i}", "sale", 1, POOLS[1]) for i in range(batch)]
        started = time.perf_counter()
        outcomes = await kernel.call(facts, house)
        spent += time.perf_counter() - started
        booked += batch
        if not all(isinstance(outcome, Applied) for outcome in outcomes):
            raise SystemExit(f"A sale was not booked: {outcomes[0]}")
    return booked / spent


def _fact(id: str, verb: str, quantity: int, pool: str) -> Fact:
    now_ms = int(time.time() * 1000)
    return Fact(
        verb=verb,  # type: ignore[arg-type]
        type=verb,
        source="till-7",
        id=id,
        hash="0123456789abcdef",
        time_ms=now_ms,
        stated_ms=now_ms,
        ledger_checked=False,
        payload=f'{{"id":"{id}","type":"{verb}","time":"2026-11-22T10:00:00+00:00","location":"{LOCATIONS[0]}",'
        f'"pool":"{pool}","lines":[{{"sku":"{sku(0)}","quantity":{quantity}}}]}}',
        lines=(Line(sku(0), LOCATIONS[0], quantity),),
        pool=pool,
    )


def _peer(program: str, stores: BareStores) -> float:
    """Calls a second of the peer, not pipelined, each on disk before its answer."""
    socket = unquote(urlsplit(stores.redis_url).path)
    sha = stores.run(_loaded(stores.redis_url))
    command = [program, "-s", socket, "-c", str(_PEER_CONNECTIONS), "-n", str(_PEER_CALLS), "--csv"]
    command += ["EVALSHA", sha, "1", "stock", "free"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(next(csv.DictReader(told.splitlines()))["rps"])


async def _loaded(url: str) -> str:
    async with Redis.from_url(url) as client:
        return str(await client.script_load(SALE_SCRIPT))


if __name__ == "__main__":
    print_rows(__doc__, measure)
