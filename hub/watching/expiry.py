"""Watch what is held: units whose time is over are given back within a second, and said to be.

A hold is over when the kernel's clock says so, swept or not; this only makes it seen. One process of the hub
watches; should two for a moment, what another gave back already is so already. What ended while no hub ran is found at
the first look.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from hub.domain.holding.due import Due, GivenBack
from hub.faults import Fault
from hub.patience import Trouble

log = structlog.get_logger()

# The longest wait between two looks; another process may have made a hold that is over sooner.
LOOK_SECONDS = 0.25
# How long the watch waits for a store that is away or busy.
PAUSE_SECONDS = 1.0
# Of the time, while much is due at once, so that sales do not feel it.
SHARE = 0.3
HOLDS_PER_LOOK_MAX = 200


class ExpiryWatch:
    """The watch over one partition's holds."""

    def __init__(
        self,
        due: Callable[[int, int], Awaitable[Due]],
        *,
        expire: Callable[[Sequence[str], float], Awaitable[GivenBack]],
        on_expired: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._due = due
        self._expire = expire
        self._on_expired = on_expired
        # Holds that units were kept for at the last look; for metrics.
        self.live = 0
        self._stuck = 0

    async def run(self) -> None:
        """Give back what is due until cancelled; stores that are away are waited for."""
        trouble = Trouble("expired reservations are given back later", "expired reservations are given back again")
        while True:
            try:
                wait_seconds = await self.look()
                trouble.note_over()
            except Fault as fault:
                trouble.note(fault)
                wait_seconds = PAUSE_SECONDS
            await asyncio.sleep(wait_seconds)

    async def look(self) -> float:
        """Give back all that is due now; returns for how long nothing will be, in seconds, as far as anybody knows."""
        # What cannot be given back stays in front; it must not hide the others.
        stuck, why = 0, ""
        while True:
            due = await self._due(stuck, HOLDS_PER_LOOK_MAX)
            self.live = due.live
            if not due.names:
                self._note_stuck(stuck, why)
                return LOOK_SECONDS if due.next_in_ms is None else min(LOOK_SECONDS, due.next_in_ms / 1000)
            given_back = await self._expire(due.names, SHARE)
            self._on_expired(given_back.holds)
            stuck, why = stuck + given_back.stuck, why or given_back.why
            if not given_back.holds + given_back.stuck:
                # Another process is at it.
                return LOOK_SECONDS

    def _note_stuck(self, stuck: int, why: str) -> None:
        if stuck > self._stuck:
            log.warning("what is over cannot be given back", holds=stuck, reason=why)
        self._stuck = stuck
