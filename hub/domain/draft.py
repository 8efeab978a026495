"""The books, and a draft of what one command makes of them.

A command works on a draft: nothing counts before the whole command proved possible. A draft collects what the
journal entry will say: positions, movements, alerts, records.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from hub.domain import buckets
from hub.domain.buckets import Change
from hub.domain.command import Line, Reach
from hub.domain.entry import Counted, EntryAlert, Movement, Seq, SetPosition, SetRecord
from hub.domain.pools import Profile
from hub.domain.position import Position

# Of an alert about the event as a whole.
NO_SKU = -1


class House(Protocol):
    """The resolved configuration, as commands need it; `hub.domain.rules.House` is one."""

    @property
    def pool_index(self) -> Mapping[str, int]:
        """Each pool's place in the configuration."""

    @property
    def statuses(self) -> Sequence[str]:
        """All statuses of units that are not for sale, in order."""

    @property
    def locations(self) -> Iterable[str]:
        """All locations, in order."""

    def profile(self, sku: str) -> Profile:
        """Resolve all rules for a SKU."""


class Denial(msgspec.Struct, frozen=True):
    """Why a request is denied."""

    # The end of the problem's type.
    problem: str
    # Of `insufficient`: (SKU, requested, what the pool shows).
    shortages: tuple[tuple[str, int, int], ...] = ()


class Books:
    """Everything that facts change, but for what pools show."""

    def __init__(self) -> None:
        # By SKU, then location.
        self.positions: dict[str, dict[str, Position]] = {}
        # By table, then field: what is remembered beside positions; see `hub.domain.entry.SetRecord`.
        self.records: dict[str, dict[str, Any]] = {}


