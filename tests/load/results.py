"""A result as a load has it, with everything in it that a report shows."""

from hub.load.bottleneck import GeneratorTold
from hub.load.judgement import Finding, Judgement
from hub.load.options import LoadOptions
from hub.load.result import Latency, Machine, Point, Result, SocketsFound

LATENCY = Latency(count=99, mean=4.0, p50=3.5, p75=4, p90=8, p95=9, p99=21, p99_9=40.0, p99_99=44.0, max=44.0)


def result(*, is_clean: bool = True, url: str = "http://127.0.0.1:8080", seconds: int = 20) -> Result:
    findings = [] if is_clean else [Finding("stock", "LOAD-00001: <b>99</b> & not 100")]
    points = [
        Point(
            second=number,
            seconds=1,
            asked=100.0,
            answered=98.0 + number % 3,
            booked=90.0,
            refused=2.0,
            unknown=0.0,
            p50_ms=3.0 + number % 2,
            p99_ms=20.0,
            max_ms=44.0 if number == 7 else 22.0,
            waiting=0,
            sockets=5,
            sockets_current=5 - (number == 7),
        )
        for number in range(seconds)
    ]
    return Result(
        schema=1,
        version="0.1.0",
        began_at="2026-11-22T10:00:00.000Z",
        url=url,
        location="LON-KNB",
        pool="store",
        options=LoadOptions(rate=100.0, duration_seconds=seconds, sockets=5),
        machine=Machine(system="Linux", python="3.11", cpus=2, load_average=0.1),
        ended_early="" if is_clean else "it was told to stop",
        measured_seconds=float(seconds - 2),
        rate_asked=100.0,
        rate_answered=99.0,
        events_booked_per_second=90.0,
        requests_unsent=0,
        latency_ms={"all": LATENCY, "sale": LATENCY},
        latency_curve=[(0.0, 1.0), (50.0, 3.5), (90.0, 8.0), (99.0, 21.0), (99.9, 40.0), (100.0, 44.0)],
        events_sent=2_000,
        hold_requests_sent=0,
        answers={"applied": 1_960, "refused": 40},
        refusals={"409 conflict": 40},
        unknown={"503": 3},
        settled=3,
        unsettled=0,
        sockets=SocketsFound(asked=5, current=5, went_back=0, values=5_000, ended={"closed 1001": 1}),
        generator=GeneratorTold(
            processes=1,
            cpu_shares=[0.2],
            lateness_p99_ms=0.3,
            lateness_max_ms=0.9,
            was_bottleneck=False,
            said="The generator was not the bottleneck.",
        ),
        points=points,
        judgement=Judgement(is_clean=is_clean, findings=findings, skus=100, events=1_960, granted=0, sockets=5),
    )
