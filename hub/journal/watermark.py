"""How far the ledger has committed, and who waits for it.

A sale is answered 200 when its entry is in the ledger, so thousands of callers a second wait here for a few
milliseconds each. One heap wakes them in the order of the journal, and one timer serves all deadlines: a timer
per waiter would cost more than the wait.
"""

import asyncio
from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from itertools import count

from hub.domain.entry import Seq
from hub.faults import Unavailable

LOST = "Redis lost what was booked before the ledger had it"

_Waiter = asyncio.Future[bool]


async def _nothing(calls: int) -> None:
    pass


class Watermark:
    """The last journal entry the ledger has; it only goes forward. For one event loop."""

    def __init__(self, at: Seq | None = None) -> None:
        self.at = at
        # Told, without waiting, after each step forward.
        self.on_advanced: Callable[[], None] = lambda: None
        # Of the epochs that ended while this process ran: the number of the last entry that the ledger has.
        self._ends: dict[int, int] = {}
        # Ties are broken by arrival, because futures cannot be compared.
        self._arrivals = count()
        self._by_seq: list[tuple[Seq, int, _Waiter]] = []
        # Waiters that were answered stay here until their deadline: at most one wait's worth of callers.
        self._by_deadline: list[tuple[float, int, _Waiter]] = []
        self._timer: asyncio.TimerHandle | None = None
        # Done before anybody is told that the ledger is late: what is answered then only Redis has. It is given how
        # many calls had been answered when the wait began, the one that is waited for among them.
        self.before_late: Callable[[int], Awaitable[None]] = _nothing
        self.calls: Callable[[], int] = lambda: 0

    def advance(self, seq: Seq) -> None:
        """Everything up to `seq` is in the ledger; an older place than the present one changes nothing.

        A new epoch ends the one before: what the ledger does not have of that by now it never gets, and whoever waits
        for it is told so.
        """
        if self.at is not None and seq <= self.at:
            return
        self._end_epochs_before(seq)
        self.at = seq
        while self._by_seq and self._by_seq[0][0] <= seq:
            waited_for, _, waiter = heappop(self._by_seq)
            if self.covers(waited_for):
                _answer(waiter, covered=True)
            else:
                _tell_lost(waiter)
        self.on_advanced()

    def note_end(self, epoch: int, last: int) -> None:
        """The last entry that the ledger has of an epoch that ended is the one with this number; -1 is none."""
        self._ends[epoch] = last

    def note_goes_on(self, epoch: int) -> None:
        """An epoch that seemed to have ended goes on."""
        self._ends.pop(epoch, None)

    def covers(self, seq: Seq) -> bool:
        """Whether the ledger has the entry at `seq`."""
        return self.at is not None and seq <= self.at and not self.has_lost(seq)

    def has_lost(self, seq: Seq) -> bool:
        """Whether the epoch of the entry at `seq` ended before the ledger had it, as far as is known."""
        return seq.number > self._ends.get(seq.epoch, seq.number)

    @property
    def waiting(self) -> int:
        """Callers that wait, and some that were answered a moment ago; for metrics."""
        return max(len(self._by_seq), len(self._by_deadline))

    async def wait(self, seq: Seq, timeout_seconds: float) -> bool:
        """Wait until the ledger has the entry at `seq`; False when it does not in time.

        Raises:
            Unavailable: the entry was lost before the ledger had it; what it booked is to be sent again.
        """
        if self.covers(seq):
            return True
        if self.has_lost(seq):
            raise Unavailable(LOST)
        calls = self.calls()
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        arrival = next(self._arrivals)
        deadline = loop.time() + timeout_seconds
        heappush(self._by_seq, (seq, arrival, waiter))
        heappush(self._by_deadline, (deadline, arrival, waiter))
        if self._timer is None or deadline < self._timer.when():
            self._set_timer(loop, deadline)
        if await waiter:
            return True
        await self.before_late(calls)
        return False

    def _end_epochs_before(self, seq: Seq) -> None:
        """Note how far the ledger is of the epochs that end by this entry; who else wrote there may know better."""
        known = self.at or (Seq(self._by_seq[0][0].epoch, -1) if self._by_seq else seq)
        for epoch in range(known.epoch, seq.epoch):
            self._ends.setdefault(epoch, known.number if epoch == known.epoch else -1)

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


def _tell_lost(waiter: _Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(Unavailable(LOST))


def _answer(waiter: _Waiter, *, covered: bool) -> None:
    if not waiter.done():
        waiter.set_result(covered)
