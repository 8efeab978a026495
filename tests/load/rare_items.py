"""What it costs a reader of the feed to look for what is rare: by types that rows of the ledger tell, and by others.

    uv run python tests/load/rare_items.py --runs 3

A hub sells 40,000 times (`--full`: 280,000), which raises hardly an alert. Then the feed is read from its beginning to
its end by `types=alert.*`, `types=movement.count`, which the ledger passes over by itself, and `types=reservation.*`,
for which the hub reads every entry. In turn; the hub does nothing else.
"""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from figures import Options, Row, print_rows, spread
from hub_process import LOCATIONS, POOLS, RunningHub, now, running_hub, sku, token_of

SALES, FULL_SALES = 40_000, 280_000
SKUS = 1_000
_PER_ARRAY = 500
_SENDERS = 4
ASKED = ("alert.*", "movement.count", "reservation.*")


def measure(given: Options) -> Iterable[Row]:
    """One row for each kind of question."""
    sales = FULL_SALES if given.full else SALES
    with tempfile.TemporaryDirectory(prefix="load-") as folder, running_hub(Path(folder) / "hub") as hub:
        hub.fill(SKUS)
        with ThreadPoolExecutor(_SENDERS) as senders:
            for _ in senders.map(hub.book, _sales(sales)):
                pass
        token = token_of(hub.config, "feed:read")
        taken: dict[str, list[tuple[float, float, int]]] = {types: [] for types in ASKED}
        for _ in range(given.runs):
            for types in ASKED:
                taken[types].append(_read(hub, token, types))
    for types in ASKED:
        seconds, cpu, items = zip(*taken[types], strict=True)
        each = [one / sales * 1e6 for one in seconds]
        what = f"feed, `types={types}`, {items[0]:,} items among {sales:,} sales"
        told = f"{spread(each, 1, ' µs')} an entry, {spread(seconds, 2, ' s')} in all"
        yield Row("—", what, told, f"the hub's own CPU {spread(cpu, 2, ' s')}", "—", "—")


def _sales(count: int) -> Iterator[list[dict[str, object]]]:
    for first in range(0, count, _PER_ARRAY):
        yield [
            {
                "id": f"rare-{number}",
                "type": "sale",
                "time": now(),
                "location": LOCATIONS[0],
                "pool": POOLS[1],
                "lines": [{"sku": sku(number % SKUS), "quantity": 1}],
            }
            for number in range(first, min(first + _PER_ARRAY, count))
        ]


def _read(hub: RunningHub, token: str, types: str) -> tuple[float, float, int]:
    """Seconds, CPU seconds of the hub, and items, until nothing at all lies behind a page."""
    door = HTTPConnection("127.0.0.1", hub.http_port, timeout=60)
    began, cpu, items, after = time.perf_counter(), hub.cpu_seconds()["itself"], 0, ""
    while True:
        page = _page(door, token, f"types={types}{after}")
        items += len(page["items"])
        after = f"&after={page['next']}"
        if not page["items"] and not _page(door, token, f"limit=1{after}")["items"]:
            break
    door.close()
    return time.perf_counter() - began, hub.cpu_seconds()["itself"] - cpu, items


def _page(door: HTTPConnection, token: str, asked: str) -> dict[str, Any]:
    door.request("GET", f"/v1/feed?{asked}", headers={"Authorization": f"Bearer {token}"})
    answer = door.getresponse()
    told: dict[str, Any] = json.loads(answer.read())
    if answer.status != 200:
        raise SystemExit(f"The feed is not told: {answer.status} {told!r:.300}")
    return told


if __name__ == "__main__":
    print_rows(__doc__, measure)
