"""The ledger's writer: follows the journal and posts every entry, once, in order.

Rules: nothing is skipped — where the journal does not go on, the writer halts, says so, and looks again until it does;
a ledger that is away never stops sales, the writer tries again for ever; the watermark moves only after a commit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import uniform
from time import monotonic
from typing import Literal, Protocol

import structlog

from hub.crashpoints import crash
from hub.domain.entry import PARTITION, Seq
from hub.faults import Fault, ServerRefused, Unavailable
from hub.journal.reader import JournalGap, Tail
from hub.journal.watermark import Watermark
from hub.ledger.connection import Link
from hub.ledger.months import Months
from hub.ledger.opening import cursor_of
from hub.ledger.packing import Packer
from hub.ledger.posting import SINGLE_STATEMENT_ENTRIES_MAX, CursorMoved, LedgerAhead, entry_at, post
from hub.ledger.rows import DOUBLED, Booking, instant
from hub.patience import news_within

log = structlog.get_logger()

ENTRIES_PER_BATCH_MAX = 1_000
# Made into rows at a stretch, about a millisecond's work.
ENTRIES_PER_SLICE = 25
# How long a read waits for the next entry; also how often an idle writer looks around.
BLOCK_MS = 1_000
# How often the journal is trimmed and the lag is measured.
TIDY_SECONDS = 2.0
BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 5.0
# How often a journal that does not go on is looked at again.
HALTED_SECONDS = 3.0
_STATE = "SELECT epoch, cursor_epoch, cursor_seq FROM hub.hub_state WHERE partition = $1"

_Batch = tuple[list[Booking], Packer]
State = Literal["starting", "following", "waiting", "halted", "stopped"]


class JournalRefused(Fault):
    """The journal is not the one the ledger has the beginning of; it is not posted."""


class Trims(Protocol):
    """What the writer asks to give Redis its memory back; see `hub.journal.trimming.Trimmer`."""

    def __call__(self, behind: Seq, ledger_booked_at_ms: int) -> Awaitable[None]:
        """Trim behind the ledger's cursor, whose entry was booked at `ledger_booked_at_ms`."""


