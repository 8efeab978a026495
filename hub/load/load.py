"""A whole load: its stock brought, its processes run, what they found put together and judged."""

import asyncio
import os
import platform
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hub.load.books import Books
from hub.load.bottleneck import generator_told
from hub.load.choosing import sku_name
from hub.load.crew import Crew, crew
from hub.load.histogram import Histogram
from hub.load.judgement import judge
from hub.load.measuring import UNKNOWN
from hub.load.options import LoadOptions, Share, Target
from hub.load.result import SCHEMA, Machine, Result, SocketsFound, Timeline, curve, latency_of
from hub.load.stock import Position, Stock
from hub.load.telling import Final, Second
from hub.load.words import what_is_done
from hub.tasks import end
from protocol.limits import LINES_PER_EVENT_MAX


async def run_load(
    target: Target,
    options: LoadOptions,
    *,
    version: str,
    told: asyncio.Event,
    say: Callable[[str], None],
    second: Callable[[Second], None],
) -> Result:
    """Run a load to its end, or until it is told to stop; `second` hears of each second, `say` of each step.

    Raises:
        Fault: the hub cannot be asked, or a process cannot go on.
    """
    run = secrets.token_hex(4)
    names = [sku_name(options.name, number) for number in range(options.skus)]
    timeline = Timeline(options.processes)
    machine = _machine()
    async with Stock(target) as stock:
        # A hub that answers is one that a load can be told of.
        await stock.positions(names[:1])
        say(f"{target.url} · {target.location} · {target.pool} · {what_is_done(options)}")
        before = await _made_ready(stock, options, run, names, say)
        shares = [
            Share(target=target, options=options.share(number), number=number, run=run, units=_units(before))
            for number in range(options.processes)
        ]

        def hear(_: int, heard: Second) -> None:
            whole = timeline.take(heard)
            if whole is not None:
                second(whole)

        async with crew(shares, hear) as workers:
            await workers.prepare()
            began_at = datetime.now(UTC)
            await _until_told(workers, told)
            say("  compares stock, reservations and sockets with what was answered")
            finals = await workers.look()
        after = await stock.positions(names)
        await stock.release([hold for final in finals for hold in final.held])
    return _result(target, options, finals, timeline, before, after, (version, machine, began_at))


async def _made_ready(
    stock: Stock, options: LoadOptions, run: str, names: Sequence[str], say: Callable[[str], None]
) -> list[Position]:
    """The positions of its SKUs, once they are as the load needs them."""
    before = await stock.positions(names)
    left = [name for name, position in zip(names, before, strict=True) if position.reserved]
    if left:
        # They would end by themselves some time in this load.
        say(f"  gives back what an earlier load left reserved of {len(left):,} SKUs")
        await stock.release(await stock.held(left))
    missing = [
        (name, options.seed_units - position.units)
        for name, position in zip(names, before, strict=True)
        if position.units < options.seed_units
    ]
    if missing:
        say(f"  brings {len(missing):,} SKUs to {options.seed_units:,} units")
        ids = (f"{options.name}-{run}-seed-{number}" for number in range(-(-len(missing) // LINES_PER_EVENT_MAX)))
        await stock.receive(ids, missing)
    return await stock.positions(names) if left or missing else before


async def _until_told(workers: Crew, told: asyncio.Event) -> None:
    """Run to the end; told to stop, let nothing more become due, and wait for what is."""

    async def pass_on() -> None:
        await told.wait()
        workers.stop()

    passing = asyncio.create_task(pass_on())
    try:
        await workers.run()
    finally:
        await end([passing])


def _units(positions: Sequence[Position]) -> list[int]:
    """What lies on the shelf of each: no more can be held at once."""
    return [position.on_hand for position in positions]


def _machine() -> Machine:
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        cpus=os.cpu_count() or 1,
        load_average=round(os.getloadavg()[0], 2),
    )


def _result(
    target: Target,
    options: LoadOptions,
    finals: Sequence[Final],
    timeline: Timeline,
    before: Sequence[Position],
    after: Sequence[Position],
    about: tuple[str, Machine, datetime],
) -> Result:
    version, machine, began_at = about
    books, latency = Books(), dict[str, Histogram]()
    for final in finals:
        books.add(final.books)
        for kind, found in final.measured.latency.items():
            latency.setdefault(kind, Histogram()).add(found)
    known = Histogram.of({kind: found for kind, found in latency.items() if kind != UNKNOWN})
    measured = [final.measured for final in finals]
    seconds = max(each.seconds for each in measured)
    sockets = [final.sockets for final in finals]

    def a_second(number: int) -> float:
        return round(number / seconds, 2) if seconds else 0.0

    return Result(
        schema=SCHEMA,
        version=version,
        began_at=began_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        url=target.url,
        location=target.location,
        pool=target.pool,
        options=options,
        machine=machine,
        ended_early="; ".join(sorted({final.ended_early for final in finals} - {""})),
        measured_seconds=round(seconds, 3),
        rate_asked=a_second(sum(each.asked for each in measured)),
        rate_answered=a_second(sum(each.answered for each in measured)),
        events_booked_per_second=a_second(sum(each.booked for each in measured)),
        requests_unsent=sum(each.unsent for each in measured),
        latency_ms={"all": latency_of(known)} | {kind: latency_of(found) for kind, found in sorted(latency.items())},
        latency_curve=curve(known),
        events_sent=books.events,
        hold_requests_sent=books.hold_requests,
        answers=books.answers,
        refusals=books.refusals,
        unknown=books.unknown,
        settled=books.settled,
        unsettled=books.unsettled,
        sockets=SocketsFound(
            asked=sum(each.asked for each in sockets),
            current=sum(each.current for each in sockets),
            went_back=sum(each.went_back for each in sockets),
            values=sum(each.values for each in sockets),
            ended=dict(sum((Counter(each.ended) for each in sockets), Counter())),
        ),
        generator=generator_told([final.generated for final in finals], known.percentile(50) / 1000),
        points=timeline.points(),
        judgement=judge(options.name, before, after, books, sockets),
    )
