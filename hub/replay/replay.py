"""A replay from the file to its summary: read, paced, sent a few arrays at a time, counted."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

import aiohttp

from hub.faults import Fault, SettingsInvalid
from hub.replay.answers import Answer
from hub.replay.events import stem_of
from hub.replay.file import HistoryFile, open_history
from hub.replay.history import History
from hub.replay.options import ReplayOptions, parse_timezone
from hub.replay.pace import Outgoing, arrays
from hub.replay.progress import ProgressSink
from hub.replay.sender import REQUEST_SECONDS_MAX, Sender
from hub.replay.summary import BOOKED, ReplaySummary

_UNKNOWN_HOUSE = (
    "; name a location and a pool of its house with --location and --pool, "
    "or start it with the house that --house prints"
)


async def replay(options: ReplayOptions, progress: ProgressSink) -> ReplaySummary:
    """Send a history through the door of a running hub, every event once however often this is run.

    At most `in_flight_max` arrays are under way, so memory does not grow with the file. An interrupted replay
    is continued by running it again: what is booked already is answered `duplicate`.

    Raises:
        SettingsInvalid: file, columns, token or address are wrong, or none of the first events is taken.
        Unavailable: the hub gave no answer for `patience_seconds`.
        Fault: the file is damaged, or the address answers what no hub answers.
    """
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    with open_history(options.file) as file:
        history = history_in(file, options)
        summary = ReplaySummary(name=options.file.name, rows=history.tally)
        progress.started(file.bytes_total)
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS_MAX)
        connector = aiohttp.TCPConnector(limit=options.in_flight_max)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            sender = Sender(
                session,
                options.url,
                token=options.token,
                patience_seconds=options.patience_seconds,
                waiting=progress.waiting,
            )
            run = _Run(sender, summary, file, progress)
            ready = arrays(
                history.events(),
                pool=pool_of(options),
                speed=options.speed,
                events_max=options.array_events_max,
            )
            async with aclosing(ready):
                await run.send_all(ready, in_flight_max=options.in_flight_max)
        summary.retries = sender.retries
    summary.seconds = loop.time() - started_at
    return summary


def history_in(file: HistoryFile, options: ReplayOptions) -> History:
    """Read a file's header as the options say. Raises SettingsInvalid as `History`."""
    return History(
        file.lines(),
        stem=stem_of(options.file),
        columns=options.columns,
        zone=parse_timezone(options.timezone),
        location=options.location,
    )


def pool_of(options: ReplayOptions) -> str:
    """Name the pool that sold: the one asked for, else `store` where rows name their place, else `online`."""
    return options.pool or ("store" if options.location is None else "online")


class _Run:
    """The sending half of one replay."""

    def __init__(self, sender: Sender, summary: ReplaySummary, file: HistoryFile, progress: ProgressSink) -> None:
        self._sender = sender
        self._summary = summary
        self._file = file
        self._progress = progress

    async def send_all(self, ready: AsyncGenerator[list[Outgoing]], *, in_flight_max: int) -> None:
        """Send the first array alone, then the others side by side. Raises as `replay`."""
        async for first in ready:
            await self._send(first)
            break
        self._check_first()
        gate = asyncio.Semaphore(in_flight_max)
        with _first_fault():
            async with asyncio.TaskGroup() as group:
                async for array in ready:
                    await gate.acquire()
                    task = group.create_task(self._send(array))
                    task.add_done_callback(lambda _: gate.release())

    async def _send(self, array: list[Outgoing]) -> None:
        answers = await self._sender.deliver(array)
        for item, answer in zip(array, answers, strict=True):
            self._count(item, answer)
        pairs = [(item.event, answer) for item, answer in zip(array, answers, strict=True)]
        self._progress.answered(pairs, bytes_read=self._file.bytes_read, summary=self._summary)

    def _count(self, item: Outgoing, answer: Answer) -> None:
        summary, event = self._summary, item.event
        summary.statuses[answer.status] += 1
        if answer.status not in BOOKED:
            reason = answer.problem.text if answer.problem else f"at {event.location}"
            summary.trouble(f"{event.id}: {answer.status}: {reason}")
        elif event.returned:
            summary.units_returned += event.units
        else:
            summary.units_sold += event.units

    def _check_first(self) -> None:
        """Stop a replay that books nothing before it parks a whole file. Raises SettingsInvalid."""
        summary = self._summary
        if summary.troubles and not any(summary.statuses[status] for status in BOOKED):
            said = f"the hub booked none of the first {summary.statuses.total()} events ({summary.troubles[0]})"
            raise SettingsInvalid(said + (_UNKNOWN_HOUSE if summary.statuses["parked"] else ""))


@contextmanager
def _first_fault() -> Iterator[None]:
    """Raise the first fault of a group of tasks by itself, because one sentence is what people can act on."""
    try:
        yield
    except BaseExceptionGroup as group:
        faults, others = group.split(Fault)
        if others is not None or faults is None:
            raise
        while isinstance(first := faults.exceptions[0], BaseExceptionGroup):
            faults = first
        raise first from group
