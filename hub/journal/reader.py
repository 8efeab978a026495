"""Read the journal in order, and notice when a number is missing.

A tail never skips: numbers that jump mean that entries were lost or trimmed, and the reader must take the state
again from somewhere else. Within an epoch numbers are gapless; a new epoch begins at 0.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.crashpoints import crash
from hub.domain.entry import FIELD, Entry, Seq, decode_entry
from hub.faults import Fault, Unavailable

# The longest a read may block; `reading_client` gives up on a dead socket after as long again.
BLOCK_MS_MAX = 5_000

_DOING = "The journal cannot be read"

# An entry of a stream as a client that does not decode replies gives it.
_StreamEntry = tuple[bytes, dict[bytes, bytes]]


class JournalGap(Fault):
    """The journal does not go on where the reader is: entries are missing."""

    def __init__(self, expected: Seq, found: Seq) -> None:
        super().__init__(f"The journal should go on with {expected}, but goes on with {found}.")
        self.expected = expected
        self.found = found


class EntryUnreadable(Fault):
    """An entry is no entry as this version knows it; the tail has moved past it."""

    def __init__(self, seq: Seq) -> None:
        super().__init__(f"The journal entry {seq} cannot be read.")
        self.seq = seq


def reading_client(url: str) -> Redis:
    """A client for one tail: it may block, and it never sends a command a second time by itself."""
    return Redis.from_url(
        url,
        socket_connect_timeout=2.0,
        socket_timeout=2 * BLOCK_MS_MAX / 1000,
        retry=Retry(NoBackoff(), 0),
    )


async def asked(doing: str, command: Callable[[], Awaitable[Any]]) -> Any:
    """Send one command; `doing` begins the sentence of a fault.

    Raises:
        Unavailable: Redis did not answer; whether the command took effect is unknown.
    """
    try:
        reply = await command()
    except (RedisError, OSError) as error:
        raise Unavailable(f"{doing}: {type(error).__name__}.") from error
    # On Python 3.11 `asyncio.wait_for`, under which redis-py sends, can lose a cancellation that comes just then;
    # a task that reads for ever would never end.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return reply


async def last_seq(client: Redis, key: str) -> Seq | None:
    """The place of the journal's last entry, None when there is none.

    Raises:
        Unavailable: Redis did not answer.
    """
    newest: list[_StreamEntry] = await asked(_DOING, lambda: client.xrevrange(key, count=1))
    return Seq.from_stream_id(newest[0][0]) if newest else None


class Tail:
    """The entries of one journal after a given place, in order. Not for two readers at once."""

    def __init__(self, client: Redis, key: str, after: Seq | None) -> None:
        self._client = client
        self._key = key
        # The last place that was handed out; None before the journal's first entry.
        self.at = after
        self._unreadable: Seq | None = None

    async def read(self, count_max: int, block_ms: int) -> list[tuple[Seq, Entry]]:
        """The next entries; empty when none came within `block_ms` (0 does not wait).

        Raises:
            JournalGap: a number is missing; the tail stays where it is.
            EntryUnreadable: the next entry cannot be decoded; the tail goes on behind it.
            Unavailable: Redis did not answer; the tail stays where it is.
        """
        if self._unreadable is not None:
            seq, self._unreadable = self._unreadable, None
            raise EntryUnreadable(seq)
        readable: list[tuple[Seq, Entry]] = []
        for seq, raw in await self.read_raw(count_max, block_ms):
            try:
                readable.append((seq, decode_entry(raw)))
            except (msgspec.MsgspecError, RecursionError) as error:
                self.at = seq
                if readable:
                    self._unreadable = seq
                    return readable
                raise EntryUnreadable(seq) from error
        return readable

    async def read_raw(self, count_max: int, block_ms: int) -> list[tuple[Seq, bytes]]:
        """The next entries byte for byte, as `read` otherwise; one without its field is empty bytes."""
        assert block_ms <= BLOCK_MS_MAX
        after = self.at.stream_id if self.at else "0-0"
        # Redis takes 0 as "for ever"; an id of 0-0 is never used, because epochs start at 1.
        block = block_ms or None
        reply = await asked(_DOING, lambda: self._client.xread({self._key: after}, count=count_max, block=block))
        if crash.armed and await crash.at("journal read"):
            reply = await asked(_DOING, lambda: self._client.xread({self._key: after}, count=count_max, block=block))
        found = [(Seq.from_stream_id(stream_id), fields.get(FIELD, b"")) for stream_id, fields in _entries_of(reply)]
        return self._continuous(found)

    async def last(self) -> Seq | None:
        """The place of the journal's last entry, None when there is none."""
        return await last_seq(self._client, self._key)

    async def raw_at(self, seq: Seq) -> bytes | None:
        """The bytes of one entry; None when the journal does not have it (any more)."""
        place = seq.stream_id
        found: list[_StreamEntry] = await asked(_DOING, lambda: self._client.xrange(self._key, min=place, max=place))
        return found[0][1].get(FIELD, b"") if found else None

    def _continuous(self, found: list[tuple[Seq, bytes]]) -> list[tuple[Seq, bytes]]:
        """What of `found` continues the tail; a gap is raised only when nothing comes before it."""
        for index, (seq, _) in enumerate(found):
            if not _follows(self.at, seq):
                if index == 0:
                    raise JournalGap(_next(self.at, seq), seq)
                return found[:index]
            self.at = seq
        return found


def _entries_of(reply: Any) -> Sequence[_StreamEntry]:
    """The entries in an XREAD reply of one stream, in either version of the protocol."""
    if not reply:
        return ()
    if isinstance(reply, dict):
        (pages,) = reply.values()
        return [entry for page in pages for entry in page]
    ((_, entries),) = reply
    return list(entries)


def _follows(last: Seq | None, seq: Seq) -> bool:
    if last is not None and seq.epoch == last.epoch:
        return seq.number == last.number + 1
    return seq.number == 0


def _next(last: Seq | None, found: Seq) -> Seq:
    if last is not None and found.epoch == last.epoch:
        return Seq(last.epoch, last.number + 1)
    return Seq(found.epoch, 0)
