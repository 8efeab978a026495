"""What one process measures while it sends. Pure: times are seconds from the beginning of the load."""

from hub.load.histogram import Histogram
from hub.load.telling import Generated, Measured, Second

# The kind of what was answered and is unknown, such as by 503.
UNKNOWN = "unknown"
_MICROSECONDS = 1_000_000


class Measuring:
    """Sums over what was due after the warm-up, and those of the present second."""

    def __init__(self, warmup_seconds: float, end_seconds: float) -> None:
        self.second = Second(0)
        self._warmup, self._end = warmup_seconds, end_seconds
        self._latency: dict[str, Histogram] = {}
        self._lateness = Histogram()
        self._asked = self._answered = self._booked = self._unsent = 0
        self._cpu_at_begin = 0.0

    def begin(self, cpu_seconds: float) -> None:
        """Count the CPU time from here on."""
        self._cpu_at_begin = cpu_seconds

    def end(self, now: float) -> None:
        """The load ends earlier than was said."""
        self._end = min(self._end, now)

    def asked(self, due: float) -> None:
        """A request is due."""
        self.second.asked += 1
        self._asked += due >= self._warmup

    def late(self, seconds: float) -> None:
        """Something was noticed so much later than it was due."""
        self._lateness.record(round(seconds * _MICROSECONDS))

    def answered(self, kind: str, due: float, now: float, booked: int) -> None:
        """An answer came, to a request that was not sent before; so many of its events were booked."""
        self.second.answered += 1
        self.second.booked += booked
        latency = round((now - due) * _MICROSECONDS)
        self.second.latency.record(latency)
        if due >= self._warmup:
            self._of(kind).record(latency)
        if self._warmup <= now < self._end:
            self._answered += kind != UNKNOWN
            self._booked += booked

    def unanswered(self, kind: str, due: float, now: float) -> None:
        """A request was given up; it waited for so long at least, and that must not be missing."""
        if due >= self._warmup:
            self._of(kind).record(round((now - due) * _MICROSECONDS))

    def unsent(self, kind: str, due: float, now: float) -> None:
        """A request was due and could not be sent at all."""
        self._unsent += 1
        self.unanswered(kind, due, now)

    def next_second(self) -> Second:
        """The present second, which is over."""
        over, self.second = self.second, Second(self.second.number + 1)
        return over

    def measured(self) -> Measured:
        """What was measured."""
        return Measured(
            seconds=max(0.0, self._end - self._warmup),
            asked=self._asked,
            answered=self._answered,
            booked=self._booked,
            unsent=self._unsent,
            latency=self._latency,
        )

    def generated(self, cpu_seconds: float, now: float) -> Generated:
        """How the generator did."""
        return Generated(seconds=now, cpu_seconds=cpu_seconds - self._cpu_at_begin, lateness=self._lateness)

    def _of(self, kind: str) -> Histogram:
        return self._latency.setdefault(kind, Histogram())
