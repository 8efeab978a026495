"""All that a load found, as it is written to a file. Pure.

`docs/load.md` lists the fields; they may be added to, and `schema` rises when one changes its meaning.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from hub.load.bottleneck import GeneratorTold
from hub.load.histogram import Histogram
from hub.load.judgement import Judgement
from hub.load.options import LoadOptions
from hub.load.telling import Second

SCHEMA = 1
# Seconds of a long load are told together, so that there are at most so many points.
POINTS_MAX = 600
_PERCENTS = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99)
_CURVE_PERCENTS = [100.0 - 100.0 / 2 ** (step / 4) for step in range(80)]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the generator ran; a hub on the same machine shared it."""

    system: str
    python: str
    cpus: int
    # Over the last minute, before the load began.
    load_average: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """From when a request was due to its answer, in milliseconds."""

    count: int
    mean: float
    p50: float
    p75: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    p99_99: float
    max: float


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One second of the load, or several where it was long."""

    second: int
    seconds: int
    # Each a second: requests that were due, that were answered, events booked, refusals, outcomes left open.
    asked: float
    answered: float
    booked: float
    refused: float
    unknown: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    # At its end.
    waiting: int
    sockets: int
    sockets_current: int


class SocketsFound(msgspec.Struct, frozen=True, kw_only=True):
    """All sockets."""

    asked: int
    current: int
    went_back: int
    values: int
    ended: dict[str, int]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One load."""

    schema: int
    version: str
    # RFC 3339.
    began_at: str
    url: str
    location: str
    pool: str
    options: LoadOptions
    machine: Machine
    # Why it ended before its time; empty where it did not.
    ended_early: str
    # What the rates are of: the duration less the warm-up.
    measured_seconds: float
    rate_asked: float
    rate_answered: float
    events_booked_per_second: float
    requests_unsent: int
    # By kind of request; `all` has those of all kinds but `unknown`.
    latency_ms: dict[str, Latency]
    # Pairs of a percent and the milliseconds that so many of all requests do not exceed.
    latency_curve: list[tuple[float, float]]
    events_sent: int
    hold_requests_sent: int
    answers: dict[str, int]
    refusals: dict[str, int]
    unknown: dict[str, int]
    settled: int
    unsettled: int
    sockets: SocketsFound
    generator: GeneratorTold
    points: list[Point]
    judgement: Judgement


def latency_of(found: Histogram) -> Latency:
    """The figures of one kind of request."""
    values = [value / 1000 for _, value in found.percentiles(list(_PERCENTS))]
    p50, p75, p90, p95, p99, p99_9, p99_99 = values
    return Latency(
        count=found.total,
        mean=round(found.mean / 1000, 3),
        p50=p50,
        p75=p75,
        p90=p90,
        p95=p95,
        p99=p99,
        p99_9=p99_9,
        p99_99=p99_99,
        max=found.highest / 1000,
    )


def curve(found: Histogram) -> list[tuple[float, float]]:
    """Points of the distribution, ever closer to 100 %, as long as there is more than one request beyond."""
    percents = [percent for percent in _CURVE_PERCENTS if found.total * (100 - percent) >= 100]
    return [(round(percent, 5), value / 1000) for percent, value in found.percentiles([*percents, 100.0])]


class Timeline:
    """The seconds of all processes put together."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._seconds: list[Second] = []
        self._told: list[int] = []

    def take(self, second: Second) -> Second | None:
        """Take one; the answer is all of that second, once all processes have told it."""
        while len(self._seconds) <= second.number:
            self._seconds.append(Second(len(self._seconds)))
            self._told.append(0)
        whole = self._seconds[second.number]
        whole.latency.add(second.latency)
        for name in ("asked", "answered", "booked", "refused", "unknown", "waiting", "sockets", "current"):
            setattr(whole, name, getattr(whole, name) + getattr(second, name))
        whole.errors = dict(Counter(whole.errors) + Counter(second.errors))
        self._told[second.number] += 1
        return whole if self._told[second.number] == self._processes else None

    def points(self) -> list[Point]:
        """All of it, in at most `POINTS_MAX` points."""
        step = -(-len(self._seconds) // POINTS_MAX) or 1
        return [_point(self._seconds[first : first + step]) for first in range(0, len(self._seconds), step)]


def _point(seconds: Sequence[Second]) -> Point:
    together, last = Histogram(), seconds[-1]
    for second in seconds:
        together.add(second.latency)

    def per_second(name: str) -> float:
        total: int = sum(getattr(second, name) for second in seconds)
        return round(total / len(seconds), 2)

    [(_, p50), (_, p99)] = together.percentiles([50.0, 99.0])
    return Point(
        second=seconds[0].number,
        seconds=len(seconds),
        asked=per_second("asked"),
        answered=per_second("answered"),
        booked=per_second("booked"),
        refused=per_second("refused"),
        unknown=per_second("unknown"),
        p50_ms=p50 / 1000,
        p99_ms=p99 / 1000,
        max_ms=together.highest / 1000,
        waiting=last.waiting,
        sockets=last.sockets,
        sockets_current=last.current,
    )
