"""Pages of the feed: items behind a place, as one reader is told them, out of stretches of the ledger's entries."""

import asyncio

import msgspec

from hub.domain.feed import Happening, Place, happening_of
from hub.domain.findings import EntryStretch
from hub.intake.feed_items import Teller
from hub.intake.memories import Happened

# A page ends after so many stretches: one that wants little of much is short, perhaps empty, and goes on.
STRETCHES_PER_PAGE_MAX = 10
ENTRIES_PER_STRETCH_MAX, ENTRIES_PER_STRETCH_MIN = 1_000, 50
# Looked at where the ledger itself passes over what is not wanted, some 100 milliseconds' work for it.
ENTRIES_PASSED_OVER_MAX = 20_000
# Bytes of all items of a page, but for one that is larger.
PAGE_BYTES_MAX = 2 * 1024 * 1024
# Or after so long: the next page goes on, and nobody waits for an answer that is still to be found.
PAGE_SECONDS = 1.0
# Told at a stretch, some milliseconds' work; in between everybody else has a turn.
ENTRIES_PER_SLICE = 25


class Page(msgspec.Struct, frozen=True):
    """Items that follow each other, each with its cursor, and where the next page begins."""

    items: tuple[tuple[str, bytes], ...]
    end: Place
    # The ledger had nothing more when it was asked.
    is_last: bool


async def page_behind(place: Place, happened: Happened, teller: Teller, items_max: int) -> Page:
    """The items behind a place that the reader is told, at most so many.

    Raises:
        Unavailable: the ledger did not answer in time.
    """
    clock = asyncio.get_running_loop().time
    ends = clock() + PAGE_SECONDS
    room = _Room(items_max)
    entries_max = max(ENTRIES_PER_STRETCH_MIN, min(items_max, ENTRIES_PER_STRETCH_MAX))
    # First a few of all: who is at the end asks the same as all others there, whatever each of them wants.
    wanted = None
    if teller.entries_wanted is not None:
        entries_max = ENTRIES_PER_STRETCH_MIN
    for _ in range(STRETCHES_PER_PAGE_MAX):
        stretch = await happened.stretch(place.first_entry, entries_max, wanted)
        place = await _told_of(stretch, place, teller, room)
        if room.is_full:
            return Page(tuple(room.items), place, is_last=False)
        if stretch.end is not None:
            place = Place.behind(stretch.end)
        if stretch.is_last:
            return Page(tuple(room.items), place, is_last=True)
        if clock() >= ends:
            break
        # Little was found in so much: what follows is most likely alike.
        wanted = teller.entries_wanted
        entries_max = ENTRIES_PER_STRETCH_MAX if wanted is None else ENTRIES_PASSED_OVER_MAX
    return Page(tuple(room.items), place, is_last=False)


async def _told_of(stretch: EntryStretch, place: Place, teller: Teller, room: "_Room") -> Place:
    """Tell what stands behind the place in a stretch, until the page is full; answers how far that is."""
    for number, (seq, raw) in enumerate(stretch.entries, 1):
        if number % ENTRIES_PER_SLICE == 0:
            await asyncio.sleep(0)
        happening = happening_of(seq, raw)
        if happening is not None:
            place = _told(happening, place, teller, room)
        if room.is_full:
            return place
        place = Place.behind(seq)
    return place


class _Room:
    """What a page holds, and whether anything more goes in."""

    def __init__(self, items_max: int) -> None:
        self.items: list[tuple[str, bytes]] = []
        self.is_full = False
        self._items_max = items_max
        self._bytes = 0

    def takes(self, told: tuple[str, bytes]) -> bool:
        """Put an item in, unless the page would be too large."""
        size = len(told[1])
        if self.items and self._bytes + size > PAGE_BYTES_MAX:
            self.is_full = True
            return False
        self.items.append(told)
        self._bytes += size
        self.is_full = len(self.items) == self._items_max
        return True


def _told(happening: Happening, place: Place, teller: Teller, room: _Room) -> Place:
    """Tell what stands behind the place in one entry, until the page is full; answers behind which item that is."""
    for item in happening.items:
        if item.place <= place:
            continue
        told = teller.told(happening, item)
        if told is not None and not room.takes(told):
            break
        place = item.place
        if room.is_full:
            break
    return place
