"""Note what this process answers and the ledger does not have, before it is told: for whoever comes next, in a file."""

import asyncio
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from hub.domain.entry import Seq
from hub.journal.watermark import Watermark
from hub.patience import Trouble
from hub.recovery.notes import Noted, NoteFile, boot_id
from hub.stock.kernel import Kernel

# As many as an alert names.
SOURCES_NOTED_MAX = 1_000


class Noting:
    """The notes of one process: one file at most, and none while the ledger has all."""

    def __init__(self, folder: Path, process: UUID, kernel: Kernel, watermark: Watermark) -> None:
        self._process = process
        self._kernel = kernel
        self._watermark = watermark
        self._file = NoteFile(folder, process)
        self._boot = boot_id()
        # The place behind all that is noted; None while nothing is.
        self._noted: Seq | None = None
        # How many calls had been answered when it was noted, or could not be.
        self._calls = 0
        # One writes at a time; who comes meanwhile is served by the next one together.
        self._turn = asyncio.Lock()
        self._writing: set[asyncio.Future[None]] = set()
        self._trouble = Trouble("what is answered cannot be noted", "what is answered is noted again")

    async def note(self, calls: int) -> None:
        """Have noted what the first calls were answered, unless the ledger has it; a disk that fails holds up nobody.

        All is noted that was answered by then, so whoever is told a moment later finds it done: while the ledger is
        away that is one file for each wait for it, however much is sold.
        """
        if self._is_needed(calls):
            # Who hangs up meanwhile stops no writing that others wait for.
            writing = asyncio.ensure_future(self._note(calls))
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
            await asyncio.shield(writing)

    async def tidy(self) -> None:
        """Take back what is noted once the ledger has it, or once this process works in a newer epoch."""
        async with self._turn:
            if self._is_over():
                await self._remove()

    def close(self) -> None:
        """At the end: what the ledger does not have stays noted, for whoever comes next."""
        with suppress(OSError):
            if self._is_late(self._answered()) and self._has_answered():
                self._file.write(self._now())
            else:
                self._file.remove()
        self._file.close()

    def _is_over(self) -> bool:
        if self._noted is None:
            return False
        last = Seq(self._noted.epoch, self._noted.number - 1)
        return self._noted.epoch < self._kernel.epoch or self._watermark.covers(last)

    def _answered(self) -> Seq:
        return Seq(self._kernel.epoch, self._kernel.floor)

    def _is_needed(self, calls: int) -> bool:
        return self._calls < calls and self._is_late(self._answered())

    def _is_late(self, answered: Seq) -> bool:
        """Whether there is something before that place that the ledger does not have, as far as is known."""
        return not self._watermark.covers(Seq(answered.epoch, answered.number - 1))

    def _has_answered(self) -> bool:
        """Whether this process was answered anything, or noted what others had been."""
        return self._noted is not None or self._answered() > self._kernel.answered.begun

    async def _note(self, calls: int) -> None:
        async with self._turn:
            if self._is_needed(calls):
                await self._write()

    async def _write(self) -> None:
        # Where it cannot be written nobody tries again for the same calls: a thousand who wait would wait in a row.
        noted, self._calls = self._now(), self._kernel.answered.calls
        try:
            await asyncio.to_thread(self._file.write, noted)
        except OSError as error:
            self._trouble.note(error)
            # Less than was answered must not be taken for all.
            await self._remove()
        else:
            self._noted = noted.unanswered
            self._trouble.note_over()

    async def _remove(self) -> None:
        try:
            await asyncio.to_thread(self._file.remove)
        except OSError as error:
            self._trouble.note(error)
        self._noted = None

    def _now(self) -> Noted:
        kernel, at = self._kernel, self._watermark.at
        first = at.number + 1 if at is not None and at.epoch == kernel.epoch else 0
        sources = kernel.answered.last_since(Seq(kernel.epoch, first))
        # The last ones were answered last.
        kept = list(sources.items())[-SOURCES_NOTED_MAX:]
        since = kernel.answered.since
        return Noted(
            hub=kernel.hub,
            process=self._process,
            boot=self._boot,
            epoch=kernel.epoch,
            next=kernel.floor,
            booked_at_ms=kernel.booked_at_ms,
            since=max(first, since.number if since.epoch == kernel.epoch else 0),
            sources={source: place.number for source, place in kept},
            sources_count=len(sources),
        )
