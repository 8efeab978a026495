"""Watch what waits: a receipt without its dispatch or a void without its sale is forgotten in the end, and told.

The path of one wait: kept by the kernel → nothing explains it for 90 days → found here → an entry in the journal that
forgets it, with an alert. Several processes may watch: the kernel forgets once.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from hub.domain.lapsing import WAITS_HERE
from hub.faults import Fault
from hub.patience import Trouble

log = structlog.get_logger()

LOOK_SECONDS = 3_600.0
# After a look that a store was away for.
RETRY_SECONDS = 60.0


class Waits(Protocol):
    """What waits in one partition; `hub.stock.waits.Waits` is one."""

    async def overdue(self, table: str, cursor: int) -> tuple[int, list[str]]:
        """Fields of a stretch of a table where something waits for too long, and the cursor of the next; 0 ends."""
        ...

    async def lapse(self, table: str, fields: Sequence[str]) -> tuple[int, int]:
        """Forget what waits under these fields for too long; answers for how many that was done, and failed."""
        ...


class WaitsWatch:
    """The watch over what waits in one partition."""

    def __init__(self, waits: Waits) -> None:
        self._waits = waits

    async def run(self) -> None:
        """Look at the start and every hour until cancelled; a store that is away is waited for."""
        trouble = Trouble("what waits is looked at later", "what waits is looked at again")
        while True:
            try:
                await self.look()
                trouble.note_over()
                pause_seconds = LOOK_SECONDS
            except Fault as fault:
                trouble.note(fault)
                pause_seconds = RETRY_SECONDS
            await asyncio.sleep(pause_seconds)

    async def look(self) -> int:
        """Go through all that waits, step by step, and forget what waits for too long; answers under how many names.

        Raises:
            Fault: a store did not answer; some may be forgotten.
        """
        lapsed = broken = 0
        for table in WAITS_HERE:
            cursor = 0
            while True:
                cursor, fields = await self._waits.overdue(table, cursor)
                if fields:
                    done, failed = await self._waits.lapse(table, fields)
                    lapsed, broken = lapsed + done, broken + failed
                if not cursor:
                    break
        if lapsed:
            log.warning("what waited for too long is forgotten", lapsed=lapsed)
        if broken:
            log.error("what waits for too long cannot be forgotten", broken=broken)
        return lapsed
