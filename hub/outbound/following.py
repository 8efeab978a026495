"""Follows the journal for all channels of one process, and has them read the state again where something may be missed.

State, not history: after a gap, a new epoch, an entry that cannot be read, another house or an absence of Redis each
channel compares all that its pool shows with what it knows. Nothing is ever replayed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from hub.domain.pools import View
from hub.faults import Fault, Unavailable
from hub.journal.reader import BLOCK_MS_MAX, EntryUnreadable, JournalGap, Tail
from hub.patience import Trouble

# Entries of one read.
ENTRIES_MAX = 1_000
# Between two tries to follow.
RETRY_SECONDS = 0.5


class Listener(Protocol):
    """Hears what a pool shows."""

    pool: str

    def hear(self, sku: str, view: View, epoch: int) -> None:
        """The pool shows another value of a SKU."""

    def compare(self) -> None:
        """Read all again: something may have been missed."""


class Following:
    """One reader of the journal; `run` in a task."""

    def __init__(self, open_tail: Callable[[], Awaitable[Tail]]) -> None:
        self._open_tail = open_tail
        self._listeners: dict[str, list[Listener]] = {}
        self._is_wanted = asyncio.Event()
        self.is_following = False

    def add(self, listener: Listener) -> None:
        """Let it hear of its pool from now on; it reads the state once by itself."""
        self._listeners.setdefault(listener.pool, []).append(listener)
        self._is_wanted.set()

    def remove(self, listener: Listener) -> None:
        """Let it hear nothing more."""
        left = [each for each in self._listeners.get(listener.pool, []) if each is not listener]
        if left:
            self._listeners[listener.pool] = left
        else:
            self._listeners.pop(listener.pool, None)
        if not self._listeners:
            self._is_wanted.clear()

    def note_house_changed(self) -> None:
        """Another house: what pools show may be another thing altogether."""
        self._compare()

    async def run(self) -> None:
        """Follow while somebody listens, for ever; Redis being away is waited for."""
        trouble = Trouble("channels do not hear of sales", "channels hear of sales again")
        while True:
            await self._is_wanted.wait()
            try:
                tail = await self._open_tail()
                # The tail stands before the state is read, so that nothing falls between the two.
                self.is_following = True
                self._compare()
                trouble.note_over()
                await self._follow(tail)
            except (JournalGap, EntryUnreadable):
                pass
            except Unavailable as fault:
                trouble.note(fault)
                self.is_following = False
                await asyncio.sleep(RETRY_SECONDS)
            except Fault as fault:
                trouble.note(fault)
                self.is_following = False
                await asyncio.sleep(BLOCK_MS_MAX / 1000)
            finally:
                self.is_following = False

    async def _follow(self, tail: Tail) -> None:
        epoch = tail.at.epoch if tail.at else None
        while self._listeners:
            for seq, entry in await tail.read(ENTRIES_MAX, BLOCK_MS_MAX):
                # A rebuild raises every rev, also of what no entry names.
                if epoch is not None and seq.epoch != epoch:
                    self._compare()
                epoch = seq.epoch
                for written in entry.views:
                    for listener in self._listeners.get(written.pool, ()) if written.changed else ():
                        listener.hear(entry.skus[written.sku], written.view, seq.epoch)

    def _compare(self) -> None:
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.compare()
