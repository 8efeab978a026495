"""Which SKUs are looked at next: all of a hub in rounds, and those that changed lately more often."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable

from hub.ledger.rows import Booking
from hub.ledger.sums import Sums
from hub.stock import keys
from hub.stock.inspecting import Inspection

# A SKU that changed is looked at again and again for so long.
RECENT_SECONDS = 300.0
# SKUs that count as changed lately, as many as have their turn within a minute; beyond it the one that had its turn
# last is left to the rounds.
RECENT_MAX = 400
NAMES_PER_PAGE = 500
PAGES_PER_TAKE = 5


def moved_in(posted: Iterable[Booking]) -> set[str]:
    """The SKUs of which units were moved by what came to the ledger."""
    entries = (booking.entry for booking in posted if booking.entry is not None)
    return {entry.skus[moved.sku] for entry in entries for moved in entry.movements}


class RecentSkus:
    """SKUs that changed lately, the newest first and then in turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._changed_at: dict[str, float] = {}
        self._waiting: deque[str] = deque()

    def note(self, names: Iterable[str]) -> None:
        """These SKUs changed just now."""
        now = self._clock()
        for name in names:
            if name not in self._changed_at:
                if len(self._changed_at) >= RECENT_MAX:
                    del self._changed_at[self._waiting.pop()]
                self._waiting.appendleft(name)
            self._changed_at[name] = now

    def take(self, count: int) -> list[str]:
        """At most so many names, each once; they come again when all others had their turn."""
        since = self._clock() - RECENT_SECONDS
        taken: list[str] = []
        for _ in range(len(self._waiting)):
            if len(taken) >= count:
                break
            name = self._waiting.popleft()
            if self._changed_at[name] < since:
                del self._changed_at[name]
            else:
                taken.append(name)
        self._waiting.extend(taken)
        return taken


class Rounds:
    """All SKUs of a hub, again and again: those that Redis has, then those that only the ledger has.

    A call may answer fewer names than it was asked for, so that none takes long.
    """

    def __init__(self, inspection: Inspection, sums: Sums, clock: Callable[[], float]) -> None:
        self._inspection = inspection
        self._sums = sums
        self._clock = clock
        self._began_at = clock()
        self._pages: AsyncIterator[list[str]] | None = None
        self._page: deque[str] = deque()
        self._last_seconds = 0.0

    @property
    def seconds(self) -> float:
        """How long the last whole round took, or the present one where it takes longer already."""
        return max(self._last_seconds, self._clock() - self._began_at)

    async def take(self, count: int) -> list[str]:
        """The next names, at most so many; fewer at the end of a round, and the next call begins anew.

        Raises:
            Unavailable, ServerRefused: a store does not answer; the round begins anew.
        """
        pages = self._pages
        if pages is None:
            self._began_at, pages = self._clock(), self._all()
        # Forgotten while it is asked, for one that failed is over.
        self._pages = None
        for _ in range(PAGES_PER_TAKE):
            if len(self._page) >= count:
                break
            page = await anext(pages, None)
            if page is None:
                self._last_seconds = self._clock() - self._began_at
                pages = None
                break
            self._page.extend(page)
        self._pages = pages
        return [self._page.popleft() for _ in range(min(count, len(self._page)))]

    async def _all(self) -> AsyncIterator[list[str]]:
        async for page in self._inspection.sku_names():
            # A key that is no text is no SKU; a verification names it.
            yield [keys.sku_name(key) for key in page if _is_text(key)]
        last = ""
        while names := await self._sums.skus_after(last, NAMES_PER_PAGE):
            last = names[-1]
            yield await self._inspection.unknown(names)


def _is_text(key: bytes) -> bool:
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True
