"""The catalogue as Redis keeps it: read whole at the start, and SKU by SKU whenever the kernel knows a newer one."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from hub.domain.articles import ARTICLES_MAX, Article, Catalogue
from hub.domain.entry import Entry
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.reading import reading

# SKUs in one round trip.
SKUS_PER_READ = 1_000

_decode_owner = msgspec.msgpack.Decoder(tuple[str]).decode
_decode = msgspec.msgpack.Decoder(Article).decode


class Described:
    """Keeps a process's catalogue as new as what the kernel says."""

    def __init__(self, client: Redis, catalogue: Catalogue) -> None:
        self._client = client
        self.catalogue = catalogue

    async def load(self) -> None:
        """Read everything, in place of what was known: what a Redis that was healed has lost was never described.

        Raises:
            ServerRefused: more SKUs are described than this version takes.
            Unavailable: Redis did not answer.
        """
        # Not one by one: an event may name an alias meanwhile.
        found = Catalogue()
        with reading():
            async for sku, packed in self._client.hscan_iter(keys.CATALOGUE, count=SKUS_PER_READ):
                found.put(sku.decode(), _decode(packed))
                if len(found) > ARTICLES_MAX:
                    raise ServerRefused(f"more than {ARTICLES_MAX} SKUs are described")
        self.catalogue.become(found)

    async def catch_up(self, skus: Iterable[str]) -> dict[str, Article]:
        """Read these SKUs again, and those that their names mean now; returns the described among them.

        Raises:
            Unavailable: Redis did not answer.
        """
        asked = sorted(set(skus))
        found: dict[str, Article] = {}
        for start in range(0, len(asked), SKUS_PER_READ):
            found |= await self._read(asked[start : start + SKUS_PER_READ])
        return found

    async def _read(self, asked: Sequence[str]) -> dict[str, Article]:
        with reading():
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hmget(keys.CATALOGUE, asked)
                pipeline.hmget(keys.ALIASES, asked)
                packed, owners = await pipeline.execute()
            others = [_decode_owner(owner)[0] for owner in owners if owner is not None]
            packed_others: Any = await self._client.hmget(keys.CATALOGUE, others) if others else []
        found = {
            sku: _decode(raw)
            for sku, raw in zip([*asked, *others], [*packed, *packed_others], strict=True)
            if raw is not None
        }
        for sku, article in found.items():
            self.take(sku, article)
        return found

    async def booked_among(self, names: Sequence[str]) -> set[str]:
        """Those of the names under which something was booked as a SKU of its own.

        Raises:
            Unavailable: Redis did not answer.
        """
        found: set[str] = set()
        for start in range(0, len(names), SKUS_PER_READ):
            some = names[start : start + SKUS_PER_READ]
            with reading():
                async with self._client.pipeline(transaction=False) as pipeline:
                    for name in some:
                        pipeline.hmget(keys.sku(name), [keys.RULES_FIELD, keys.EXPECTED_FIELD])
                    found |= {name for name, has in zip(some, await pipeline.execute(), strict=True) if any(has)}
        return found

    def hear(self, entry: Entry) -> None:
        """Take what a journal entry says of a SKU."""
        for record in entry.records:
            if record.table == "catalogue" and record.value is not None:
                self.take(record.field, msgspec.convert(record.value, Article))

    def take(self, sku: str, article: Article) -> None:
        """Take what a SKU is by now, unless something newer is known."""
        # Two readers may come in any order; the newer one stays.
        if article.revision > self.catalogue.revision(sku):
            self.catalogue.put(sku, article)
