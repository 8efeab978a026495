"""Set right what follows from other fields: the indexes of holds, and the SKUs that a location's set names.

This moves no units and leaves no entry: an index made anew is what a rebuild makes of the same holds and positions. The
kernel may write meanwhile; what it changed since it was read is read again, so nothing newer is ever overwritten.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError, WatchError

from hub.domain.verifying_holds import entries_of, read_hold
from hub.faults import Unavailable
from hub.stock import keys
from hub.stock.reading import reading

TRIES_MAX = 50
_BUSY = "what is indexed changes so often that it could not be set right; try again"

_Answer = TypeVar("_Answer")


class Reindexing:
    """Changes of one partition's indexes; for one user at a time."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def holds(self, entries: Mapping[str, Sequence[bytes]]) -> int:
        """Index some holds by name as they are now, and take away these entries that do not follow from them.

        Answers how many entries and times were wrong. Some hundreds at a time.

        Raises:
            Unavailable: Redis did not answer, or is too busy.
        """
        names = list(entries)

        async def changed(transaction: Pipeline) -> int:
            packed: Any = await transaction.hmget(keys.HOLDS, names)
            listed: Any = await transaction.zmscore(keys.EXPIRY, names)
            holds = {name: read_hold(raw) if raw is not None else None for name, raw in zip(names, packed, strict=True)}
            # One that cannot be read is left alone, with what is said of it.
            known = [name for name, raw in zip(names, packed, strict=True) if raw is None or holds[name] is not None]
            wanted = {entry for name in known for entry in entries_of(name, holds[name])}
            asked = sorted(wanted | {entry for name in known for entry in entries[name]})
            scores: Any = await transaction.zmscore(keys.HELD, asked) if asked else []  # type: ignore[arg-type]
            there = {entry for entry, score in zip(asked, scores, strict=True) if score is not None}
            due_ms = {name: hold.due_at_ms for name in known if (hold := holds[name]) is not None and hold.due_at_ms}
            due = {name: due_ms.get(name) for name in known}
            has = dict(zip(names, listed, strict=True))
            transaction.multi()  # type: ignore[no-untyped-call]
            lacking, stray = sorted(wanted - there), sorted(there - wanted)
            late = {name: at for name, at in due.items() if at is not None and has[name] != at}
            over = [name for name, at in due.items() if at is None and has[name] is not None]
            if lacking:
                transaction.zadd(keys.HELD, dict.fromkeys(lacking, 0))
            if stray:
                transaction.zrem(keys.HELD, *stray)
            if late:
                transaction.zadd(keys.EXPIRY, late)
            if over:
                transaction.zrem(keys.EXPIRY, *over)
            await transaction.execute()
            return len(lacking) + len(stray) + len(late) + len(over)

        return await self._tried((keys.HOLDS, keys.HELD, keys.EXPIRY), changed)

    async def without_position(self, location: str, sku: bytes) -> bool:
        """Take a SKU off the list of a location where it has no position; whether it was there.

        Raises:
            Unavailable: as `holds`.
        """
        key, place = keys.sku("").encode() + sku, keys.skus_at(location)

        async def changed(transaction: Pipeline) -> bool:
            try:
                is_there = await transaction.hexists(key, keys.POSITION_FIELD.decode() + location)
            except ResponseError:
                return False  # it is no hash, so nobody knows what it was
            if is_there:
                return False
            transaction.multi()  # type: ignore[no-untyped-call]
            transaction.srem(place, sku)
            [removed] = await transaction.execute()
            return bool(removed)

        return await self._tried((key, place), changed)

    async def _tried(self, watched: Sequence[str | bytes], change: Callable[[Pipeline], Awaitable[_Answer]]) -> _Answer:
        for _ in range(TRIES_MAX):
            with reading():
                async with self._client.pipeline(transaction=True) as transaction:
                    try:
                        await transaction.watch(*watched)
                        return await change(transaction)
                    except WatchError:
                        continue
        raise Unavailable(_BUSY)
