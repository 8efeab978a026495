"""Reads for those who begin to watch: who waits while others read is read for together with all who wait.

When ten thousand screens come back at once, each with SKUs that nobody watches any more, Redis is asked for a thousand
SKUs at a time and not ten thousand times for three.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hub.live.fanout import Outlet
from hub.live.limits import LiveLimits
from hub.live.subscriptions import Topic

# A topic that somebody has begun to watch, and the rev that he knows.
Wish = tuple[Topic[Outlet], int]


class _Joint:
    """Wishes for SKUs of one pool whose read has not begun yet."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.reading: asyncio.Task[None]


class Joining:
    """All reads of one live door for new watchers, so many at a time."""

    def __init__(
        self,
        read: Callable[[str, Sequence[str]], Awaitable[None]],
        is_due: Callable[[Wish], bool],
        limits: LiveLimits,
    ) -> None:
        self._read = read
        self._is_due = is_due
        self._skus_max = limits.skus_joined
        self.turns = asyncio.Semaphore(limits.reads_at_once)
        # By pool; who comes joins it.
        self._waiting: dict[str, _Joint] = {}

    async def read(self, pool: str, wishes: Sequence[Wish]) -> None:
        """Come back when what is due of this was read; the read begins after this call.

        Raises:
            Unavailable: the state cannot be read.
        """
        joint = self._waiting.get(pool)
        if joint is None or len(joint.wishes) >= self._skus_max:
            joint = self._waiting[pool] = _Joint()
            joint.reading = asyncio.create_task(self._read_joint(pool, joint), name="live read")
            joint.reading.add_done_callback(_forget)
        joint.wishes += wishes
        # Who leaves takes nothing from the others.
        await asyncio.shield(joint.reading)

    async def _read_joint(self, pool: str, joint: _Joint) -> None:
        async with self.turns:
            # Whoever comes from now on may watch too late for this read.
            if self._waiting.get(pool) is joint:
                del self._waiting[pool]
            due = dict.fromkeys(wish[0].key[1] for wish in joint.wishes if self._is_due(wish))
            await self._read(pool, tuple(due))


def _forget(done: asyncio.Task[None]) -> None:
    # A fault that nobody waits for any more is nobody's.
    if not done.cancelled():
        done.exception()
