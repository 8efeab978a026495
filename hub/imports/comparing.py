"""Which lines of a window differ from the book as of the import's time: only those are booked.

book as of `at` = (on hand − deficit) now − what came less what went since `at`, by the ledger
"""

from typing import NamedTuple

from hub.domain.entry import Seq
from hub.domain.position import Position
from hub.imports.pace import Pace
from hub.imports.spool import Window
from hub.imports.state import SYSTEM
from hub.journal.watermark import Watermark
from hub.stock.books import SKUS_AT_ONCE_MAX, Books
from hub.stock.counting import UnitsSince
from protocol.imports import ImportKind

LEDGER_WAIT_SECONDS = 5.0


class Compared(NamedTuple):
    """What is to be done with the lines of a window."""

    # (SKU, quantity) of those to book.
    changed: list[tuple[str, int]]
    unchanged: int
    # A newer count stands: this one could not change anything.
    overruled: int


class _Doubtful(NamedTuple):
    """A line whose book only the ledger can tell."""

    sku: str
    quantity: int
    # On hand − deficit.
    book_now: int
    read_before: Seq


class Comparer:
    """Compares windows with the book. For one user at a time."""

    def __init__(self, books: Books, watermark: Watermark, ledger: UnitsSince, pace: Pace) -> None:
        self._books = books
        self._watermark = watermark
        self._ledger = ledger
        self._pace = pace

    async def compare(self, window: Window, at_ms: int, kind: ImportKind) -> Compared:
        """Sort the lines of a window; a ledger that is late is waited for.

        Raises:
            Unavailable, ServerRefused: a store is away or refuses.
        """
        changed: list[tuple[str, int]] = []
        doubtful: list[_Doubtful] = []
        unchanged = overruled = 0
        for start in range(0, len(window.skus), SKUS_AT_ONCE_MAX):
            skus = window.skus[start : start + SKUS_AT_ONCE_MAX]
            async with self._pace.work():
                page = await self._books.page(window.location, skus)
            quantities = window.quantities[start : start + SKUS_AT_ONCE_MAX]
            for sku, quantity, position in zip(skus, quantities, page.positions, strict=True):
                if position is None and quantity == 0:
                    unchanged += 1
                elif position is not None and kind == SYSTEM and _is_overruled(position, at_ms):
                    overruled += 1
                elif position is None or page.waits_for_count(position):
                    # Booked although it may be so already: what the open count changes is not known yet.
                    changed.append((sku, quantity))
                else:
                    book_now = position.on_hand - position.deficit
                    doubtful.append(_Doubtful(sku, quantity, book_now, page.following))
        different = await self._different(doubtful, window.location, at_ms)
        return Compared(changed + different, unchanged + len(doubtful) - len(different), overruled)

    async def _different(self, doubtful: list[_Doubtful], location: str, at_ms: int) -> list[tuple[str, int]]:
        if not doubtful:
            return []
        newest = max(line.read_before for line in doubtful)
        while not await self._watermark.wait(Seq(newest.epoch, newest.number - 1), LEDGER_WAIT_SECONDS):
            pass
        units = await self._ledger.units_since([(line.sku, location, at_ms, line.read_before) for line in doubtful])
        return [
            (line.sku, line.quantity)
            for line, since in zip(doubtful, units, strict=True)
            if line.book_now - since != line.quantity
        ]


def _is_overruled(position: Position, at_ms: int) -> bool:
    return position.counted_at_ms is not None and position.counted_at_ms > at_ms
