"""Follows the journal for the watchers, and reads the state again whenever something may have been missed.

State, not history: after a gap, a new epoch, an entry that cannot be read or an absence of Redis, all that is
watched is read again, and whoever knew less is told. Nothing is ever replayed.
"""

import asyncio
from collections.abc import Awaitable, Callable

from hub.crashpoints import crash
from hub.domain.entry import Seq
from hub.faults import Unavailable
from hub.journal.reader import BLOCK_MS_MAX, EntryUnreadable, JournalGap
from hub.live.fanout import Fanout
from hub.live.limits import LiveLimits
from hub.live.needs import HearEntry, JournalTail, OpenTail

# Kinds of entries that say what the house is.
ABOUT_THE_HOUSE = frozenset({"rules", "sku"})


class Follower:
    """One reader of the journal for all connections of a live door."""

    def __init__(
        self,
        open_tail: OpenTail,
        fanout: Fanout,
        refresh: Callable[[], Awaitable[None]],
        limits: LiveLimits,
        hear: HearEntry,
    ) -> None:
        self._open_tail = open_tail
        self._fanout = fanout
        self._refresh = refresh
        self._limits = limits
        self._hear = hear
        self._tail: JournalTail | None = None
        self._waiting: list[tuple[Seq, asyncio.Future[None]]] = []

    @property
    def is_following(self) -> bool:
        """Whether what the watchers were told last is what the journal said last."""
        return self._tail is not None

    async def run(self) -> None:
        """Follow for ever; Redis being away is waited for."""
        wait_seconds = self._limits.retry_seconds
        while True:
            try:
                tail = await self._open_tail()
                # The tail stands before the read, so that nothing falls between the two.
                await self._refresh()
                if crash.armed and await crash.at("state read"):
                    await self._refresh()
                wait_seconds = self._limits.retry_seconds
                await self._follow(tail)
            except (JournalGap, EntryUnreadable):
                self._lose_track()
            except Unavailable:
                self._lose_track()
                await asyncio.sleep(wait_seconds)
                wait_seconds = min(2 * wait_seconds, self._limits.retry_seconds_max)

    async def catch_up(self) -> None:
        """Wait until everything is applied that was in the journal when this was called.

        Raises:
            Unavailable: the journal cannot be followed now.
        """
        tail = self._tail
        if tail is None:
            raise Unavailable("The journal is not followed.")
        end = await tail.last()
        if end is None or _is_at(tail, end):
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((end, reached))
        try:
            async with asyncio.timeout(BLOCK_MS_MAX / 1000):
                await reached
        except TimeoutError as error:
            raise Unavailable("The journal is behind.") from error

    async def _follow(self, tail: JournalTail) -> None:
        self._tail = tail
        epoch = tail.at.epoch if tail.at else None
        while True:
            batch = await tail.read(self._limits.entries_per_tick, BLOCK_MS_MAX)
            if not batch:
                continue
            self._fanout.apply(batch)
            if crash.armed and await crash.at("watchers told"):
                self._fanout.apply(batch)
            for _, entry in batch:
                if entry.kind in ABOUT_THE_HOUSE:
                    self._hear(entry)
            self._tell_reached(tail)
            # A rebuild raises every rev, also of what no entry names.
            if epoch is not None and batch[-1][0].epoch != epoch:
                await self._refresh()
            epoch = batch[-1][0].epoch

    def _tell_reached(self, tail: JournalTail) -> None:
        waiting, self._waiting = self._waiting, []
        for end, reached in waiting:
            if not _is_at(tail, end):
                self._waiting.append((end, reached))
            elif not reached.done():
                reached.set_result(None)

    def _lose_track(self) -> None:
        self._tail = None
        waiting, self._waiting = self._waiting, []
        for _, reached in waiting:
            if not reached.done():
                reached.set_exception(Unavailable("The journal is not followed."))


def _is_at(tail: JournalTail, end: Seq) -> bool:
    """Whether the tail has handed out everything up to `end`; what it handed out is applied at once."""
    return tail.at is not None and tail.at >= end
