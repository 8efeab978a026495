"""P14: bytes in Redis per position, dedupe record and journal entry, with four pools; per count and per serial."""

import asyncio
import tempfile
from pathlib import Path

from bare_stores import BareStores, bare_stores
from figures import Options, Row, print_rows
from hub_process import LINES, LOCATIONS, PLENTY, POOLS, RunningHub, now, running_hub, sku
from redis.asyncio import Redis

from hub.stock import keys

SKUS = 20_000
_SALES_PER_ARRAY = 1_000
_SAMPLE = 500
# Of one SKU; its sample of hashes is none the larger.
PIECES = 1_000
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
            if len(locations) == 1:
                first = stores.run(_position_bytes(stores, locations))
                _count_each(hub)
                counted = _counted_row(first, stores.run(_position_bytes(stores, locations)))
                hub.book([_piece(number) for number in range(0, PIECES, LINES)])
                pieces = stores.run(_piece_rows(stores))
    return [rows[0], counted, *rows[3:], *pieces]


def _sell_each(hub: RunningHub) -> None:
    for first in range(0, SKUS, _SALES_PER_ARRAY):
        hub.book([_sale(i) for i in range(first, first + _SALES_PER_ARRAY)])


def _sale(number: int) -> dict[str, object]:
    lines = [{"sku": sku(number), "quantity": 1}]
    event = {"id": f"till-7-{number:09d}", "type": "sale", "time": now(), "location": LOCATIONS[0]}
    return {**event, "pool": POOLS[1], "lines": lines}


def _count_each(hub: RunningHub) -> None:
    """Count every SKU, as many at a time as an event may have lines."""
    for first in range(0, SKUS, LINES):
        lines = [{"sku": sku(i), "quantity": PLENTY} for i in range(first, first + LINES)]
        event = {"id": f"count-{first}", "type": "count", "time": now(), "counted_at": now(), "location": LOCATIONS[0]}
        hub.book([{**event, "lines": lines}])


def _piece(first: int) -> dict[str, object]:
    """The receipt of pieces that have a serial each, eleven characters long."""
    serials = [f"SN-{number:08d}" for number in range(first, first + LINES)]
    lines = [{"sku": sku(0), "quantity": LINES, "serials": serials}]
    return {"id": f"pieces-{first}", "type": "receipt", "time": now(), "location": LOCATIONS[0], "lines": lines}


def _counted_row(before: float, after: float) -> Row:
    more = f"never counted {before:,.0f}"
    what = f"bytes in Redis per position that was counted, {SKUS:,} SKUs at 1 location"
    return Row("P14", what, f"{after:,.0f}", more, f"{after / before:.2f}", "≤ 200")


async def _piece_rows(stores: BareStores) -> list[Row]:
    """Nothing where a hub keeps no serials."""
    async with Redis.from_url(stores.redis_url) as client:
        known = await client.hlen(keys.SERIALS)
        each = await _bytes(client, keys.SERIALS) / max(1, known)
    return [Row("P14", f"bytes per serial, {known:,} of one SKU", f"{each:,.0f}", "—", "—", "—")] if known else []


async def _only_sales(stores: BareStores, receipts: int) -> None:
    """Wait until the receipts are in the ledger and trimmed off the journal: they are far larger than a sale."""
    async with Redis.from_url(stores.redis_url) as client, asyncio.timeout(_TRIMMED_SECONDS):
        while int((await client.xrange(keys.JOURNAL, count=1))[0][0].split(b"-")[1]) < receipts:  # noqa: ASYNC110 - another process trims
            await asyncio.sleep(0.5)


async def _rows(stores: BareStores, locations: tuple[str, ...]) -> list[Row]:
    async with Redis.from_url(stores.redis_url) as client:
        position = await _position_bytes(stores, locations)
        seen = [key async for key in client.scan_iter(match=keys.seen(0)[:-1] + "*")]
        record = sum([await _bytes(client, key) for key in seen]) / sum([await client.hlen(key) for key in seen])
        entry = await _bytes(client, keys.JOURNAL) / await client.xlen(keys.JOURNAL)
    at = f"{SKUS:,} SKUs at {len(locations)} location{'s' if len(locations) > 1 else ''}"
    return [
        Row("P14", f"bytes in Redis per position, {at}", f"{position:,.0f}", "—", "—", "≤ 200"),
        Row("P14", "bytes per dedupe record", f"{record:,.0f}", "—", "—", "≤ 120"),
        Row("P14", "bytes per journal entry of a one-line sale", f"{entry:,.0f}", "—", "—", "≤ 400"),
    ]


async def _position_bytes(stores: BareStores, locations: tuple[str, ...]) -> float:
    """Of a SKU's hash and its share of the locations' sets, divided by its positions."""
    async with Redis.from_url(stores.redis_url) as client:
        hashes = [await _bytes(client, keys.sku(sku(i))) for i in range(0, SKUS, SKUS // _SAMPLE)]
        sets = [await _bytes(client, keys.skus_at(location)) for location in locations]
    return sum(hashes) / len(hashes) / len(locations) + sum(sets) / SKUS / len(locations)


async def _bytes(client: Redis, key: str | bytes) -> int:
    return int(await client.memory_usage(key, samples=0) or 0)


if __name__ == "__main__":
    print_rows(__doc__, measure)
