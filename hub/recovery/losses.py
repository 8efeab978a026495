"""What is lost with a Redis that lacks something, where no process is left that knows what was answered.

The ledger says how far it is and who has sent; the journal that is found, if there is one, what came to it. From both
follows what was lost (a `Window`), or that something may have been (a `Doubt`); and nothing, where Redis lacks nothing
or the hub had stopped in order.
"""

from collections.abc import Awaitable, Callable, Sequence
from time import time
from typing import NamedTuple

import msgspec
import structlog
from redis.asyncio import Redis

from hub.domain.command import OWN_SOURCE
from hub.domain.entry import FIELD, Entry, Seq, decode_entry
from hub.domain.losing import Doubt, Window, window_of
from hub.domain.remembering import DAY_MS, REMEMBERED_DAYS
from hub.journal.reader import asked
from hub.ledger.healing import HealingLock, LedgerStanding
from hub.stock import keys
from hub.stock.restoring import Partition
from protocol.answers import rfc3339

log = structlog.get_logger()

ENTRIES_PER_PAGE = 1_000
# Of a longer journal what is older is not looked at: a day of one entry each second.
ENTRIES_LOOKED_AT_MAX = 100_000
# A rebuild tells what it did, and what is lost, in the first entries of its epoch.
ENTRIES_OF_A_BEGINNING = 3
# Sources that are remembered of them.
SOURCES_MAX = 10_000

Lost = Window | Doubt
# Given the new epoch: what this process was answered and the ledger never gets.
OwnLost = Callable[[int], Awaitable[Sequence[Window]]]


class Found(NamedTuple):
    """A partition as it was found, beside the ledger."""

    partition: Partition
    # Before anything was posted.
    ledger: LedgerStanding
    # Whether the journal has the ledger's last entry byte for byte; None: none in its place (any more).
    continues: bool | None

    @property
    def reaches(self) -> bool:
        """Whether Redis says of itself that it has all up to the ledger's end at least, of the ledger's epoch."""
        partition, cursor = self.partition, self.ledger.cursor
        if not partition.hub or partition.epoch != self.ledger.epoch or not partition.ends_as_it_says:
            return False
        return cursor is None or (partition.last is not None and partition.last >= cursor)

    @property
    def has_all(self) -> bool:
        """Whether Redis lacks nothing that anybody knows of."""
        cursor = self.ledger.cursor
        if self.partition.was_closed_for_healing:
            # Somebody knew of something, and did not live to tell it.
            return False
        if not self.reaches or cursor is None or self.continues is True:
            return self.reaches
        # What the ledger has is never trimmed to its end, so a journal without that entry is not the ledger's.
        return self.continues is None and cursor.epoch != self.partition.epoch

    def lost_epoch(self, epoch: int, left_behind: Window | None, answered: Seq | None) -> int:
        """The last epoch that was begun with a Redis that lacked something, when this one begins; 0: none.

        Only a Redis that goes on to its own end, all of it drained, has lost nothing that anybody may have been shown,
        and not even that if it was restarted since, for it may have been replaced by an older one;
        what the ledger has of it is beside the point, for screens hear of an entry before the ledger does.
        """
        last = self.partition.last
        is_behind = answered is not None and (last is None or answered > last)
        may_lack = is_behind or self.partition.was_closed_for_healing or self.partition.was_restarted
        if self.reaches and left_behind is None and not may_lack:
            return self.partition.lost_epoch
        return epoch


