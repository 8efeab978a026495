"""From an outbox to the hub: in order, again until it is known, and nothing leaves before it is safe.

What an answer means for the outbox:
- `applied`, and a `duplicate` that is told 200, are in the ledger: done.
- `accepted`, and any other `duplicate`, are in Redis on disk. The loss of that disk would lose them, so they stay, and
  are asked about again, one by one, until the ledger has them. They hold up nobody.
- `parked` and `refused` are reported, then done: people have to look at them, and the next event goes on.
"""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from msgspec import Struct

from protocol.answers import EventAnswer
from protocol.clients.events import Events, Written, arrays
from protocol.clients.faults import Unanswered
from protocol.clients.outbox import Outbox
from protocol.clients.patience import Patience

# Events in one array: what a crash between an answer and its note makes the next process send again.
ARRAY_EVENTS_MAX: Final = 200


class NotBooked(Struct, frozen=True):
    """An event that a person should look at: `answer.status` is `parked` or `refused`."""

    # As it was sent, JSON.
    event: bytes
    answer: EventAnswer


# Told of each at least once: again where the process ends before the outbox knows that it was told.
Report = Callable[[NotBooked], Awaitable[None] | None]


class Delivery:
    """Brings what is in one outbox to the hub."""

    def __init__(self, outbox: Outbox, events: Events, patience: Patience, report: Report) -> None:
        self._outbox = outbox
        self._events = events
        self._patience = patience
        self._report = report
        self._news = asyncio.Event()

    async def run(self, *, until_empty: bool = False) -> None:
        """Deliver until cancelled, or until nothing waits any more; however long the hub is away.

        Raises:
            RequestRefused, TokenRefused, NotAHub: another try would not mend it; everything is still in the outbox.
        """
        self._outbox.on_put = partial(_wake, asyncio.get_running_loop(), self._news)
        idle = 0
        while len(self._outbox) or not until_empty:
            self._news.clear()
            try:
                has_moved = await self._send() or await self._ask_again()
            except Unanswered as fault:
                # Another event does not bring the hub back.
                await asyncio.sleep(self._patience.pause(idle, random.random(), fault.retry_after_seconds))
                idle += 1
                continue
            idle = 0 if has_moved else idle + 1
            if not has_moved:
                await self._rest(idle)

    async def _send(self) -> bool:
        """Send the first events that were never answered; whether there were any."""
        array = next(arrays(self._outbox.unsent(ARRAY_EVENTS_MAX)), ())
        if len(array) == 1:
            await self._settle(array, [await self._events.one(array[0])])
        elif array:
            # Nobody says which duplicates of an array the ledger has.
            await self._settle(array, [(answer, False) for answer in await self._events.many(array)])
        return bool(array)

    async def _ask_again(self) -> bool:
        """Ask whether the ledger has the accepted ones by now, up to the first that it has not; whether it had any."""
        has_moved = False
        for event in self._outbox.accepted(ARRAY_EVENTS_MAX):
            answer, is_kept = await self._events.one(event)
            await self._settle([event], [(answer, is_kept)])
            if _is_open(answer, is_kept):
                break
            has_moved = True
            if self._news.is_set():
                # What was never sent goes first.
                break
        return has_moved

    async def _settle(self, events: Sequence[Written], answers: Sequence[tuple[EventAnswer, bool]]) -> None:
        done: list[str] = []
        accepted: list[str] = []
        for event, (answer, is_kept) in zip(events, answers, strict=True):
            if answer.status in ("parked", "refused"):
                reported = self._report(NotBooked(event.body, answer))
                if inspect.isawaitable(reported):
                    await reported
            (accepted if _is_open(answer, is_kept) else done).append(event.id)
        self._outbox.settle(done=done, accepted=accepted)

    async def _rest(self, idle: int) -> None:
        """Wait for another event; while some are accepted only, not for long."""
        seconds = self._patience.pause(idle, random.random()) if len(self._outbox) else None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()


def _is_open(answer: EventAnswer, is_kept: bool) -> bool:
    """Whether the hub has the event, and its ledger may not."""
    return answer.status == "accepted" or (answer.status == "duplicate" and not is_kept)


def _wake(loop: asyncio.AbstractEventLoop, news: asyncio.Event) -> None:
    """Tell a loop in another thread; one that has ended meanwhile needs no news."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(news.set)
