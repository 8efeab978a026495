"""One import from its spool to its end: a window is compared, what differs is booked as counts, and those are closed.

What was decided is on the disk before it is booked, so a hub that is killed anywhere books the very same again, which
is once. The kernel is asked for one count at a time, at a share of the time, so that single sales go between.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.domain.rules import House
from hub.imports.comparing import Comparer
from hub.imports.counts import facts_of, parts
from hub.imports.pace import Pace
from hub.imports.spool import WINDOW_LINES_MAX, Folder, Window
from hub.imports.state import ImportState, Pending
from hub.stock.batcher import Batcher
from hub.stock.booking import Booking
from hub.stock.counting import Closer
from hub.stock.outcome import Applied, Conflict, Duplicate, Outcome

# A count may have a hundred, but a call with half of them takes less than half as long, and sales wait for calls.
LINES_PER_COUNT_MAX = 50
SAVE_SECONDS = 1.0
CLOSED_WAIT_SECONDS = 5.0
SKUS_PER_SCAN = 500


class Failed(Exception):
    """The import cannot go on; its text is one sentence."""


class Places(Protocol):
    """What lies where."""

    async def skus_at(self, location: str, cursor: int, count: int) -> tuple[int, list[str]]:
        """A stretch of the SKUs that have a position at the location, and the cursor of the next; 0 ends."""
        ...


class Worker:
    """Works on imports, one at a time."""

    def __init__(  # noqa: PLR0913, PLR0917 - each part of the hub that an import goes through
        self,
        folder: Folder,
        house: Callable[[], House],
        comparer: Comparer,
        booking: Booking,
        closer: Closer,
        places: Places,
        pace: Pace,
        batcher: Batcher,
    ) -> None:
        self._folder = folder
        self._house = house
        self._comparer = comparer
        self._booking = booking
        self._closer = closer
        self._places = places
        self._pace = pace
        self._batcher = batcher
        self._lines_per_count = min(LINES_PER_COUNT_MAX, batcher.lines_per_call())

    async def work(self, state: ImportState) -> None:
        """Go on with an import until all of it is booked and closed; after a fault, call it again.

        Raises:
            Failed: it cannot go on.
            Fault: a store or the disk is away for now.
            msgspec.MsgspecError: the spool is damaged.
        """
        self._check_house(state.locations)
        if state.unlisted is None:
            await self._list_rest(state)
        clock = asyncio.get_running_loop().time
        saved_at = clock()
        while True:
            if state.pending is None:
                found = await asyncio.to_thread(self._folder.window, state.key, state.offset)
                if found is None:
                    return
                state.pending = await self._decide(state, *found)
                if state.pending.counts or clock() - saved_at > SAVE_SECONDS:
                    await self.save(state)
                    saved_at = clock()
            await self._book(state, state.pending)
            state.settle(state.pending)

    async def save(self, state: ImportState) -> None:
        """Put the state on the disk. Raises Unavailable."""
        await asyncio.to_thread(self._folder.save, state)

    def _check_house(self, locations: Iterable[str]) -> None:
        gone = [location for location in locations if location not in self._house().locations]
        if gone:
            raise Failed(f"there is no location {gone[0]} any more")

    async def _decide(self, state: ImportState, window: Window, offset: int) -> Pending:
        compared = await self._comparer.compare(window, state.at_ms, state.kind)
        return Pending(
            offset=offset,
            location=window.location,
            counts=parts(compared.changed, self._lines_per_count),
            changed=len(compared.changed),
            unchanged=compared.unchanged,
            overruled=compared.overruled,
        )

    async def _book(self, state: ImportState, pending: Pending) -> None:
        for fact in facts_of(state, pending):
            began = await self._pace.turn()
            spent = self._batcher.counting_seconds
            seq = await self._open(fact)
            # One after the other, so that counts are not closed many at once in one long call. A ledger that is away is
            # waited for: an import is done when its counts are.
            while self._closer.is_open(seq):
                await self._closer.wait(seq, CLOSED_WAIT_SECONDS)
            self._pace.note(began, self._batcher.counting_seconds - spent)

    async def _open(self, fact: Fact) -> Seq:
        [outcome] = await self._booking.book([fact])
        if isinstance(outcome, Duplicate):
            # Booked by a call that never answered, or before a restart; perhaps nobody here knows that it is open.
            self._closer.note_opened(outcome.seq)
        elif not isinstance(outcome, Applied):
            raise Failed(_why(fact, outcome))
        return outcome.seq

    async def _list_rest(self, state: ImportState) -> None:
        """Put what a complete import does not list into the spool, as lines of zero."""
        if not state.complete:
            state.unlisted = 0
            return
        listed = await self._listed(state)
        windows: list[Window] = []
        for location in state.locations:
            windows += await self._rest(location, listed)
        await asyncio.to_thread(self._folder.append, state.key, state.bytes, windows)
        state.unlisted = sum(len(window.skus) for window in windows)
        await self.save(state)

    async def _listed(self, state: ImportState) -> set[int]:
        """A number for each (location, SKU) of the spool."""
        named: set[int] = set()
        offset = 0
        while offset < state.bytes:
            found = await asyncio.to_thread(self._folder.window, state.key, offset)
            if found is None:
                raise Failed("its lines are not all there any more")
            window, offset = found
            named.update(hash((window.location, sku)) for sku in window.skus)
        return named

    async def _rest(self, location: str, listed: set[int]) -> list[Window]:
        found: dict[str, None] = {}
        cursor, is_first = 0, True
        while cursor or is_first:
            async with self._pace.work():
                cursor, skus = await self._places.skus_at(location, cursor, SKUS_PER_SCAN)
            found.update((sku, None) for sku in skus if hash((location, sku)) not in listed)
            is_first = False
        rest = list(found)
        cut = [rest[start : start + WINDOW_LINES_MAX] for start in range(0, len(rest), WINDOW_LINES_MAX)]
        return [Window(location, skus, [0] * len(skus)) for skus in cut]


def _why(fact: Fact, outcome: Outcome) -> str:
    if isinstance(outcome, Conflict):
        return f"the event id {fact.id} was used before for another content; send the file under a new id"
    return f"the count {fact.id} was not taken: {getattr(outcome, 'why', type(outcome).__name__)}"
