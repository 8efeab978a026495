"""Bulk work takes a share of the time and leaves the rest to the sales."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """Spaces pieces of work so that they take at most `share` of the time. For one worker."""

    def __init__(self, share: float) -> None:
        self._share = share
        # When the next piece may begin, by the loop's clock.
        self._free_at = 0.0

    async def turn(self) -> float:
        """Wait until a piece of work may begin; the time by the loop's clock."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._free_at - clock()))
        return clock()

    def note(self, began: float, seconds: float) -> None:
        """A piece of work that began then took so many seconds; the next one waits accordingly."""
        self._free_at = began + seconds / self._share

    @asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """One piece of work, begun when it is its turn, that costs as much as it lasts."""
        began = await self.turn()
        try:
            yield
        finally:
            self.note(began, asyncio.get_running_loop().time() - began)
