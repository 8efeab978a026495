"""What an entry tells in the feed: its items, in an order and under numbers that stay for ever. Pure.

An item's place is its entry's, and a number within it made of its kind and its place among those of that kind. So a
version that tells more kinds gives no other item another place. What of it a reader may see is not decided here.
"""

from collections.abc import Iterator
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from hub.domain.answer import AnsweredAlert, answer_of
from hub.domain.entry import Entry, Movement, Seq, SetView, decode_entry
from hub.domain.findings import EntriesWanted
from hub.domain.holding.hold import ENDED, LIVE, RESERVATION, Hold, hold_from, reservation_name
from hub.domain.holding.orders import ENDED_ORDERS, ORDERS, Order, id_of, order_from, order_name
from hub.domain.position import Position
from protocol.feed import ALERT, MOVEMENT, ORDER, ORDER_CHANGED, RULE_CHANGED

# More items of one kind than an entry has; 2**7 kinds of so many fit into four bytes.
ITEMS_PER_KIND = 2**24
# Behind all items of an entry.
END = 2**31 - 1


class Kind(IntEnum):
    """What an item is about, in the order in which an entry tells them; the numbers never change."""

    movement = 0
    reservation = 1
    order = 2
    alert = 3
    availability = 4
    rule = 5


class Place(NamedTuple):
    """Where an item stands: places order all items of all epochs."""

    epoch: int
    number: int
    # Within the entry; -1: before the first item, END: behind the last.
    offset: int

    @property
    def first_entry(self) -> tuple[int, int]:
        """The epoch and number from which on entries have items behind this place."""
        return (self.epoch, self.number) if self.offset < END else (self.epoch, self.number + 1)

    @classmethod
    def behind(cls, seq: Seq) -> "Place":
        """Behind all items of an entry."""
        return cls(seq.epoch, seq.number, END)


BEGINNING = Place(0, 0, END)


class ToldOrder(NamedTuple):
    """What an entry says of an order: its sums, what is kept for it, or both."""

    id: str
    order: Order | None
    hold: Hold | None


class Item(NamedTuple):
    """One item, before anybody is told."""

    place: Place
    kind: Kind
    what: Any


class Cause(msgspec.Struct):
    """The parts of an event or request that say where and for whom; names of all versions until today."""

    pool: str | None = None
    location: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    locations: tuple[str, ...] | None = None
    prefer: tuple[str, ...] | None = None
    reservation: str | None = None
    order: str | None = None
    reason: str | None = None
    lines: tuple["CauseLine", ...] | None = None


class CauseLine(msgspec.Struct):
    """The same of a line."""

    location: str | None = None
    reason: str | None = None


_decode_cause = msgspec.json.Decoder(Cause).decode


class Happening:
    """One entry, and what its items have in common, worked out when it is asked for."""

    def __init__(self, seq: Seq, entry: Entry) -> None:
        self.seq = seq
        self.entry = entry

    @cached_property
    def cause(self) -> Cause | None:
        """What was sent; None where that cannot be read."""
        if not self.entry.payload:
            return Cause()
        try:
            return _decode_cause(self.entry.payload)
        except msgspec.MsgspecError:
            return None

    @cached_property
    def positions(self) -> dict[tuple[int, str], Position]:
        """(index of SKU, location) -> the position after it."""
        return {(each.sku, each.location): each.position for each in self.entry.positions}

    @cached_property
    def reasons(self) -> dict[int, str]:
        """Index of SKU -> why its units moved, where the event says one reason."""
        cause, lines = self.cause, self.entry.lines
        if cause is None:
            return {}
        if cause.reason is not None:
            return {moved.sku: cause.reason for moved in self.entry.movements}
        told: dict[int, set[str]] = {}
        # The answer has a line for each of the event, in its order.
        for (sku, _), line in zip(lines, cause.lines or (), strict=False):
            told.setdefault(sku, set()).update([line.reason] if line.reason is not None else [])
        return {sku: reasons.pop() for sku, reasons in told.items() if len(reasons) == 1}

    @cached_property
    def holds(self) -> dict[str, Hold]:
        """Name -> what the entry remembers of a reservation, or of what an order keeps."""
        return {name: hold_from(value) for name, value in self._remembered(LIVE, ENDED).items()}

    @cached_property
    def orders(self) -> dict[str, Order]:
        """Id -> what the entry remembers of an order."""
        return {id: order_from(value) for id, value in self._remembered(ORDERS, ENDED_ORDERS).items()}

    def _remembered(self, live: str, ended: str) -> dict[str, Any]:
        """What is set in either table, in order; where in both, it is live: whoever looks for it looks there first."""
        found: dict[str, Any] = {}
        for record in self.entry.records:
            is_new = record.field not in found
            if record.value is not None and (record.table == live or (record.table == ended and is_new)):
                found[record.field] = record.value
        return found

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Everything that the entry tells, in order."""
        return tuple(self._items())

    def _items(self) -> Iterator[Item]:
        for kind, told in (
            (Kind.movement, self._movements()),
            (Kind.reservation, self._reservations()),
            (Kind.order, self._orders()),
            (Kind.alert, self._alerts()),
            (Kind.availability, self._availability()),
            (Kind.rule, self._rules()),
        ):
            for number, what in enumerate(told):
                yield Item(Place(self.seq.epoch, self.seq.number, kind * ITEMS_PER_KIND + number), kind, what)

    def _movements(self) -> tuple[Movement, ...]:
        return self.entry.movements

    def _reservations(self) -> list[tuple[str, Hold]]:
        prefix = reservation_name("")
        return [(name, hold) for name, hold in self.holds.items() if name.startswith(prefix)]

    def _orders(self) -> list[ToldOrder]:
        prefix = order_name("")
        kept = {id_of(name): hold for name, hold in self.holds.items() if name.startswith(prefix)}
        ids = dict.fromkeys((*self.orders, *kept))
        return [ToldOrder(id, self.orders.get(id), kept.get(id)) for id in ids]

    def _alerts(self) -> tuple[AnsweredAlert, ...]:
        return answer_of(self.entry).alerts

    def _availability(self) -> list[SetView]:
        return [view for view in self.entry.views if view.changed]

    def _rules(self) -> list[Entry]:
        return [self.entry] if self.entry.kind == "rules" else []


def happening_of(seq: Seq, raw: bytes) -> Happening | None:
    """The entry at a place; None where it is none as this version knows it, which tells nothing."""
    try:
        happening = Happening(seq, decode_entry(raw))
        # All of it now, so that whoever is told later meets no value that cannot be read.
        _ = happening.items
        return happening
    except (msgspec.MsgspecError, RecursionError, LookupError, ValueError):
        return None


def entries_wanted(exact: frozenset[str], prefixes: tuple[str, ...]) -> EntriesWanted | None:
    """Which entries may tell items of these types; None where a row of the ledger does not say."""
    types: set[str] = set()
    alerting = ruling = False
    for name in (*exact, *prefixes):
        if name.startswith(ALERT):
            alerting = True
        elif RULE_CHANGED.startswith(name):
            ruling = True
        elif name.startswith(MOVEMENT) and name in exact:
            types.add(name.removeprefix(MOVEMENT))
        elif name.startswith(ORDER) and name in exact and name != ORDER_CHANGED:
            types.add(name)
        else:
            return None
    return EntriesWanted(frozenset(types), alerting, ruling) if exact or prefixes else None


def reservation_of(about: str) -> str | None:
    """The id of the reservation that an entry is about; None where it is about none."""
    of_whom, _, id = about.partition(":")
    return id if of_whom == RESERVATION else None
