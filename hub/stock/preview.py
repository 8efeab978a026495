"""Before a change of rules: which SKUs would be shown otherwise, read off all positions in a fifth of the time."""

import asyncio

import msgspec
from redis.asyncio import Redis

from hub.domain.preview import Difference, Stored, differences
from hub.domain.rules import House
from hub.stock import keys, unpacked
from hub.stock.reading import reading
from hub.stock.sweep import SHARE

SKUS_PER_STEP = 50
# Differences that are listed; the others are only counted.
LISTED_MAX = 1_000


class Preview(msgspec.Struct):
    """What would change."""

    # (SKU, difference), at most `LISTED_MAX`.
    listed: list[tuple[str, Difference]] = msgspec.field(default_factory=list)
    skus_total: int = 0
    is_truncated: bool = False

    def add(self, sku: str, found: list[Difference]) -> None:
        """Count a SKU, and list what fits."""
        self.skus_total += bool(found)
        room = LISTED_MAX - len(self.listed)
        self.listed += [(sku, difference) for difference in found[:room]]
        self.is_truncated = self.is_truncated or len(found) > room


async def preview(client: Redis, before: House, after: House) -> Preview:
    """Go through all SKUs; one that is sold meanwhile counts as it is when its turn comes.

    Raises:
        Unavailable: Redis did not answer.
    """
    found = Preview()
    batch: list[bytes] = []
    with reading():
        async for key in client.scan_iter(match=keys.ANY_SKU, count=500):
            batch.append(key)
            if len(batch) >= SKUS_PER_STEP:
                await _step(client, batch, before, after, found)
                batch = []
        await _step(client, batch, before, after, found)
    found.listed.sort(key=lambda row: row[0])
    return found


async def _step(client: Redis, batch: list[bytes], before: House, after: House, found: Preview) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    async with client.pipeline(transaction=False) as pipeline:
        for key in batch:
            pipeline.hgetall(key)
        hashes = await pipeline.execute()
    spent = clock() - began
    for key, fields in zip(batch, hashes, strict=True):
        began = clock()
        sku = keys.sku_name(key)
        found.add(sku, differences(_stored(sku, fields), sku, before, after))
        spent += clock() - began
        # A large house takes milliseconds for each; sales come in between, and their time is not the preview's.
        await asyncio.sleep(0)
    await asyncio.sleep(spent * (1 / SHARE - 1))


def _stored(sku: str, fields: dict[bytes, bytes]) -> Stored:
    return Stored(
        unpacked.positions_in(sku, fields),
        unpacked.expected_of(sku, fields.get(keys.EXPECTED_FIELD)),
        unpacked.views_in(sku, fields),
    )
