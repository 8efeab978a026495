"""What all processes of a load found, put together into its result. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from hub.load.books import Books
from hub.load.bottleneck import generator_told
from hub.load.histogram import Histogram
from hub.load.judgement import Judgement
from hub.load.measuring import UNKNOWN
from hub.load.options import LoadOptions, Target
from hub.load.result import SCHEMA, Machine, Point, Result, SocketsFound, curve, latency_of
from hub.load.telling import Final, SocketsTold


class About(msgspec.Struct, frozen=True):
    """What a load was, whatever came of it."""

    version: str
    target: Target
    options: LoadOptions
    machine: Machine
    began_at: datetime


def result_of(about: About, finals: Sequence[Final], books: Books, points: list[Point], judgement: Judgement) -> Result:
    """Put it together; `books` are those of all processes."""
    latency: dict[str, Histogram] = {}
    for final in finals:
        for kind, found in final.measured.latency.items():
            latency.setdefault(kind, Histogram()).add(found)
    known = Histogram.of({kind: found for kind, found in latency.items() if kind != UNKNOWN})
    seconds, asked, answered, booked, unsent = _sums(finals)
    return Result(
        schema=SCHEMA,
        version=about.version,
        began_at=about.began_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        url=about.target.url,
        location=about.target.location,
        pool=about.target.pool,
        options=about.options,
        machine=about.machine,
        ended_early="; ".join(sorted({final.ended_early for final in finals} - {""})),
        measured_seconds=round(seconds, 3),
        rate_asked=_a_second(asked, seconds),
        rate_answered=_a_second(answered, seconds),
        events_booked_per_second=_a_second(booked, seconds),
        requests_unsent=unsent,
        latency_ms={"all": latency_of(known)} | {kind: latency_of(found) for kind, found in sorted(latency.items())},
        latency_curve=curve(known),
        events_sent=books.events,
        hold_requests_sent=books.hold_requests,
        answers=books.answers,
        refusals=books.refusals,
        unknown=books.unknown,
        settled=books.settled,
        unsettled=books.unsettled,
        sockets=_sockets([final.sockets for final in finals]),
        generator=generator_told([final.generated for final in finals], known.percentile(50) / 1000),
        points=points,
        judgement=judgement,
    )


def _sums(finals: Sequence[Final]) -> tuple[float, int, int, int, int]:
    measured = [final.measured for final in finals]
    return (
        max(each.seconds for each in measured),
        sum(each.asked for each in measured),
        sum(each.answered for each in measured),
        sum(each.booked for each in measured),
        sum(each.unsent for each in measured),
    )


def _a_second(number: int, seconds: float) -> float:
    return round(number / seconds, 2) if seconds else 0.0


def _sockets(told: Sequence[SocketsTold]) -> SocketsFound:
    ended: Counter[str] = Counter()
    for each in told:
        ended.update(each.ended)
    return SocketsFound(
        asked=sum(each.asked for each in told),
        current=sum(each.current for each in told),
        went_back=sum(each.went_back for each in told),
        values=sum(each.values for each in told),
        ended=dict(ended),
    )
