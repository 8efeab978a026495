"""Look for counts that stay open although the ledger has everything before they were opened."""

import asyncio
from time import monotonic

from hub.domain.entry import Seq
from hub.domain.verifying import Finding
from hub.stock.remembered import Remembering
from hub.verify.report import Report

_LOOK_AGAIN_SECONDS = 0.2
# A hub that always opens new ones is not waited for longer.
_PATIENCES_MAX = 6


class OpenCountCheck:
    """One check of the counts that are open; call `begin`, and `end` after everything else."""

    def __init__(self, remembering: Remembering, report: Report, *, patience_seconds: float) -> None:
        self._remembering = remembering
        self._report = report
        self._patience_seconds = patience_seconds
        self._closable: set[Seq] = set()

    async def begin(self, before: Seq) -> None:
        """Note the counts that the ledger, which has everything before a place, lets be closed.

        Raises:
            Unavailable: Redis did not answer, here and below.
        """
        self._closable = {seq for seq in await self._remembering.open_counts() if seq < before}

    async def end(self) -> None:
        """Each of them must have been closed; while any counts are being opened and closed they are waited for."""
        is_open = await self._remembering.open_counts()
        waits_until = monotonic() + self._patience_seconds
        ends_at = monotonic() + _PATIENCES_MAX * self._patience_seconds
        while self._closable & is_open and monotonic() < min(waits_until, ends_at):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            before, is_open = is_open, await self._remembering.open_counts()
            if is_open != before:
                waits_until = monotonic() + self._patience_seconds
        detail = "the count that {} opened is not closed, although the ledger has everything before it"
        self._report.add(Finding("count_open", detail.format(seq)) for seq in sorted(self._closable & is_open))