class Draft:
    """What one command makes of the books."""

    def __init__(self, books: Books, skus: Iterable[str], *, seq: Seq, time_ms: int, now_ms: int) -> None:
        self._books = books
        # Where the entry will stand.
        self.seq = seq
        # When the fact happened, never later than now; and now by the kernel's clock.
        self.time_ms = time_ms
        self.now_ms = now_ms
        # The distinct SKUs of the command, in order; others may join.
        self.skus = list(dict.fromkeys(skus))
        # (index of SKU, units) of the answer's lines.
        self.lines: list[tuple[int, int]] = []
        self.movements: list[Movement] = []
        self.counted: list[Counted] = []
        self.about = ""
        # Why the command cannot be booked; empty when it can.
        self.refusal = ""
        # Why it must wait for room; empty when there is some.
        self.parking = ""
        # Of a command that must wait: where it may take effect then; empty: everywhere.
        self.reach: Reach = ()
        # Why the request is denied; None while it is not.
        self.denial: Denial | None = None
        # True when what the command was made from is not what is there any more.
        self.is_outdated = False
        # Of a request: what was asked for is so already, and what the hold is then.
        self.is_needless = False
        self.hold: Any = None
        # (SKU, location) → units that something else took out of what is held there.
        self.lost: dict[tuple[str, str], int] = {}
        # (SKU, location, purchase order) → units that came of a line of which any are promised.
        self.arrived: dict[tuple[str, str, str], int] = {}
        # (SKU, location, purchase order) of such lines that are expected later than before.
        self.delayed: list[tuple[str, str, str]] = []
        # (SKU, name of an order's hold) → units that were not there for it, nor any that its pool may promise.
        self.lacking: dict[tuple[str, str], int] = {}
        self._positions: dict[tuple[int, str], Position] = {}
        self._alerts: dict[tuple[str, int, str, str, str], int] = {}
        self._records: dict[tuple[str, str], Any] = {}

    def sku_number(self, sku: str) -> int:
        """The SKU's place among those of the entry."""
        if sku not in self.skus:
            self.skus.append(sku)
        return self.skus.index(sku)

    def time_of(self, line: Line) -> int:
        """When the line happened, never later than now."""
        return self.time_ms if line.time_ms is None else min(line.time_ms, self.now_ms)

    def position(self, sku: str, location: str) -> Position:
        """The position as the lines before left it."""
        number = self.sku_number(sku)
        found = self._positions.get((number, location))
        return found or self._books.positions.get(sku, {}).get(location, Position())

    def positions_of(self, sku: str) -> dict[str, Position]:
        """All positions of a SKU, as the lines before left them, by location."""
        own = {where: what for (number, where), what in self._positions.items() if self.skus[number] == sku}
        return self._books.positions.get(sku, {}) | own

    def touched(self) -> list[tuple[str, str]]:
        """(SKU, location) of every touched position, in the order of touching."""
        return [(self.skus[number], location) for number, location in self._positions]

    def keep(self, line: Line, change: Change, *, own: int = 0) -> None:
        """Take what a line did to its position; what it took out of `reserved` somebody held, but for `own` units."""
        taken = sum(move.quantity for move in change.moves if move.from_bucket == buckets.RESERVED) - own
        if taken:
            place = (line.sku, line.location)
            self.lost[place] = self.lost.get(place, 0) + taken
        self.keep_held(line, change)

    def lack(self, sku: str, name: str, units: int) -> None:
        """Note units that were not there for an order, nor any that its pool may promise."""
        if units:
            self.lacking[sku, name] = self.lacking.get((sku, name), 0) + units

    def keep_held(self, line: Line, change: Change) -> None:
        """Take what a hold did to its position."""
        number = self.sku_number(line.sku)
        self._positions[number, line.location] = change.position
        for move in change.moves:
            self.move(line, move.from_bucket, move.to_bucket, move.quantity)
        for alert in change.alerts:
            self.alert(alert.type, number, line.location, alert.quantity, alert.pool)

    def touch(self, line: Line) -> Position:
        """The position of a line, which the entry will tell even if nothing changes there."""
        position = self.position(line.sku, line.location)
        self._positions[self.sku_number(line.sku), line.location] = position
        return position

    def has_counted(self, line: Line) -> bool:
        """Whether the newest count of the line's position has seen what the line says."""
        return self.touch(line).has_counted(self.time_of(line))

    def pass_by(self, line: Line, units: int, outside: str) -> None:
        """Book units of a line that a count has seen already: they went by the shelf, plus is in and minus is out."""
        if units > 0:
            self.move(line, outside, buckets.VARIANCE, units)
        else:
            self.move(line, buckets.VARIANCE, outside, -units)

    def move(self, line: Line, from_bucket: str, to_bucket: str, quantity: int) -> None:
        """Note a movement, with the line's serials when all its units moved; nothing moved is no movement."""
        if quantity:
            serials = line.serials if quantity == abs(line.quantity) else ()
            time_ms = self.time_of(line)
            own_time = None if time_ms == self.time_ms and not serials else time_ms
            number = self.sku_number(line.sku)
            self.movements.append(Movement(number, line.location, from_bucket, to_bucket, quantity, own_time, serials))

    def alert(self, type: str, sku: int, location: str, quantity: int, pool: str = "", hold: str = "") -> None:
        """Raise an alert; those of one kind at one place about one hold or none are one."""
        if quantity:
            key = (type, sku, location, pool, hold)
            self._alerts[key] = self._alerts.get(key, 0) + quantity

    def record(self, table: str, field: str) -> Any:
        """What is remembered, as this command left it; None is nothing."""
        key = (table, field)
        return self._records[key] if key in self._records else self._books.records.get(table, {}).get(field)

    def records_of(self, table: str) -> dict[str, Any]:
        """Everything that is remembered in a table, as this command left it, by field."""
        own = {field: value for (of_table, field), value in self._records.items() if of_table == table}
        known = self._books.records.get(table, {}) | own
        return {field: value for field, value in known.items() if value is not None}

    def house_name(self, name: str) -> str:
        """What a name means by now: what waits may have been told by a name that became an alias meanwhile."""
        owner = self.record("aliases", name)
        return str(owner[0]) if owner else name

    def set_record(self, table: str, field: str, value: Any) -> None:
        """Remember something, or with None forget it."""
        self._records[table, field] = value

    def fields_set(self, table: str) -> list[str]:
        """The fields of a table that this command set or removed, in the order of first setting."""
        return [field for of_table, field in self._records if of_table == table]

    def refuse(self, reason: str) -> None:
        """The command cannot be booked; the first reason counts."""
        self.refusal = self.refusal or reason

    def park(self, reason: str, reach: Reach = ()) -> None:
        """The command is kept whole until there is room; the first reason counts."""
        if not self.parking:
            self.parking, self.reach = reason, reach

    def as_it_is(self, hold: Any) -> None:
        """What the request asks for is so already."""
        self.is_needless, self.hold = True, hold

    def look_again(self) -> None:
        """The command was made from what is not there any more; whoever sent it looks again."""
        self.is_outdated = True

    def positions_set(self) -> tuple[SetPosition, ...]:
        """Every touched position, in the order of touching."""
        return tuple(SetPosition(number, location, what) for (number, location), what in self._positions.items())

    def records_set(self) -> tuple[SetRecord, ...]:
        """Every record set or removed, in the order of first setting."""
        return tuple(SetRecord(table, field, value) for (table, field), value in self._records.items())

    def alerts_raised(self) -> tuple[EntryAlert, ...]:
        """The alerts, in the order of first raising."""
        return tuple(EntryAlert(kind, n, at, k, pool, hold) for (kind, n, at, pool, hold), k in self._alerts.items())

    def enter(self) -> None:
        """Make the draft the books."""
        for (number, location), position in self._positions.items():
            self._books.positions.setdefault(self.skus[number], {})[location] = position
        for (table, field), value in self._records.items():
            remembered = self._books.records.setdefault(table, {})
            if value is None:
                remembered.pop(field, None)
            else:
                remembered[field] = value
