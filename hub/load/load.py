"""A whole load: its stock brought, its processes run, what they found put together and judged."""

import asyncio
import os
import platform
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hub.faults import Fault
from hub.load.books import Books
from hub.load.choosing import sku_name
from hub.load.conclusion import About, result_of
from hub.load.crew import Crew, crew
from hub.load.judgement import judge
from hub.load.options import LoadOptions, Share, Target
from hub.load.result import Machine, Result, Timeline
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
        after = await _looked_at(stock, names, finals)
    about = About(version, target, options, machine, began_at)
    books = Books()
    for final in finals:
        books.add(final.books)
    judgement = judge(options.name, before, after, books, [final.sockets for final in finals])
    return result_of(about, finals, books, timeline.points(), judgement)


async def _looked_at(stock: Stock, names: Sequence[str], finals: Sequence[Final]) -> list[Position] | str:
    """The positions in the end, after which what is held is given back; or why the hub does not tell them.

    What was measured until then must not be lost with the hub.
    """
    try:
        after = await stock.positions(names)
        await stock.release([hold for final in finals for hold in final.held])
    except Fault as fault:
        return str(fault)
    return after


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