class LedgerWriter:
    """One partition's way from the journal into Postgres. `run` in a task group; any number may run at once."""

    def __init__(
        self,
        link: Link,
        open_tail: Callable[[Seq | None], Tail],
        watermark: Watermark,
        *,
        trim: Trims | None = None,
        on_posted: Callable[[list[Booking]], None] = lambda posted: None,
        entries_per_batch_max: int = ENTRIES_PER_BATCH_MAX,
        partition: int = PARTITION,
    ) -> None:
        self._link = link
        self._open_tail = open_tail
        self._watermark = watermark
        self._trim = trim
        self._on_posted = on_posted
        self._entries_per_batch_max = entries_per_batch_max
        self._partition = partition
        # Told, without waiting, when the journal does not go on.
        self.on_halted: Callable[[], None] = lambda: None
        self._woken = asyncio.Event()
        self._months = Months()
        self._epoch = 0
        self._cursor: Seq | None = None
        # Of the entry at the cursor; 0 while none was posted by this writer.
        self._booked_at_ms = 0
        self._tidy_at = 0.0
        self._failures = 0
        # For readiness and metrics.
        self.state: State = "starting"
        self.last_error = ""
        self.lag_entries = 0
        self.posted = 0
        self.doubled = 0
        self.poisoned = 0

    async def run(self) -> None:
        """Follow the journal until cancelled; while it does not go on `state` is `halted`, and it is looked at again.

        It may be called again later; meanwhile another may have written.
        A Redis that came back behind the ledger may be mended, or its journal begin anew in another epoch.
        """
        # After a while in which another wrote, what this one knew is old.
        self.state, self.last_error, self._booked_at_ms, self._failures = "starting", "", 0, 0
        try:
            while True:
                pause_seconds = HALTED_SECONDS
                try:
                    await self._follow()
                except (JournalGap, JournalRefused, LedgerAhead) as fault:
                    self._halt(fault)
                except CursorMoved as fault:
                    log.info("the ledger's cursor is read again", reason=str(fault))
                    pause_seconds = self._pause_seconds()
                except (Unavailable, ServerRefused) as fault:
                    await self._wait_for_better(fault)
                    pause_seconds = self._pause_seconds()
                await news_within(self._woken, pause_seconds)
        except BaseException:
            self.state = "stopped"
            raise
        finally:
            await self._link.aclose()

    def look_again(self) -> None:
        """Look at once whether the journal goes on: Redis was healed."""
        self._woken.set()

    async def _follow(self) -> None:
        """Post what comes, from where the ledger is; ends only by a fault."""
        await self._take_up()
        tail = self._open_tail(self._cursor)
        await self._check_continues(tail)
        if self.state == "starting":
            self.state = "following"
        batch = await self._read(tail)
        while True:
            batch = await self._book_and_read(tail, batch)
            self._note_success()
            if monotonic() >= self._tidy_at:
                await self._tidy(tail)

    @property
    def booked_until_ms(self) -> int:
        """When the newest entry was booked that this writer posted; 0 before the first."""
        return self._booked_at_ms

    @property
    def _batch_max(self) -> int:
        """After a failure smaller, should it have been the size that took too long."""
        return max(1, self._entries_per_batch_max >> self._failures)

    async def _read(self, tail: Tail) -> _Batch:
        """The next entries, in slices: what is posted meanwhile goes on between them, and so does everybody else."""
        found, bookings = await tail.read_raw(self._batch_max, BLOCK_MS), list[Booking]()
        if crash.armed:
            await crash.at("entries read")
        packer = Packer(is_worth_it=len(found) > SINGLE_STATEMENT_ENTRIES_MAX)
        while len(bookings) < len(found):
            if bookings:
                await asyncio.sleep(0)
            bookings += packer.take(found[len(bookings) : len(bookings) + ENTRIES_PER_SLICE])
        return bookings, packer

    async def _book_and_read(self, tail: Tail, batch: _Batch) -> _Batch:
        """Post entries and answer the next ones.

        While catching up the next batch is read meanwhile. Otherwise it is read afterwards, so that what arrives
        during the commit goes into one batch.
        """
        bookings, packer = batch
        if len(bookings) < self._batch_max:
            if bookings:
                await self._book(bookings, packer)
            return await self._read(tail)
        reading = asyncio.create_task(self._read(tail), name="ledger reading ahead")
        try:
            await self._book(bookings, packer)
            return await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _take_up(self) -> None:
        """Read where the ledger is; what it has is told to whoever waits."""
        async with self._link.use("The ledger's cursor cannot be read") as connection:
            row = await connection.fetchrow(_STATE, self._partition)
            if crash.armed and await crash.at("cursor read"):
                row = await connection.fetchrow(_STATE, self._partition)
        if row is None:
            raise ServerRefused("The ledger has not been opened: it has no state.")
        self._epoch, self._cursor = row["epoch"], cursor_of(row, self._partition)
        if self._cursor is not None:
            self._watermark.advance(self._cursor)

    async def _book(self, bookings: list[Booking], packer: Packer) -> None:
        await self._check_epoch(bookings[0].seq, bookings[-1].seq)
        # Booking times never go back.
        newest_ms = next((booking.booked_at_ms for booking in reversed(bookings) if booking.entry), 0)
        async with self._link.use("The ledger cannot be written") as connection:
            if newest_ms:
                await self._months.prepare(connection, instant(newest_ms))
            if crash.armed:
                await crash.at("entries posting")
            posted = await post(connection, self._cursor, bookings, packer)
            if crash.armed and await crash.at("entries posted"):
                posted = await post(connection, self._cursor, bookings, packer)
        self._cursor = posted[-1].seq
        self._watermark.advance(self._cursor)
        if newest_ms:
            self._booked_at_ms = newest_ms
        self._count(posted)
        self._on_posted(posted)
        self._note_success()

    async def _check_epoch(self, first: Seq, last: Seq) -> None:
        """Refuse entries of another epoch than the ledger's, which may have been raised since it was read."""
        if first.epoch == last.epoch == self._epoch:
            return
        cursor = self._cursor
        await self._take_up()
        if self._cursor != cursor:
            raise CursorMoved(f"The ledger's cursor is not at {cursor} any more.")
        for seq in (first, last):
            if seq.epoch != self._epoch:
                raise JournalRefused(f"The journal goes on with {seq}, but the ledger is in epoch {self._epoch}.")

    def _count(self, posted: list[Booking]) -> None:
        self.posted += len(posted)
        for booking in posted:
            if booking.poison:
                self.poisoned += 1
                log.error("an entry cannot be read and was set aside", seq=str(booking.seq))
            elif booking.doubled:
                self.doubled += 1
                log.error("a fact was applied twice", seq=str(booking.seq), kind=DOUBLED)

    async def _check_continues(self, tail: Tail) -> None:
        """Refuse a journal that is behind the ledger, or that has another entry where the cursor is."""
        last = await self._measure_lag(tail)
        if self._is_behind(last):
            raise JournalRefused(f"The journal ends at {last}, but the ledger has {self._cursor}.")
        here = await tail.raw_at(self._cursor) if self._cursor else None
        if self._cursor is None or here is None:
            return
        async with self._link.use("The ledger cannot be read") as connection:
            booked = await entry_at(connection, self._cursor)
        if booked is not None and booked != here:
            raise JournalRefused(f"The journal has another entry at {self._cursor} than the ledger.")

    async def _measure_lag(self, tail: Tail) -> Seq | None:
        """How many entries the ledger lacks; answers the journal's last place."""
        last, cursor = await tail.last(), self._cursor
        if last is None:
            self.lag_entries = 0
        elif cursor is not None and cursor.epoch == last.epoch:
            self.lag_entries = max(0, last.number - cursor.number)
        else:
            self.lag_entries = last.number + 1
        return last

    def _is_behind(self, last: Seq | None) -> bool:
        """Whether a journal that ends at `last` lacks what the ledger has; a new epoch may begin empty."""
        cursor = self._cursor
        return cursor is not None and cursor.epoch == self._epoch and (last is None or last < cursor)

    async def _tidy(self, tail: Tail) -> None:
        self._tidy_at = monotonic() + TIDY_SECONDS
        if self._is_behind(await self._measure_lag(tail)):
            raise CursorMoved("The journal is behind the ledger.")
        # Also before this writer posted anything: a full journal takes nothing that could be posted.
        if self._trim is not None and self._cursor is not None:
            await self._trim(self._cursor, self._booked_at_ms)

    def _halt(self, fault: Fault) -> None:
        if (self.state, self.last_error) != ("halted", str(fault)):
            log.error("the ledger is halted", reason=str(fault))
            self.on_halted()
        self.state, self.last_error = "halted", str(fault)

    def _note_success(self) -> None:
        if self.state != "following":
            log.info("the ledger follows the journal again")
        self.state, self.last_error, self._failures = "following", "", 0

    async def _wait_for_better(self, fault: Fault) -> None:
        if self.state != "waiting":
            log.warning("the ledger does not follow the journal for now", reason=str(fault))
        self.state, self.last_error = "waiting", str(fault)
        # Redis may be the one that is away.
        with suppress(Unavailable):
            await self._measure_lag(self._open_tail(self._cursor))

    def _pause_seconds(self) -> float:
        """Doubles with each failure in a row; spread, so that many writers do not come back at once."""
        longest = min(BACKOFF_MAX_SECONDS, BACKOFF_FIRST_SECONDS * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return uniform(longest / 2, longest)
