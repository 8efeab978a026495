"""What the sampling of a running hub costs, and how soon it tells of damage, at several sizes of stock.

    uv run python tests/load/sampling.py --seconds 120 --runs 5

Each hub does nothing else. CPU seconds of the hub and of its private servers are read from /proc for so many seconds at
the default of 1 %, after as many with `verify_percent = 0`, and the difference is the cost. Then a position of a
SKU chosen at random is changed by hand, `--runs` times, and the time until `hub_verify_findings` rises is taken.
"""

import random
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
from bare_stores import bare_stores
from figures import Options, Row, print_rows, spread
from hub_process import POOLS, RunningHub, house, running_hub, sku
from large_stock import PLACES, fill
from redis import Redis

from hub.domain.position import Position
from hub.embedded.folder import sockets_in_use
from hub.embedded.redis_server import redis_url
from hub.stock import keys

SIZES = (500,)
FULL_SIZES = (500, 3_000, 20_000)
# A pass that finds nothing changed comes after one that compared everything.
_FIRST_PASS_SECONDS = 3_600.0
_FOUND_SECONDS = 1_800.0
_SEED = 1


def cost(hub: RunningHub, seconds: float) -> dict[str, float]:
    """CPU of the hub and its servers in percent of one core, and the SKUs that were compared a minute."""
    before, sampled = hub.cpu_seconds(), metric(hub, "hub_verify_sampled_total")
    time.sleep(seconds)
    after = hub.cpu_seconds()
    spent = {name: (after[name] - before.get(name, 0.0)) * 100 / seconds for name in after}
    compared = (metric(hub, "hub_verify_sampled_total") - sampled) * 60 / seconds
    return {"hub": spent.pop("itself"), "servers": sum(spent.values()), "compared": compared}


def metric(hub: RunningHub, name: str) -> float:
    """One figure of the hub's."""
    door = HTTPConnection("127.0.0.1", hub.admin_port, timeout=10)
    door.request("GET", "/metrics")
    found = re.search(rf"^{name} (\S+)$", door.getresponse().read().decode(), re.MULTILINE)
    door.close()
    assert found is not None
    return float(found[1])


def told_after(hub: RunningHub, client: Redis, name: str) -> float:
    """Seconds until damage to a SKU is told; it is mended after that."""
    key, field = keys.sku(name), keys.POSITION_FIELD.decode() + PLACES[-1]
    packed: Any = client.hget(key, field)
    spoilt = msgspec.structs.replace(msgspec.msgpack.decode(packed, type=Position), free=7)
    began = time.perf_counter()
    client.hset(key, field, msgspec.msgpack.encode(spoilt))
    _wait(hub, "hub_verify_findings", lambda findings: findings > 0, _FOUND_SECONDS)
    seconds = time.perf_counter() - began
    client.hset(key, field, packed)
    _wait(hub, "hub_verify_findings", lambda findings: findings == 0, _FOUND_SECONDS)
    return seconds


def _wait(hub: RunningHub, name: str, holds: Any, patience_seconds: float) -> None:
    until = time.perf_counter() + patience_seconds
    while not holds(metric(hub, name)):
        if time.perf_counter() > until:
            raise SystemExit(f"{name} is {metric(hub, name)} for too long")
        time.sleep(0.25)


def _measured(folder: Path, skus: int, given: Options) -> list[Row]:
    (folder / "hub").mkdir()
    with bare_stores(folder / "hub" / "data") as stores:
        stores.run(fill(stores, folder, skus))
    rules, chance = house(PLACES, POOLS), random.Random(_SEED)
    with running_hub(folder / "hub", {"HUB_LIMITS_VERIFY_PERCENT": "0"}, rules=rules) as hub:
        idle = cost(hub, given.seconds)
    with running_hub(folder / "hub", rules=rules) as hub:
        _first_pass(hub, skus)
        looked = cost(hub, given.seconds)
        passes, rounds = metric(hub, "hub_verify_pass_seconds"), metric(hub, "hub_verify_round_seconds")
        sockets = sockets_in_use(folder / "hub" / "data")
        assert sockets is not None
        with Redis.from_url(redis_url(sockets)) as client:
            told = [told_after(hub, client, sku(chance.randrange(skus))) for _ in range(given.runs)]
    print(f"{skus:,} SKUs: a pass {passes:.0f} s, a round {rounds:.0f} s, told after {told}", file=sys.stderr)
    more = {name: looked[name] - idle[name] for name in ("hub", "servers")}
    what = f"sampling {skus:,} SKUs of {len(PLACES)} locations and {len(POOLS)} pools"
    share = f"{more['hub']:.2f} % of a core in the hub, {more['servers']:.2f} % in its servers"
    alone = f"without it {idle['hub']:.2f} % and {idle['servers']:.2f} %"
    speed = f"{looked['compared']:,.0f} SKUs compared a minute, a pass over all in {passes:,.0f} s"
    return [
        Row("—", what, share, alone, "—", "≤ 1 %"),
        Row("—", f"the same: {speed}; damage is told after", spread(told, 1, " s"), "—", "—", "≤ 60 s"),
    ]


def _first_pass(hub: RunningHub, skus: int) -> None:
    """Wait until everything was compared once: a minute for each 900 SKUs or so."""
    _wait(hub, "hub_verify_sampled_total", lambda sampled: sampled >= skus, _FIRST_PASS_SECONDS)


def measure(given: Options) -> Iterable[Row]:
    """Two rows for each size."""
    for skus in FULL_SIZES if given.full else SIZES:
        with tempfile.TemporaryDirectory(prefix="load-") as folder:
            yield from _measured(Path(folder), skus, given)


if __name__ == "__main__":
    print_rows(__doc__, measure)
