"""A history from its header to its last line: rows that can be booked, and a tally of the others. Pure."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import chain

from hub.faults import SettingsInvalid
from hub.replay.events import HistoryEvent, grouped
from hub.replay.layout import Layout, layout_of
from hub.replay.rows import Row, RowUnreadable, read_row
from protocol.limits import QUANTITY_MAX

# So many rows without one that can be read, and the mapping is wrong, not the rows.
_HOPELESS_ROWS = 100
_REPORTED_MAX = 10


@dataclass(slots=True)
class Reported:
    """Rows of one kind of trouble: how many, and the first ten in words."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < _REPORTED_MAX:
            self.first.append(text)


@dataclass(slots=True)
class RowTally:
    """What became of the rows read so far, the header not counted."""

    rows: int = 0
    zero: int = 0
    too_large: Reported = field(default_factory=Reported)
    unreadable: Reported = field(default_factory=Reported)


class History:
    """A history with its header read. `tally` fills while `events` or `rows` is drawn from, once.

    Raises:
        SettingsInvalid: the header does not have the columns, or nothing says where its rows happened.
    """

    def __init__(
        self,
        lines: Iterator[str],
        *,
        stem: str,
        columns: Mapping[str, str] | None,
        zone: tzinfo,
        location: str | None,
    ) -> None:
        header = next(lines, "")
        if not header:
            raise SettingsInvalid("the file is empty")
        self.layout: Layout = layout_of(header, columns)
        if location is None and self.layout.location is None:
            raise SettingsInvalid("the file has no location column: say with --location where it happened")
        self.tally = RowTally()
        self._lines = chain([header], lines)
        self._stem = stem
        self._zone = zone
        self._location = location

    def events(self) -> Iterator[HistoryEvent]:
        """Yield the events in the file's order.

        Raises:
            SettingsInvalid: none of the first 100 rows, or no row at all, can be read.
        """
        return grouped(self.rows(), stem=self._stem)

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are events or parts of one; the others are in `tally`. Raises as `events`."""
        tally = self.tally
        for number, fields in self._records():
            tally.rows += 1
            try:
                row = read_row(number, fields, self.layout, zone=self._zone, location=self._location)
            except RowUnreadable as error:
                self._set_aside(number, str(error))
                continue
            if row.quantity == 0:
                tally.zero += 1
            elif abs(row.quantity) > QUANTITY_MAX:
                tally.too_large.add(f"row {number}: quantity {row.quantity} of {row.sku!r}")
            else:
                yield row
        if tally.rows and tally.unreadable.count == tally.rows:
            raise SettingsInvalid(f"no row can be read: {tally.unreadable.first[0]}")

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield (row number, fields) after the header; an empty line has a number and is no row."""
        reader = csv.reader(self._lines, delimiter=self.layout.delimiter)
        next(reader)
        number = 1
        while True:
            number += 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.tally.rows += 1
                self._set_aside(number, f"it is not CSV: {error}")
                continue
            if fields:
                yield number, fields

    def _set_aside(self, number: int, detail: str) -> None:
        unreadable = self.tally.unreadable
        unreadable.add(f"row {number}: {detail}")
        if unreadable.count == self.tally.rows == _HOPELESS_ROWS:
            raise SettingsInvalid(f"none of the first {_HOPELESS_ROWS} rows can be read: {unreadable.first[0]}")
