"""Rows of one invoice become events: one sale or one return each, with an id that never changes. Pure.

Rules:
- A positive quantity is sold; a negative one came back to `free` (a cancellation, or a write-off that the
  file books as a negative sale), so `on_hand − deficit` of a SKU moves by minus the plain sum of its rows.
- An id is made of the file's name without its endings, the invoice and the number of the event's first row
  (the header is row 1): a file gives the same ids on every run, and no two of its events share one.
- Nothing is kept but the rows of the event being gathered.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import TypedDict

import msgspec

from hub.replay.rows import Row, legal
from protocol.events import FREE, Line, Return, ReturnLine, Sale
from protocol.limits import LINES_PER_EVENT_MAX

_ENCODER = msgspec.json.Encoder()


class _Place(TypedDict):
    """What sales and returns have in common."""

    id: str
    time: datetime
    location: str


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One event of the past: a sale by a pool, or a return to `free`. Quantities are positive."""

    id: str
    returned: bool
    time: datetime
    location: str
    lines: tuple[tuple[str, int], ...]

    @property
    def units(self) -> int:
        """Units over all lines."""
        return sum(quantity for _, quantity in self.lines)


def stem_of(file: PurePath) -> str:
    """Name a history in event ids: the file's name without `.csv` and `.gz`; packing it changes nothing."""
    name = file.name
    for ending in (".gz", ".csv"):
        name = name.removesuffix(ending)
    return legal(name)[:60]


def grouped(rows: Iterable[Row], *, stem: str) -> Iterator[HistoryEvent]:
    """Join neighbouring rows of one invoice, time, location and sign into events of at most 100 lines."""
    run: list[Row] = []
    for row in rows:
        if run and (len(run) == LINES_PER_EVENT_MAX or not _belongs(row, run[0])):
            yield _event(run, stem)
            run = []
        run.append(row)
    if run:
        yield _event(run, stem)


def encode(event: HistoryEvent, *, pool: str) -> bytes:
    """Write an event as wire.md has it: a `sale` by `pool`, or a `return` to `free`."""
    place: _Place = {"id": event.id, "time": event.time, "location": event.location}
    if event.returned:
        back = tuple(ReturnLine(sku=sku, quantity=quantity, to=FREE) for sku, quantity in event.lines)
        return _ENCODER.encode(Return(lines=back, **place))
    sold = tuple(Line(sku=sku, quantity=quantity) for sku, quantity in event.lines)
    return _ENCODER.encode(Sale(lines=sold, pool=pool, **place))


def _belongs(row: Row, first: Row) -> bool:
    return (
        row.invoice == first.invoice
        and row.time == first.time
        and row.location == first.location
        and (row.quantity > 0) == (first.quantity > 0)
    )


def _event(run: list[Row], stem: str) -> HistoryEvent:
    first = run[0]
    return HistoryEvent(
        id=f"{stem}-{first.invoice}-{first.number}" if first.invoice else f"{stem}-{first.number}",
        returned=first.quantity < 0,
        time=first.time,
        location=first.location,
        lines=tuple((row.sku, abs(row.quantity)) for row in run),
    )
