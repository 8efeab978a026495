"""What this process was answered and lost: noted once, kept in the ledger, and told until the ledger has the alert."""

from collections.abc import Awaitable, Callable, Sequence
from time import time

import msgspec

from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.domain.losing import Window, alert_of
from hub.ledger.epochs import Epochs
from hub.recovery.losses import heard_from_ms, told_in_epoch
from hub.recovery.process import Process
from hub.recovery.recovered import log_lost
from hub.stock.outcome import Applied, Duplicate, Outcome

# Windows that the ledger could not keep yet.
UNTOLD_MAX = 100

Tell = Callable[[Fact], Awaitable[Sequence[Outcome]]]


class OwnLosses:
    """Of one process; `tell` books an alert, `on_lost` hears how many entries were lost."""

    def __init__(self, process: Process, epochs: Epochs, tell: Tell, on_lost: Callable[[int], None]) -> None:
        self._process = process
        self._epochs = epochs
        self._tell = tell
        self._on_lost = on_lost
        # Noted, and the ledger does not keep it yet.
        self._untold: list[Window] = []
        # Noted since this process took an epoch.
        self._noted_windows: list[Window] = []
        # The last entry that was noted as lost.
        self._noted: Seq | None = None

    def unanswered(self) -> Seq:
        """The first place that this process was not answered."""
        return Seq(self._process.kernel.epoch, self._process.kernel.floor)

    async def own_lost(self, newer: int) -> list[Window]:
        """What is to be told when the newer epoch is opened by this process; it may be tried more than once.

        The ledger keeps it from now on: should this process end before it opened the epoch, another tells it. Nothing
        else changes, for the newer epoch may never begin.

        Raises:
            Unavailable, ServerRefused: a store does not answer, or refuses, here and below.
        """
        await self.note(newer)
        await self.keep()
        return list(self._noted_windows)

    async def end(self, epoch: int, newer: int) -> None:
        """The epoch ended before the newer one: who waits for more of it than the ledger has is told that."""
        watermark = self._process.watermark
        watermark.note_end(epoch, (await self._epochs.end_of(epoch)).number)
        watermark.advance(Seq(newer, -1))

    async def note(self, newer: int) -> None:
        """Note once what this process was answered in the epoch before a newer one, and the ledger never gets."""
        kernel, ended = self._process.kernel, self.unanswered()
        if not await self._epochs.others_work_in(kernel.epoch):
            # What another was answered that vanished, as far as this process heard of it.
            ended = max(ended, self._process.looking.known())
        window = await self._window(ended)
        if window is None:
            return
        told, heard = None, tuple[str, ...]()
        if kernel.answered.since > window.first or ended.number > kernel.floor:
            # Who may have been answered before this process began, unless a rebuild by hand has told it.
            told = await told_in_epoch(self._process.looking.client, newer)
            if told is not None and told.covers(window):
                heard = told.sources
            else:
                heard = await self._epochs.senders_since(heard_from_ms(window.since_ms))
        sources = {*heard, *kernel.answered.last_since(window.first)}
        window = msgspec.structs.replace(window, sources=tuple(sorted(sources)))
        if told is not None and told.covers(window):
            # The same alert once more is the same entry.
            window = told
        log_lost(window)
        self._on_lost(window.entries)
        self._untold = [*self._untold, window][-UNTOLD_MAX:]
        self._noted_windows = [*self._noted_windows, window][-UNTOLD_MAX:]
        self._noted = window.last

    def goes_on(self) -> None:
        """The epoch did not end: Redis came back with what it had, so what was noted is not lost."""
        epoch = self._process.kernel.epoch
        self._process.watermark.note_goes_on(epoch)
        if self._noted is not None and self._noted.epoch == epoch:
            self._untold = [window for window in self._untold if window.last.epoch < epoch]
            self._noted_windows, self._noted = [], None

    def forget(self, newer: int) -> None:
        """This process is about to take a newer epoch: what is noted of those before is kept or told by now."""
        self._noted_windows = []
        self._process.kernel.answered.forget_before(newer)

    async def keep(self) -> None:
        """Have the ledger keep what it does not keep yet."""
        for window in list(self._untold):
            await self._epochs.keep(window)
            self._untold.remove(window)

    async def tell(self) -> None:
        """Tell what was lost, also by others, until the ledger has the alert: it may be lost with Redis too."""
        for kept in await self._epochs.kept():
            window = await self._still_lost(kept)
            if window is not None:
                [outcome] = await self._tell(alert_of(window, int(time() * 1000)))
                if not isinstance(outcome, Applied | Duplicate) or not self._process.watermark.covers(outcome.seq):
                    continue
            elif kept.last.epoch >= self._process.kernel.epoch:
                continue
            await self._epochs.forget(kept)

    async def _still_lost(self, window: Window) -> Window | None:
        """What of a window is lost for ever: its epoch has ended, and the ledger did not get it after all."""
        if window.last.epoch >= self._process.kernel.epoch:
            return None
        if window.first.epoch != window.last.epoch:
            return window
        end = Seq(window.last.epoch, (await self._epochs.end_of(window.last.epoch)).number)
        if window.last <= end:
            return None
        first = max(window.first, Seq(end.epoch, end.number + 1))
        return window if first == window.first else msgspec.structs.replace(window, first=first)

    async def _window(self, ended: Seq) -> Window | None:
        """What this process was answered in the epoch that ended, the ledger never had, and was not noted yet."""
        end = await self._epochs.end_of(ended.epoch)
        first = Seq(ended.epoch, end.number + 1)
        if self._noted is not None and self._noted >= first:
            first = Seq(ended.epoch, self._noted.number + 1)
        if ended <= first:
            return None
        last, kernel = Seq(ended.epoch, ended.number - 1), self._process.kernel
        # Of what others were answered nothing is known here, nor of what was before this process began.
        is_own = ended == self.unanswered() and kernel.answered.since <= first
        is_certain = is_own and await self._epochs.worked_alone(ended.epoch)
        # When another was answered nobody knows; it was before now.
        until_ms = kernel.booked_at_ms if ended <= self.unanswered() else int(time() * 1000)
        return Window(first, last, end.booked_at_ms, until_ms, certain=is_certain)
