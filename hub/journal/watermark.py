"""How far the ledger has committed, and who waits for it.

A sale is answered 200 when its entry is in the ledger, so thousands of callers a second wait here for a few
milliseconds each. One heap wakes them in the order of the journal, and one timer serves all deadlines: a timer
per waiter would cost more than the wait.
"""

import asyncio
from heapq import heappop, heappush
from itertools import count

from hub.domain.entry import Seq

_Waiter = asyncio.Future[bool]


class Watermark:
    """The last journal entry the ledger has; it only goes forward. For one event loop."""

    def __init__(self, at: Seq | None = None) -> None:
        self.at = at
        # Ties are broken by arrival, because futures cannot be compared.
        self._arrivals = count()
        self._by_seq: list[tuple[Seq, int, _Waiter]] = []
        # Waiters that were answered stay here until their deadline: at most one wait's worth of callers.
        self._by_deadline: list[tuple[float, int, _Waiter]] = []
        self._timer: asyncio.TimerHandle | None = None

    def advance(self, seq: Seq) -> None:
        """Everything up to `seq` is in the ledger; an older place than the present one changes nothing."""
        if self.covers(seq):
            return
        self.at = seq
        while self._by_seq and self._by_seq[0][0] <= seq:
            _answer(heappop(self._by_seq)[2], covered=True)

    def covers(self, seq: Seq) -> bool:
        """Whether the ledger has the entry at `seq`."""
        return self.at is not None and seq <= self.at

    @property
    def waiting(self) -> int:
        """Callers that wait, and some that were answered a moment ago; for metrics."""
        return max(len(self._by_seq), len(self._by_deadline))

    async def wait(self, seq: Seq, timeout_seconds: float) -> bool:
        """Wait until the ledger has the entry at `seq`; False when it does not in time."""
        if self.covers(seq):
            return True
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        arrival = next(self._arrivals)
        deadline = loop.time() + timeout_seconds
        heappush(self._by_seq, (seq, arrival, waiter))
        heappush(self._by_deadline, (deadline, arrival, waiter))
        if self._timer is None or deadline < self._timer.when():
            self._set_timer(loop, deadline)
        return await waiter

    def _set_timer(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(deadline, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer everybody whose time is up, and look again at the next open deadline."""
        self._timer = None
        waiting = self._by_deadline
        while waiting and (waiting[0][2].done() or waiting[0][0] <= loop.time()):
            _answer(heappop(waiting)[2], covered=False)
        self._forget_answered()
        if waiting:
            self._set_timer(loop, waiting[0][0])

    def _forget_answered(self) -> None:
        """Drop waiters that gave up, so that a ledger that is away for hours does not fill the memory."""
        while self._by_seq and self._by_seq[0][2].done():
            heappop(self._by_seq)
        # What is left of them behind an open one goes when they outnumber the open ones.
        if len(self._by_seq) > 2 * len(self._by_deadline) + 64:
            self._by_seq = [waiting for waiting in self._by_seq if not waiting[2].done()]
            # A sorted list is a heap.
            self._by_seq.sort()


def _answer(waiter: _Waiter, *, covered: bool) -> None:
    if not waiter.done():
        waiter.set_result(covered)
