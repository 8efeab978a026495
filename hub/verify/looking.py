"""Look at some SKUs of the hub that this process runs: as a verification does, with what the process knows anyway."""

from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from hub.domain.entry import Seq
from hub.domain.verifying import readable
from hub.journal.watermark import Watermark
from hub.ledger.sums import Sums
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.held_moments import HeldMoments
from hub.stock.inspecting import Inspection
from hub.stock.kernel import Kernel
from hub.stock.remembered import Remembering
from hub.verify.following import LedgerBehind
from hub.verify.held_house import HeldHouse
from hub.verify.holds import HoldCheck
from hub.verify.report import Report
from hub.verify.skus import SkuCheck

# How long the ledger may take to have what Redis was read with.
PATIENCE_SECONDS = 10.0

_CLOSED = "the partition is closed"
_LAGS = "the ledger lags behind"


class Running(NamedTuple):
    """What a process that runs knows of its partition."""

    kernel: Kernel
    current: CurrentHouse
    described: Described
    watermark: Watermark


class Look:
    """One look at some SKUs; its report, and how many positions were read and how long nothing was done but waited."""

    def __init__(self) -> None:
        self.report = Report()
        self.positions = 0
        self.idle_seconds = 0.0
        # What is stored of each SKU, as a hash.
        self.fingerprints: dict[str, int] = {}


class Looking:
    """Looks at SKUs of this process's partition; one at a time."""

    def __init__(self, inspection: Inspection, sums: Sums, running: Running) -> None:
        self._inspection = inspection
        self._sums = sums
        self._running = running

    async def look(self, names: Sequence[str]) -> Look:
        """Compare some SKUs with the ledger, the rules and the holds.

        Raises:
            LedgerBehind: the ledger lags, or the partition is closed, so that nothing can be said.
            Unavailable, ServerRefused: a store does not answer.
        """
        look, running = Look(), self._running
        kernel, epoch = running.kernel, running.kernel.epoch
        if kernel.closed_because is not None:
            raise LedgerBehind(_CLOSED)
        house = _RunningHouse(self._inspection, running, look.report)
        holds = HoldCheck(Remembering(self._inspection.client), HeldMoments(self._inspection.client), look.report)
        check = SkuCheck(self._inspection, self._sums, house, _Posted(running.watermark, look), holds, look.report)
        batch, _ = await check.check(names)
        by_location: dict[str, list[str]] = {}
        for raw in batch.skus:
            look.fingerprints[raw.name] = raw.fingerprint
            look.positions += len(raw.positions)
            for location in raw.positions:
                by_location.setdefault(readable(location), []).append(raw.name)
        await check.check_members(by_location)
        await check.check_reserved(batch.skus)
        # What was read while the partition was made anew says nothing.
        if batch.meta.halted is not None or batch.meta.epoch != epoch or kernel.closed_because is not None:
            raise LedgerBehind(_CLOSED)
        return look


class _Posted:
    """How far the ledger of this process is."""

    def __init__(self, watermark: Watermark, look: Look) -> None:
        self._watermark = watermark
        self._look = look
        self.rest: dict[str, dict[tuple[str, str], int]] = {}

    async def reaches(self, before: Seq) -> Seq:
        """Wait for it.

        Raises:
            LedgerBehind: it takes too long.
            Unavailable: what was read was lost.
        """
        last, began = Seq(before.epoch, before.number - 1, before.partition), monotonic()
        has_all = await self._watermark.wait(last, PATIENCE_SECONDS)
        self._look.idle_seconds += monotonic() - began
        if not has_all:
            raise LedgerBehind(_LAGS)
        return before


class _RunningHouse(HeldHouse):
    """The house that this process works by, and what it knows of SKUs, in place of reading both."""

    def __init__(self, inspection: Inspection, running: Running, report: Report) -> None:
        super().__init__(inspection, running.described, report)
        self._current = running.current
        self._house = running.current.house

    async def _read(self) -> None:
        self._house = self._current.house
