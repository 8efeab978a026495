"""After a change of rules: recompute every SKU whose views are of older ones, in three tenths of the time at most.

A SKU that is touched or read in between is recomputed then; the sweep is for the screens, whose SKUs come first, and
for those that nobody asks about.
"""

import asyncio
from collections.abc import Callable, Collection

from redis.asyncio import Redis

from hub.faults import Unavailable
from hub.patience import Trouble
from hub.stock import keys
from hub.stock.kernel import Kernel
from hub.stock.reading import reading
from hub.stock.reads import Reads

# How long the sweep waits for a store that is away or busy.
PAUSE_SECONDS = 1.0
# The sweep's share of the time, its waits for calls of sales included, so that those hardly feel it.
SHARE = 0.3
SKUS_PER_STEP = 200


class Sweep:
    """The sweep of one partition; of several processes one goes through all, others do what is watched there."""

    def __init__(self, client: Redis, kernel: Kernel, reads: Reads) -> None:
        self._client = client
        self._kernel = kernel
        self._reads = reads
        self._due = asyncio.Event()
        # What somebody looks at now comes first.
        self.watched: Callable[[], Collection[str]] = tuple
        # Whether this process goes through all SKUs; what somebody looks at here it recomputes in any case.
        self.goes_through: Callable[[], bool] = lambda: True

    def begin(self) -> None:
        """The rules changed: go through all SKUs, again when that was under way."""
        self._due.set()

    async def run(self) -> None:
        """Sweep once at the start, and after every `begin`, for ever."""
        while True:
            self._due.clear()
            await self.once()
            await self._due.wait()

    async def once(self, on_progress: Callable[[int], None] = lambda count: None) -> None:
        """Go through all SKUs until all have views of the rules of now; a store that is away or busy is waited for."""
        trouble = Trouble("the sweep begins again", "the sweep went through")
        while True:
            version = self._kernel.rules_version
            try:
                await self._go_through(version, on_progress)
                trouble.note_over()
                if version == self._kernel.rules_version:
                    return
            except Unavailable as fault:
                trouble.note(fault)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _go_through(self, version: int, on_progress: Callable[[int], None]) -> None:
        watched = sorted(self.watched())
        for start in range(0, len(watched), SKUS_PER_STEP):
            on_progress(await self._step(watched[start : start + SKUS_PER_STEP]))
        if not self.goes_through():
            return
        batch: list[str] = []
        with reading():
            async for key in self._client.scan_iter(match=keys.ANY_SKU, count=500):
                batch.append(keys.sku_name(key))
                if len(batch) >= SKUS_PER_STEP:
                    on_progress(await self._step(batch))
                    batch = []
                if version != self._kernel.rules_version or not self.goes_through():
                    # Other rules again: what is watched comes first once more. Or another process goes on.
                    return
        on_progress(await self._step(batch))

    async def _step(self, skus: list[str]) -> int:
        stale = await self._reads.stale_among(skus)
        await self._reads.refresh(stale, share=SHARE)
        return len(stale)
