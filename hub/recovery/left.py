"""What ended processes left noted of their answers: does Redis have all of it, and is it told where it does not?

A file goes once the ledger has all that it notes, or has it among what is to be told.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from hub.domain.entry import Seq
from hub.domain.losing import Window
from hub.journal.watermark import Watermark
from hub.ledger.epochs import Epochs
from hub.recovery.losses import heard_from_ms
from hub.recovery.notes import Noted, left_in
from hub.recovery.recovered import log_lost


class Left:
    """The files of one folder that processes of one hub left there; `read` first."""

    def __init__(self, folder: Path, epochs: Epochs, on_lost: Callable[[int], None] = lambda entries: None) -> None:
        self._folder = folder
        self._epochs = epochs
        self._on_lost = on_lost
        self._notes: dict[Path, Noted] = {}
        # As told last.
        self.told: list[Window] = []
        # Whose losses were said.
        self._said: set[Path] = set()

    async def read(self, hub: UUID) -> None:
        """Take what is there now."""
        self._notes = await asyncio.to_thread(left_in, self._folder, hub)

    def unanswered(self, epoch: int) -> Seq:
        """The place behind all that these processes were answered in an epoch."""
        places = (noted.unanswered for noted in self._notes.values() if noted.epoch == epoch)
        return max(places, default=Seq(epoch, 0))

    def answered(self, epoch: int) -> Seq | None:
        """The last place that one of them was answered; None: none that is known of."""
        number = self.unanswered(epoch).number
        return Seq(epoch, number - 1) if number else None

    async def is_all(self, epoch: int) -> bool:
        """Whether nobody was answered in an epoch what the ledger lacks and these notes do not name.

        Raises:
            Unavailable: Postgres does not answer, here and below.
        """
        first = (await self._epochs.end_of(epoch)).number + 1
        notes = (noted for noted in self._notes.values() if noted.epoch == epoch and not noted.may_be_older)
        known = {noted.process for noted in notes if noted.names_all_from(first)}
        workers = await self._epochs.workers(epoch)
        return bool(workers) and workers <= known

    async def lost(self, newer: int) -> list[Window]:
        """What these processes were answered in epochs before this one, and the ledger never gets; it keeps that now.

        Only once the ledger has all that it gets of those.
        """
        windows = {path: await self._window(noted) for path, noted in self._notes.items() if noted.epoch < newer}
        found = {path: window for path, window in windows.items() if window is not None}
        for path, window in found.items():
            await self._epochs.keep(window)
            if path not in self._said:
                log_lost(window)
                self._on_lost(window.entries)
        self._said.update(windows)
        self.told = list(found.values())
        return self.told

    async def settle(self, epoch: int, watermark: Watermark) -> None:
        """Throw away what is told, or needs no telling, now that the ledger is in this epoch."""
        if not self._notes:
            return
        await self.lost(epoch)
        for path, noted in list(self._notes.items()):
            if noted.epoch < epoch or watermark.covers(Seq(noted.epoch, noted.next - 1)):
                del self._notes[path]
                # One that cannot be removed is told once more, which changes nothing.
                with suppress(OSError):
                    path.unlink()

    async def _window(self, noted: Noted) -> Window | None:
        end = await self._epochs.end_of(noted.epoch)
        first = Seq(noted.epoch, end.number + 1)
        if noted.unanswered <= first:
            return None
        sources = {source for source, last in noted.sources.items() if last >= first.number}
        is_certain = noted.names_all_from(first.number) and await self._epochs.worked_alone(noted.epoch, noted.process)
        if not is_certain:
            sources.update(await self._epochs.senders_since(heard_from_ms(end.booked_at_ms)))
        last, until_ms = Seq(noted.epoch, noted.next - 1), max(noted.booked_at_ms, end.booked_at_ms)
        return Window(first, last, end.booked_at_ms, until_ms, tuple(sorted(sources)), certain=is_certain)
