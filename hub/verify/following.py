"""Let the ledger come as far as Redis was read; where it stands, take from the journal what it lacks.

The ledger of a running hub follows the journal within milliseconds. That of a hub that was killed lacks the journal's
end, which the next start takes up; until then the sums are those of the ledger and of the rest of the journal.
"""

import asyncio
from time import monotonic

from hub.domain.entry import Seq
from hub.domain.verifying import Finding
from hub.domain.verifying_order import Ledger, add_movements, check_entries
from hub.faults import Fault, ServerRefused
from hub.ledger.sums import Sums
from hub.stock.inspecting import Inspection
from hub.verify.report import Report

# A ledger that does not move for so long does not follow.
PATIENCE_SECONDS = 10.0
# Entries that the journal has and the ledger lacks, which are added to its sums.
REST_ENTRIES_MAX = 2_000_000
_LOOK_AGAIN_SECONDS = 0.05

_STANDS = "the ledger has everything up to {cursor}, the journal goes on to {last}, and the ledger does not follow"
_TOO_FAR = "the ledger lacks so much of the journal that positions were not compared with it; start the hub first"
_LOST = "entries are lost that neither the journal nor the ledger has, so positions were not compared with it"
_DOES_NOT_CONTINUE = "the journal does not continue the ledger, so positions were not compared with it"
_MEANWHILE = "the journal was trimmed meanwhile, so a hub was started: verify again"
_WAIT = "{:,} entries wait in the journal for the ledger; they are counted in, and the next start of the hub posts them"
_ONE_WAITS = "1 entry waits in the journal for the ledger; it is counted in, and the next start of the hub posts it"


class LedgerBehind(Fault):
    """What the ledger lacks cannot be had, so sums cannot be compared."""


class Following:
    """How far the ledger is; for one verification."""

    def __init__(
        self, inspection: Inspection, sums: Sums, report: Report, *, is_live: bool, patience_seconds: float
    ) -> None:
        self._inspection = inspection
        self._sums = sums
        self._report = report
        # Where no hub runs the ledger follows nobody.
        self._is_live = is_live
        self._patience_seconds = patience_seconds if is_live else 0.0
        # The first entry of the journal, as it was at the beginning.
        self.journal_from: Seq | None = None
        self._cursor: Seq | None = None
        # The place before which a ledger that stands has everything, and the one before which the journal was read.
        self._stands_before: Seq | None = None
        self._read_before: Seq | None = None
        # What the journal moved since, by SKU and (location, bucket).
        self.rest: dict[str, dict[tuple[str, str], int]] = {}

    async def state(self) -> Ledger:
        """What the ledger says of itself now.

        Raises:
            ServerRefused: it never belonged to a hub.
            Unavailable: it does not answer.
        """
        state = await self._sums.state()
        if state is None:
            raise ServerRefused("there is nothing to verify: the ledger never belonged to a hub")
        self._cursor = state.cursor
        return state

    async def reaches(self, before: Seq) -> Seq:
        """Wait until the ledger has every entry before a place, and say before which place it is to be asked.

        Where that is an earlier one, `rest` has what came after it. Places must not go back from call to call.

        Raises:
            LedgerBehind: the journal cannot tell what the ledger lacks.
            Unavailable, ServerRefused: as `state`.
        """
        last = Seq(before.epoch, before.number - 1, before.partition)
        waits_until = monotonic() + self._patience_seconds
        while self._stands_before is None and (self._cursor is None or self._cursor < last):
            earlier, now = self._cursor, (await self.state()).cursor
            if now != earlier:
                waits_until = monotonic() + self._patience_seconds
            elif monotonic() >= waits_until:
                await self._note_standing(now, last)
            else:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        if self._stands_before is None:
            return before
        await self._read_rest(self._stands_before, before)
        return self._stands_before

    async def _note_standing(self, cursor: Seq | None, last: Seq) -> None:
        if self._is_live:
            self._report.add([Finding("ledger_behind", _STANDS.format(cursor=cursor, last=last))])
        is_in_epoch = cursor is not None and cursor.epoch == last.epoch
        stands_before = Seq(last.epoch, cursor.number + 1 if cursor is not None and is_in_epoch else 0, last.partition)
        if self.journal_from is None or self.journal_from > stands_before:
            raise LedgerBehind(_LOST)
        await self._check_that_it_continues(cursor, stands_before)
        if not self._is_live:
            count = last.number + 1 - stands_before.number
            self._report.note(_ONE_WAITS if count == 1 else _WAIT.format(count))
        self._stands_before = self._read_before = stands_before

    async def _check_that_it_continues(self, cursor: Seq | None, stands_before: Seq) -> None:
        """Where the journal has the ledger's last entry it is the same, and nothing but the rest follows it."""
        if cursor is None:
            return
        known = await self._sums.entries(cursor, cursor)
        beyond = Seq(cursor.epoch, cursor.number + 1, cursor.partition)
        async for page in self._inspection.entries(cursor, beyond):
            found = check_entries({cursor: page[0]}, known)
            self._report.add(found)
            if found:
                raise LedgerBehind(_DOES_NOT_CONTINUE)
        async for _ in self._inspection.entries(beyond, stands_before):
            raise LedgerBehind(_DOES_NOT_CONTINUE)

    async def _read_rest(self, first: Seq, before: Seq) -> None:
        """Add what the journal moved up to a place."""
        if before.number - first.number > REST_ENTRIES_MAX:
            raise LedgerBehind(_TOO_FAR)
        if self._read_before is not None and self._read_before < before:
            count = 0
            async for page in self._inspection.entries(self._read_before, before):
                add_movements(self.rest, page)
                count += len(page)
            if count < before.number - self._read_before.number and await self._is_trimmed(self._read_before):
                raise LedgerBehind(_MEANWHILE)
            self._read_before = before

    async def _is_trimmed(self, place: Seq) -> bool:
        """Whether the journal begins behind a place by now; a hole in it is told where the journal is checked."""
        _, journal = await self._inspection.partition()
        return journal.first is None or journal.first > place
