"""Events become arrays for the door: full ones at `max`, else what is due by the history's own clock."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass

from hub.replay.events import HistoryEvent, encode
from protocol.limits import BODY_BYTES_MAX

# Lines are what the hub works on. Four arrays of so many stay under what it lets wait (`[limits] waiting_weight_max`)
# in a house of six pools, and replay a web shop's history faster than arrays ten times as long, of which many get 503.
ARRAY_LINES_MAX = 2_000
# The first array is small, because a wrong location or pool spoils all of it.
FIRST_ARRAY_EVENTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event and its bytes on the wire."""

    event: HistoryEvent
    body: bytes


class _Gathering:
    """The array being filled."""

    def __init__(self) -> None:
        self.items: list[Outgoing] = []
        self._bytes = 2
        self._lines = 0

    def fits(self, item: Outgoing, events_max: int) -> bool:
        return (
            len(self.items) < events_max
            and self._lines + len(item.event.lines) <= ARRAY_LINES_MAX
            and self._bytes + len(item.body) + 1 <= BODY_BYTES_MAX
        )

    def add(self, item: Outgoing) -> None:
        self.items.append(item)
        self._bytes += len(item.body) + 1
        self._lines += len(item.event.lines)

    def take(self) -> list[Outgoing]:
        items, self.items, self._bytes, self._lines = self.items, [], 2, 0
        return items


async def arrays(
    events: Iterator[HistoryEvent], *, pool: str, speed: float | None, events_max: int
) -> AsyncGenerator[list[Outgoing]]:
    """Yield arrays of at most `events_max` events, 2,000 lines and 1 MiB, in order.

    With a speed, an event is due when the time since the first one, divided by the speed, has passed; it is
    never sent early, and one that is older than its predecessor goes with it.
    """
    loop = asyncio.get_running_loop()
    start, zero = loop.time(), None
    gathering = _Gathering()
    size_max = min(events_max, FIRST_ARRAY_EVENTS_MAX)
    for event in events:
        item = Outgoing(event, encode(event, pool=pool))
        zero = zero or event.time
        due = start + (event.time - zero).total_seconds() / speed if speed else start
        if gathering.items and (due > loop.time() or not gathering.fits(item, size_max)):
            yield gathering.take()
            size_max = events_max
        if (wait := due - loop.time()) > 0:
            await asyncio.sleep(wait)
        gathering.add(item)
    if gathering.items:
        yield gathering.take()
