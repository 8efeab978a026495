"""Inventory record accuracy of the last 30 days, for a gauge: asked for when it is read, at most once a minute."""

import asyncio
from collections.abc import Callable
from math import nan
from time import monotonic, time

import structlog

from hub.domain.findings import Window, percent
from hub.faults import Fault
from hub.ledger.accuracy import Accuracy
from hub.tasks import end

log = structlog.get_logger()

DAYS = 30
REFRESH_SECONDS = 60.0
_DAY_MS = 86_400_000


class RecentAccuracy:
    """Keeps a gauge fresh without letting its reader wait for the ledger: a look shows what the last look asked for."""

    def __init__(
        self, accuracy: Accuracy, tell: Callable[[float], None], *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._accuracy = accuracy
        self._tell = tell
        self._clock = clock
        self._not_before = 0.0
        self._asking: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Somebody reads the gauge: ask for it anew, unless that was done within the minute."""
        if self._clock() < self._not_before or (self._asking is not None and not self._asking.done()):
            return
        self._not_before = self._clock() + REFRESH_SECONDS
        self._asking = asyncio.create_task(self._ask(), name="recent accuracy")

    async def _ask(self) -> None:
        now_ms = int(time() * 1000)
        try:
            tally = await self._accuracy.tally(Window(now_ms - DAYS * _DAY_MS, now_ms), 0)
        except Fault as fault:
            log.warning("the accuracy gauge cannot be refreshed", reason=str(fault))
            return
        value = percent(sum(of.right for of in tally), sum(of.counted for of in tally))
        self._tell(nan if value is None else value)

    async def aclose(self) -> None:
        """End what is asked."""
        if self._asking is not None:
            await end([self._asking])
