"""P14: bytes in Redis per position, per dedupe record and per journal entry, with four pools."""

import asyncio
import tempfile
from pathlib import Path

from bare_stores import BareStores, bare_stores
from figures import Options, Row, print_rows
from hub_process import LINES, LOCATIONS, POOLS, RunningHub, now, running_hub, sku
from redis.asyncio import Redis

from hub.stock import keys

SKUS = 20_000
_SALES_PER_ARRAY = 1_000
_SAMPLE = 500
_TRIMMED_SECONDS = 120


def measure(options: Options) -> list[Row]:
    """One row each; memory does not vary, so it is read once."""
    rows = []
    for locations in (LOCATIONS[:1], LOCATIONS):
        with (
            tempfile.TemporaryDirectory(prefix="load-") as folder,
            bare_stores(Path(folder) / "stores") as stores,
            running_hub(Path(folder) / "hub", {"HUB_REDIS_URL": stores.redis_url}) as hub,
        ):
            hub.fill(SKUS, locations)
            _sell_each(hub)
            stores.run(_only_sales(stores, SKUS * len(locations) // LINES))
            rows += stores.run(_rows(stores, locations))
    return rows[:1] + rows[3:]


def _sell_each(hub: RunningHub) -> None:
    for first in range(0, SKUS, _SALES_PER_ARRAY):
        hub.book([_sale(i) for i in range(first, first + _SALES_PER_ARRAY)])


def _sale(number: int) -> dict[str, object]:
    lines = [{"sku": sku(number), "quantity": 1}]
    event = {"id": f"till-7-{number:09d}", "type": "sale", "time": now(), "location": LOCATIONS[0]}
    return {**event, "pool": POOLS[1], "lines": lines}


async def _only_sales(stores: BareStores, receipts: int) -> None:
    """Wait until the receipts are in the ledger and trimmed off the journal: they are far larger than a sale."""
    async with Redis.from_url(stores.redis_url) as client, asyncio.timeout(_TRIMMED_SECONDS):
        while int((await client.xrange(keys.JOURNAL, count=1))[0][0].split(b"-")[1]) < receipts:  # noqa: ASYNC110 - another process trims
            await asyncio.sleep(0.5)


async def _rows(stores: BareStores, locations: tuple[str, ...]) -> list[Row]:
    async with Redis.from_url(stores.redis_url) as client:
        step = SKUS // _SAMPLE
        hashes = [await _bytes(client, keys.sku(sku(i))) for i in range(0, SKUS, step)]
        sets = [await _bytes(client, keys.skus_at(location)) for location in locations]
        position = sum(hashes) / len(hashes) / len(locations) + sum(sets) / SKUS / len(locations)
        seen = [key async for key in client.scan_iter(match=keys.seen(0)[:-1] + "*")]
        record = sum([await _bytes(client, key) for key in seen]) / sum([await client.hlen(key) for key in seen])
        entry = await _bytes(client, keys.JOURNAL) / await client.xlen(keys.JOURNAL)
    at = f"{SKUS:,} SKUs at {len(locations)} location{'s' if len(locations) > 1 else ''}"
    return [
        Row("P14", f"bytes in Redis per position, {at}", f"{position:,.0f}", "—", "—", "≤ 200"),
        Row("P14", "bytes per dedupe record", f"{record:,.0f}", "—", "—", "≤ 120"),
        Row("P14", "bytes per journal entry of a one-line sale", f"{entry:,.0f}", "—", "—", "≤ 400"),
    ]


async def _bytes(client: Redis, key: str | bytes) -> int:
    return int(await client.memory_usage(key, samples=0) or 0)


if __name__ == "__main__":
    print_rows(__doc__, measure)
