"""Fold the checkpoint on in the background, at a small share of time, so that a rebuild has little left to fold."""

import asyncio
from collections.abc import Callable
from time import monotonic

from hub.domain.remembering import DAY_MS, REMEMBERED_DAYS
from hub.faults import Fault
from hub.ledger.checkpoints import Checkpoints
from hub.ledger.connection import Link
from hub.patience import Trouble

# Of the time, at most; a batch is followed by as much rest as makes it so.
SHARE = 0.2
LOOK_SECONDS = 5.0
# Folded on when so many entries wait, or some have waited for so long: what many entries set is then written once.
ENTRIES_WAITING = 10_000
WAITING_SECONDS = 60.0


class Checkpointing:
    """One process's part in it; any number may run at once. `run` in a task group."""

    def __init__(
        self,
        link: Link,
        *,
        booked_until_ms: Callable[[], int],
        is_busy: Callable[[], bool] = lambda: False,
        share: float = SHARE,
        look_seconds: float = LOOK_SECONDS,
        entries_waiting: int = ENTRIES_WAITING,
        waiting_seconds: float = WAITING_SECONDS,
    ) -> None:
        self._link = link
        self._checkpoints = Checkpoints(link)
        # When the ledger's newest entry was booked; 0 is unknown.
        self._booked_until_ms = booked_until_ms
        # Whether the ledger has more urgent things to do.
        self._is_busy = is_busy
        self._rest = 1 / share - 1
        self._look_seconds = look_seconds
        self._entries_waiting = entries_waiting
        self._waiting_seconds = waiting_seconds
        self._waits_since: float | None = None
        # The first day that is kept of what goes with its day.
        self._forgotten_before = 0
        # For metrics.
        self.lag_entries = 0

    async def run(self) -> None:
        """Fold on until cancelled."""
        trouble = Trouble("the checkpoint is not folded on for now", "the checkpoint is folded on again")
        try:
            while True:
                try:
                    await self._look()
                    trouble.note_over()
                except Fault as fault:
                    trouble.note(fault)
                await asyncio.sleep(self._look_seconds)
        finally:
            await self._link.aclose()

    async def _look(self) -> None:
        self.lag_entries = await self._checkpoints.lag_entries()
        if not self._is_due():
            return
        while self.lag_entries and not self._is_busy():
            began = monotonic()
            folded = await self._checkpoints.fold_on()
            await asyncio.sleep((monotonic() - began) * self._rest)
            self.lag_entries = await self._checkpoints.lag_entries()
            if not folded:
                return
        await self._forget()

    def _is_due(self) -> bool:
        if not self.lag_entries:
            self._waits_since = None
            return False
        if self._waits_since is None:
            self._waits_since = monotonic()
        waited = monotonic() - self._waits_since
        return self.lag_entries >= self._entries_waiting or waited >= self._waiting_seconds

    async def _forget(self) -> None:
        seen_from = self._booked_until_ms() // DAY_MS - REMEMBERED_DAYS
        if seen_from > self._forgotten_before:
            await self._checkpoints.forget(seen_from)
            self._forgotten_before = seen_from
