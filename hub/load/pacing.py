"""When each request is due, and over which connection it goes. Pure: the clock is what the caller says.

Open loop: requests are due by a schedule that nobody's slowness changes. One that finds no free connection waits, and
its time counts from when it was due; a hub that stalls for a second so shows it in every request of that second.
Closed loop: each connection's next request is due when the one before it was answered.
All times are seconds from the beginning of the load.
"""

import random
from collections import deque
from collections.abc import Iterator
from itertools import count, takewhile
from typing import Literal

Arrivals = Literal["poisson", "constant"]

# More that are due and not sent cannot come to anything; the load then ends early.
WAITING_MAX = 200_000


def constant(rate: float, phase: float = 0.0) -> Iterator[float]:
    """Due times at even distances; `phase` from 0 to 1 shifts them, so that several generators alternate."""
    return ((number + phase) / rate for number in count())


def poisson(rate: float, chance: random.Random) -> Iterator[float]:
    """Due times of many who know nothing of each other."""
    due = 0.0
    while True:
        due += chance.expovariate(rate)
        yield due


class Schedule:
    """The due times of an open loop, up to its end."""

    def __init__(self, times: Iterator[float], end_seconds: float) -> None:
        self._times = takewhile(lambda due: due < end_seconds, times)
        self.next: float | None = next(self._times, None)

    def take(self, now: float) -> Iterator[float]:
        """Yield each time that has come."""
        while self.next is not None and self.next <= now:
            due = self.next
            self.next = next(self._times, None)
            yield due

    def stop(self) -> None:
        """Nothing more is due."""
        self.next = None


class Lanes:
    """Connections, free or taken, and what waits for one; without a schedule a free one is work to do."""

    def __init__(self, schedule: Schedule | None, end_seconds: float) -> None:
        self._schedule = schedule
        self._end_seconds = end_seconds
        self._free: deque[int] = deque()
        self._waiting: deque[float] = deque()
        # Requests that were due so far.
        self.asked = 0

    def free(self, lane: int) -> None:
        """A connection can take a request."""
        self._free.append(lane)

    def lose(self, lane: int) -> None:
        """A connection is gone, taken or not."""
        if lane in self._free:
            self._free.remove(lane)

    def start(self, now: float) -> Iterator[tuple[int, float]]:
        """Yield a connection and the due time of what is to be sent over it now, for all there are.

        The connection is taken until `free`.
        """
        while self._free and (due := self._next_due(now)) is not None:
            yield self._free.popleft(), due

    def arrive(self, now: float) -> Iterator[float]:
        """Put into the queue what is due by now; yield how late each was noticed."""
        if self._schedule is None:
            return
        for due in self._schedule.take(now):
            self.asked += 1
            self._waiting.append(due)
            yield now - due

    def spare(self) -> int | None:
        """A free connection for what is not by the schedule; it is taken until `free`."""
        return self._free.popleft() if self._free else None

    @property
    def next_due(self) -> float | None:
        """When the next request is due by the schedule; None: never, or whenever a connection is free."""
        return None if self._schedule is None else self._schedule.next

    @property
    def waiting(self) -> int:
        """Requests that are due and not sent."""
        return len(self._waiting)

    def stop(self, now: float) -> None:
        """Nothing more becomes due; what waits still goes."""
        self._end_seconds = min(self._end_seconds, now)
        if self._schedule is not None:
            self._schedule.stop()

    def give_up(self) -> list[float]:
        """Send nothing of what waits any more; the answer is when each was due."""
        unsent = list(self._waiting)
        self._waiting.clear()
        return unsent

    def _next_due(self, now: float) -> float | None:
        if self._schedule is not None:
            return self._waiting.popleft() if self._waiting else None
        if now >= self._end_seconds:
            return None
        self.asked += 1
        return now
