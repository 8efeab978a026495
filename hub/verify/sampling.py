"""Look at the stock of a running hub all the time, a little at a time: what a verification would find of SKUs.

The path of one finding: a SKU is read and compared → it differs → it is read again, and still does → a log line, a
metric, an alert in the journal, once as long as it lasts. A difference that is gone is told no more. Nothing is
changed but for the alert.

Compared are those that changed last, those that are not stored any more as they were when they were found right (which
passes over all of them find out, and is far cheaper than comparing), and all others in rounds.

The time that a look takes, Redis's and the ledger's with it, is at most a share of all time: at 1 %, whatever it took,
the pause after it is 99 times as long. Waiting for the ledger to follow is no work and does not count.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic, time
from typing import NamedTuple

import msgspec
import structlog

from hub.domain.command import Fact, Raising
from hub.domain.noticing import digest_of, own_alert
from hub.domain.remembering import DAY_MS
from hub.domain.verifying import Finding
from hub.faults import Fault
from hub.ledger.rows import Booking
from hub.ledger.sums import Sums
from hub.stock.inspecting import Inspection
from hub.verify.looking import Look, Looking, Running
from hub.verify.names_in_turn import RecentSkus, Rounds, moved_in
from hub.verify.unchanged import Unchanged

log = structlog.get_logger()

STOCK_DIFFERS = "stock_differs"
# After a store was away.
RETRY_SECONDS = 2.0
SKUS_PER_LOOK = 60
# Of which it is only seen whether they are as they were, in one look.
SEEN_PER_LOOK = 1_000
# Redis may answer nobody else while it reads so many.
SEEN_PER_READ = 100
# Redis answers nobody else while it reads, so where SKUs have many positions a look has fewer of them.
POSITIONS_PER_LOOK = 500
# Of each look, for what is known to differ, to see whether it still does.
WRONG_PER_LOOK = 5
# SKUs that are known to differ; beyond it others are not remembered.
WRONG_MAX = 1_000
_ABOUT_CHARACTERS_MAX = 300


class Pace(NamedTuple):
    """How much of the time looks may take."""

    # Of one core.
    share: float = 0.01
    # Between two looks, at least.
    pause_seconds: float = 0.5

    def pause_after(self, worked_seconds: float) -> float:
        """How many seconds to rest after so much work."""
        return max(self.pause_seconds, worked_seconds * (1 / self.share - 1))

    @staticmethod
    def of(percent: float) -> "Pace":
        """The pace of so many percent of one core; 0: nothing is looked at."""
        share = percent / 100
        return Pace(share, min(0.5, 0.005 / share) if share else 0.5)


PACE = Pace()


class Sampling:
    """The watch over what one partition holds, by one process."""

    def __init__(
        self,
        inspection: Inspection,
        sums: Sums,
        running: Running,
        *,
        raise_alert: Callable[[Fact], Awaitable[object]],
        on_sampled: Callable[[int], None] = lambda skus: None,
        pace: Pace = PACE,
    ) -> None:
        self._inspection = inspection
        self._looking = Looking(inspection, sums, running)
        self.rounds = Rounds(inspection, sums, monotonic)
        # Whether they are as they were, for all SKUs.
        self.passes = Rounds(inspection, sums, monotonic)
        self._unchanged = Unchanged()
        # What was found to be otherwise; at most what one look sees.
        self._changed: deque[str] = deque()
        self.recent = RecentSkus(monotonic)
        self._raise_alert = raise_alert
        self._on_sampled = on_sampled
        self._pace = pace
        self._size = SKUS_PER_LOOK
        # By SKU: what differs, confirmed, and which of it was told.
        self._wrong: dict[str, list[Finding]] = {}
        # With the epoch it was told in: once that has ended the alert may be lost with its Redis.
        self._told: dict[tuple[str, str, str, str], int] = {}
        self._kernel = running.kernel

    @property
    def findings(self) -> int:
        """What differs, as far as is known now; for metrics."""
        return sum(len(found) for found in self._wrong.values())

    def hear(self, posted: Iterable[Booking]) -> None:
        """Take what came to the ledger."""
        names = moved_in(posted)
        self.recent.note(names)
        for name in names:
            self._unchanged.forget(name)

    async def run(self) -> None:
        """Look until cancelled; stores that are away are waited for."""
        if not self._pace.share:
            await asyncio.Event().wait()
        while True:
            began = monotonic()
            try:
                worked_seconds = await self.look()
            except Fault as fault:
                log.debug("what is stored is looked at later", reason=str(fault))
                worked_seconds = monotonic() - began
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(self._pace.pause_after(worked_seconds))

    async def look(self) -> float:
        """Look at the next SKUs, and tell what is new; answers how many seconds it worked.

        Raises:
            Fault: a store is away, or the ledger lags; what was not looked at comes in the next round.
        """
        began = monotonic()
        wrong = list(self._wrong)[:WRONG_PER_LOOK]
        recent = self.recent.take(max(1, self._size // 2))
        # A quarter is left to the rounds, whatever changes.
        changed = await self._take_changed(max(1, self._size - len(recent) - self._size // 4))
        cold = await self.rounds.take(max(1, self._size - len(recent) - len(changed)))
        names = list(dict.fromkeys([*wrong, *recent, *changed, *cold]))
        if not names:
            return monotonic() - began
        idle_seconds = await self._look_at(names)
        return monotonic() - began - idle_seconds

    async def _take_changed(self, count: int) -> list[str]:
        """The next SKUs that are not as they were when they were found right, as far as the present pass is."""
        if len(self._changed) < count:
            names = await self.passes.take(SEEN_PER_LOOK)
            for start in range(0, len(names), SEEN_PER_READ):
                some = names[start : start + SEEN_PER_READ]
                now = zip(some, await self._inspection.fingerprints(some), strict=True)
                self._changed.extend(name for name, fingerprint in now if not self._unchanged.has(name, fingerprint))
        return [self._changed.popleft() for _ in range(min(count, len(self._changed)))]

    async def _look_at(self, names: Sequence[str]) -> float:
        look = await self._looking.look(names)
        idle_seconds, found = look.idle_seconds, look.report.findings
        if found:
            # By now it may be otherwise; what is the same twice is no chance.
            again = await self._looking.look(list(dict.fromkeys(finding.sku for finding in found)))
            idle_seconds += again.idle_seconds
            places = {finding.place for finding in found}
            found = [finding for finding in again.report.findings if finding.place in places]
        self._size = max(1, min(SKUS_PER_LOOK, POSITIONS_PER_LOOK * len(names) // max(1, look.positions)))
        self._on_sampled(len(names))
        if not look.report.unchecked:
            self._note_right(look)
        # Where not all could be compared, nothing is known to be right again.
        self._remember(found, () if look.report.unchecked else names)
        for finding in found:
            await self._tell(finding)
        return idle_seconds

    def _note_right(self, look: Look) -> None:
        wrong = {finding.sku for finding in look.report.findings}
        for name, fingerprint in look.fingerprints.items():
            if name not in wrong:
                self._unchanged.note(name, fingerprint)

    def _remember(self, found: Iterable[Finding], looked_at: Iterable[str]) -> None:
        by_sku: dict[str, list[Finding]] = {}
        for finding in found:
            by_sku.setdefault(finding.sku, []).append(finding)
        for name in {*looked_at, *by_sku}:
            before = self._wrong.pop(name, [])
            now = by_sku.get(name, [])
            for place in {finding.place for finding in before} - {finding.place for finding in now}:
                self._told.pop(place, None)
            # Put last, so that the others have their turn.
            if now and len(self._wrong) < WRONG_MAX:
                self._wrong[name] = now

    async def _tell(self, finding: Finding) -> None:
        epoch = self._kernel.epoch
        if self._told.get(finding.place) == epoch or finding.sku not in self._wrong:
            return
        about = {key: value for key, value in msgspec.to_builtins(finding).items() if value}
        log.error("what is stored differs", **about)
        await self._raise_alert(alert_of(finding, int(time() * 1000)))
        self._told[finding.place] = epoch


def alert_of(finding: Finding, now_ms: int) -> Fact:
    """The command that tells a finding; the same one is told once a day, by whichever process."""
    payload = msgspec.json.encode(finding).decode()
    digest = digest_of(payload)
    about = " ".join(name for name in (finding.sku, finding.location, finding.pool) if name).replace("\0", " ")
    detail = Raising(about[:_ABOUT_CHARACTERS_MAX] or finding.kind, 1)
    # Ids are remembered for longer than a day, so none comes again once it is forgotten.
    return own_alert(STOCK_DIFFERS, f"{now_ms // DAY_MS}:{digest}", digest, now_ms, payload, detail)