class Losses:
    """What is lost, said while the lock is held and before anything is emptied."""

    def __init__(self, client: Redis, lock: HealingLock) -> None:
        self._client = client
        self._lock = lock

    async def left_behind(self, last: Seq, booked_at_ms: int) -> Window:
        """The end of a journal that is not in the ledger, from its last entry back to one that the ledger has.

        What cannot be read of it is counted; `booked_at_ms` is when the last of it was booked, as far as Redis says.

        Raises:
            Unavailable: a store does not answer, here and below.
        """
        first, entries, since_ms, until_ms = last, 0, booked_at_ms, 0
        sources: dict[str, None] = {}
        to = last.stream_id
        while entries < ENTRIES_LOOKED_AT_MAX:
            page = await self._page(to)
            ours = await self._lock.entries_between(page[-1][0], page[0][0]) if page else {}
            for seq, raw in page:
                if ours.get(seq) == raw:
                    return Window(
                        first, last, since_ms, until_ms or booked_at_ms, tuple(sorted(sources)), counted=entries
                    )
                first, entries = seq, entries + 1
                if (entry := _read(raw)) is not None:
                    since_ms, until_ms = entry.booked_at_ms, until_ms or entry.booked_at_ms
                    if entry.source not in ("", OWN_SOURCE) and len(sources) < SOURCES_MAX:
                        sources[entry.source] = None
            if len(page) < ENTRIES_PER_PAGE:
                break
            to = f"({first.stream_id}"
        # What came before is not there any more, and nobody knows whether the ledger has it.
        told = tuple(sorted(sources))
        return Window(first, last, since_ms, until_ms or booked_at_ms, told, certain=False, counted=entries)

    async def beyond(self, found: Found, left_behind: Window | None) -> tuple[Lost, ...]:
        """What Redis has and the ledger has not; all of it, also where processes that run know a part."""
        if left_behind is None:
            return ()
        if not _is_trimmed(found):
            return (left_behind,)
        return (await self._whole(found, left_behind, await self._lock.newest_booked_at_ms()),)

    async def found(self, found: Found, left_behind: Window | None) -> tuple[Lost, ...]:
        """What is lost, where no process is left that knows it and tells it.

        Where nothing is, and nobody will be answered before the partition is open again, the ledger is told so: should
        this attempt break off, the next one knows.
        """
        if found.has_all and left_behind is None:
            if found.partition.last is not None:
                await self._lock.begin_rest(found.partition.last)
            return ()
        lost = await self.beyond(found, left_behind)
        if lost and _is_trimmed(found):
            return lost
        since_ms = await self._lock.at_rest_since_ms()
        if since_ms is not None:
            log.info("nothing that was answered was lost: the hub had stopped in order", stopped_at=rfc3339(since_ms))
            return lost
        newest_ms = await self._lock.newest_booked_at_ms()
        until_ms = max(newest_ms, int(time() * 1000))
        after = (await self._lock.standing()).cursor
        return (*lost, Doubt(after, newest_ms or until_ms, until_ms, await self._senders(newest_ms)))

    async def _whole(self, found: Found, left_behind: Window, newest_ms: int) -> Window:
        """All that Redis has beyond the ledger, also what its journal does not go back to any more."""
        cursor, first = found.ledger.cursor, left_behind.first
        if cursor is None or cursor.epoch != first.epoch or first.number <= cursor.number + 1:
            return left_behind
        sources = sorted({*left_behind.sources, *await self._senders(newest_ms)})
        return Window(
            Seq(first.epoch, cursor.number + 1),
            left_behind.last,
            newest_ms,
            left_behind.until_ms,
            tuple(sources),
            certain=False,
        )

    async def _senders(self, newest_ms: int) -> tuple[str, ...]:
        """Who may have been answered: whoever was heard in the days before, for which ids are remembered as well."""
        return await self._lock.senders_since(heard_from_ms(newest_ms))

    async def _page(self, to: str) -> list[tuple[Seq, bytes]]:
        found = await asked(
            "The journal cannot be read",
            lambda: self._client.xrevrange(keys.JOURNAL, max=to, count=ENTRIES_PER_PAGE),
        )
        return [(Seq.from_stream_id(place), fields.get(FIELD, b"")) for place, fields in found]


async def told_in_epoch(client: Redis, epoch: int) -> Window | None:
    """What the rebuild that began this epoch told to be lost; None: it told of no window, or that is trimmed.

    Raises:
        Unavailable: Redis does not answer.
    """
    found = await asked(
        "The journal cannot be read",
        lambda: client.xrange(keys.JOURNAL, min=f"{epoch}-0", count=ENTRIES_OF_A_BEGINNING),
    )
    entries = (_read(fields.get(FIELD, b"")) for _, fields in found)
    return next((told for entry in entries if entry is not None and (told := window_of(entry)) is not None), None)


def heard_from_ms(newest_ms: int) -> int:
    """Since when somebody must have been heard who may have been answered behind an entry booked then."""
    return max(0, newest_ms - REMEMBERED_DAYS * DAY_MS)


def _is_trimmed(found: Found) -> bool:
    """Whether Redis has all, but its journal does not go back to the ledger's end any more: that is older."""
    return found.reaches and found.continues is None


def _read(raw: bytes) -> Entry | None:
    """The entry, if it is one as this version knows it."""
    try:
        return decode_entry(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
