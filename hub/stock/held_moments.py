"""Read holds together with what follows from them, all of one moment and byte for byte, for whoever checks it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from hub.domain.verifying import RawSku
from hub.domain.verifying_holds import name_in
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.inspecting import SCAN_COUNT, raw_sku
from hub.stock.reading import reading

# Entries of an index that is read whole rather than for each SKU.
INDEX_READ_WHOLE_MAX = 1_000


class Indexed(msgspec.Struct, frozen=True):
    """A hold, and what the indexes say of it."""

    name: str
    # None: there is no such hold.
    packed: bytes | None
    due_at_ms: float | None
    # Whether each of the entries that were asked for is there.
    entries: dict[bytes, bool]


class HeldMoments:
    """Reads of one partition's holds for checks; for one user at a time."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def entries(self, skus: Sequence[str], count: int) -> list[list[bytes]]:
        """Of each SKU at most so many entries of the index of who keeps units.

        Raises:
            ServerRefused: the index cannot be read, here and below.
            Unavailable: Redis did not answer, here and below.
        """
        with reading():
            try:
                whole: Any = await self._client.zrangebylex(keys.HELD, "-", "+", 0, INDEX_READ_WHOLE_MAX + 1)
            except ResponseError as error:
                raise ServerRefused(f"holds or their indexes cannot be read: {error}") from error
            if len(whole) <= INDEX_READ_WHOLE_MAX:
                return _of_skus(whole, skus, count)
            async with self._client.pipeline(transaction=False) as pipeline:
                for sku in skus:
                    pipeline.zrangebylex(keys.HELD, f"({sku}\0", f"({sku}\x01", 0, count)
                rows = await pipeline.execute(raise_on_error=False)
        return [_readable(row) for row in rows]

    async def kept(self, entries: Mapping[str, Sequence[bytes]]) -> dict[str, tuple[RawSku, list[bytes]] | None]:
        """By SKU: what is stored of it and the holds that keep it, at one moment.

        None where there are other holds by then than those of its `entries`.
        """
        names = list(dict.fromkeys(name_in(each) for each in (each for own in entries.values() for each in own)))
        with reading():
            async with self._client.pipeline(transaction=True) as transaction:
                for sku, own in entries.items():
                    transaction.hgetall(keys.sku(sku))
                    transaction.zrangebylex(keys.HELD, f"({sku}\0", f"({sku}\x01", 0, len(own) + 1)
                transaction.hmget(keys.HOLDS, names or [""])
                *rows, packed = await transaction.execute(raise_on_error=False)
        holds = dict(zip(names, _readable(packed), strict=False))
        found: dict[str, tuple[RawSku, list[bytes]] | None] = {}
        for (sku, own), stored, now in zip(entries.items(), rows[::2], rows[1::2], strict=True):
            is_same = _readable(now) == list(own)
            kept = [value for each in own if (value := holds[name_in(each)]) is not None]
            found[sku] = (raw_sku(sku, stored), kept) if is_same else None
        return found

    async def indexed(self, entries: Mapping[str, Sequence[bytes]]) -> list[Indexed]:
        """Some holds by name, and whether these entries of the index of who keeps units are there, at one moment."""
        names, every = list(entries), [each for own in entries.values() for each in own]
        with reading():
            async with self._client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.HOLDS, names)
                transaction.zmscore(keys.EXPIRY, names)
                transaction.zmscore(keys.HELD, every or [b""])  # type: ignore[arg-type]
                holds, dues, scores = map(_readable, await transaction.execute(raise_on_error=False))
        there = {entry for entry, score in zip(every, scores, strict=False) if score is not None}
        return [
            Indexed(name, packed, due, {entry: entry in there for entry in entries[name]})
            for name, packed, due in zip(names, holds, dues, strict=True)
        ]

    async def travelling(
        self, transfers: Sequence[str], holds: Sequence[str]
    ) -> tuple[dict[str, bytes | None], dict[str, bytes | None]]:
        """Some transfers under way and some live holds by name, None where there is none, at one moment."""
        with reading():
            async with self._client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.TRANSFERS, list(transfers))
                transaction.hmget(keys.HOLDS, list(holds))
                found = map(_readable, await transaction.execute(raise_on_error=False))
        by_transfer, by_hold = found
        return dict(zip(transfers, by_transfer, strict=True)), dict(zip(holds, by_hold, strict=True))

    async def listed(self, index: str) -> AsyncIterator[list[bytes]]:
        """The members of one of the indexes, in pages; one may come twice."""
        cursor = 0
        while True:
            with reading():
                try:
                    found: Any = await self._client.zscan(index, cursor, count=SCAN_COUNT)
                except ResponseError as error:
                    raise ServerRefused(f"the index {index} cannot be read: {error}") from error
            cursor, page = int(found[0]), [member for member, _ in found[1]]
            if page:
                yield page
            if not cursor:
                return


def _of_skus(entries: Sequence[bytes], skus: Sequence[str], count: int) -> list[list[bytes]]:
    of_sku: dict[bytes, list[bytes]] = {sku.encode(): [] for sku in skus}
    for entry in entries:
        name, nul, _ = entry.partition(b"\0")
        if nul and name in of_sku:
            of_sku[name].append(entry)
    return [of_sku[sku.encode()][:count] for sku in skus]


def _readable(answer: Any) -> list[Any]:
    if isinstance(answer, Exception):
        raise ServerRefused(f"holds or their indexes cannot be read: {answer}")
    return list(answer)
