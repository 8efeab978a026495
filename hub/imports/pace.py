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

    @asynccontextmanager
    async def work(self, weight: float = 1.0) -> AsyncIterator[None]:
        """One piece of work, begun when it is its turn; it costs `weight` times as much as it lasts."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._free_at - clock()))
        began = clock()
        try:
            yield
        finally:
            self._free_at = began + (clock() - began) * weight / self._share
