"""What is between two locations, and what one command makes of it.

Of s units sent and r received of a SKU, and once the last arrival was told (final):

    in_transit  = max(0, s - r), after the final arrival 0
    lost        = 0, after the final arrival max(0, s - r)
    unannounced = max(0, r - s)

So it does not matter in which order the parts of a transfer are told.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from hub.domain import buckets, serials
from hub.domain.buckets import HAND, LOST, UNANNOUNCED, VARIANCE, Change, Move
from hub.domain.command import Line, Reach
from hub.domain.draft import Draft, House
from hub.domain.entry import Movement
from hub.domain.serials import Piece
from hub.domain.shifting import paired

# Under way, and final: then nothing is between the two any more, and late parts find it for as long as ids are known.
OPEN, CLOSED = "transfers", "closed_transfers"


class Early(msgspec.Struct, frozen=True, array_like=True):
    """What was received before anything was dispatched."""

    # UTC milliseconds.
    time_ms: int
    is_final: int
    # (SKU, units), perhaps with the serials of some or all of them.
    units: tuple[tuple[Any, ...], ...]
    # Where it may take effect: 0 everywhere, else the place in `Record.reaches`, counted from 1. What waits since
    # before those were kept once has its own here.
    reach: int | Reach = 0
    # By the kernel's clock, UTC milliseconds; 0 in what waits since before it was kept.
    booked_at_ms: int = 0

    @property
    def since_ms(self) -> int:
        """Since when it waits, UTC milliseconds."""
        return self.booked_at_ms or self.time_ms


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a transfer."""

    # Rises with whatever a command is made from: an early receipt is kept or forgotten, the destination becomes known.
    version: int = 0
    # Empty while nothing was dispatched.
    to: str = ""
    is_final: int = 0
    # (SKU, sent, received).
    sums: tuple[tuple[str, int, int], ...] = ()
    early: tuple[Early, ...] = ()
    # The distinct reaches of what was received early.
    reaches: tuple[Reach, ...] = ()
    # (SKU, location) where units left without their serials: a piece that lay there may be one of them.
    unnamed: tuple[tuple[str, str], ...] = ()
    # When its first part was booked, UTC milliseconds; 0 in one from before that was kept.
    since_ms: int = 0

    def reach_of(self, each: Early) -> Reach:
        """Where what was received early may take effect."""
        if isinstance(each.reach, int):
            return self.reaches[each.reach - 1] if each.reach else ()
        return each.reach


_encode = msgspec.msgpack.Encoder().encode


def record_from(value: Any) -> Record:
    """Read a record as it is stored."""
    return msgspec.convert(value, Record)


def known_transfer(draft: Draft, id: str) -> Record:
    """What is remembered of the transfer; a new one was never written down."""
    value = draft.record(OPEN, id) or draft.record(CLOSED, id)
    return record_from(value) if value is not None else Record()


def keep_waiting(draft: Draft, id: str, known: Record, early: Iterable[tuple[Early, Reach]]) -> None:
    """Remember what was received early, each with its reach; of none of it nothing is left."""
    reaches: dict[Reach, int] = {}
    kept: list[Early] = []
    for each, reach in early:
        number = reaches.setdefault(reach, len(reaches) + 1) if reach else 0
        kept.append(msgspec.structs.replace(each, reach=number))
    since_ms = known.since_ms if known.version else draft.now_ms
    record = Record(known.version + 1, early=tuple(kept), reaches=tuple(reaches), since_ms=since_ms)
    draft.set_record(OPEN, id, _stored(record) if kept else None)


def _stored(record: Record) -> Any:
    """As the journal has it."""
    return msgspec.msgpack.decode(_encode(record))


class Account:
    """What was sent and received of one transfer, as this command changes it."""

    def __init__(self, draft: Draft, house: House, id: str, to: str, known: Record) -> None:
        self._draft = draft
        self._pools = list(house.pool_index)
        self._id = id
        self._to = to
        self._transit = buckets.transit_bucket(id)
        self._is_final = known.is_final
        # By SKU: sent, received.
        self._sums = {sku: (sent, received) for sku, sent, received in known.sums}
        # By SKU and location, in their order; and the SKUs alone.
        self._unnamed = dict.fromkeys(known.unnamed)
        self._unnamed_skus = {sku for sku, _ in known.unnamed}
        self._since_ms = known.since_ms if known.version else draft.now_ms

    def send(self, line: Line) -> None:
        """Take units off the shelf: for what arrived unannounced, then into transit."""
        serials.sent(self._draft, line, self._id, self._to)
        if line.quantity > len(line.serials):
            self._unnamed[line.sku, line.location] = None
            self._unnamed_skus.add(line.sku)
        sent, received = self._sums.get(line.sku, (0, 0))
        cancelled = min(line.quantity, max(0, received - sent))
        rest = line.quantity - cancelled
        onto = LOST if self._is_final else self._transit
        if self._draft.has_counted(line):
            change = Change(self._draft.touch(line), (Move(VARIANCE, HAND, line.quantity),))
        else:
            change = buckets.depart(self._draft.touch(line), line.quantity, pools=self._pools)
        moves = paired(change.moves, (Move(HAND, UNANNOUNCED, cancelled), Move(HAND, onto, rest)))
        self._draft.keep(line, Change(change.position, moves, change.alerts))
        self._sums[line.sku] = (sent + line.quantity, received)
        if self._is_final:
            self._draft.alert("discrepancy", self._draft.sku_number(line.sku), self._to, rest)

    def receive(self, line: Line) -> None:
        """Bring units onto the shelf, out of transit, then unannounced; a person looks at suspect ones."""
        suspects = serials.received(self._draft, line, self._id, lambda known: self._may_bring(line, known))
        if self._draft.has_counted(line):
            self._bring(line, Change(self._draft.touch(line), (Move(HAND, VARIANCE, line.quantity),)))
            return
        clean, doubtful = serials.parted(line, suspects)
        change = buckets.arrive(self._draft.touch(line), clean.quantity, source=HAND, pools=self._pools)
        self._bring(clean, change)
        change = buckets.put_aside(self._draft.touch(line), doubtful.quantity, serials.INSPECTION, source=HAND)
        self._bring(doubtful, change)

    def _bring(self, line: Line, change: Change) -> None:
        sent, received = self._sums.get(line.sku, (0, 0))
        found = min(line.quantity, max(0, sent - received))
        source = LOST if self._is_final else self._transit
        taken = (Move(source, HAND, found), Move(UNANNOUNCED, HAND, line.quantity - found))
        self._draft.keep(line, Change(change.position, paired(taken, change.moves)))
        self._sums[line.sku] = (sent, received + line.quantity)
        if self._is_final:
            self._draft.alert("discrepancy", self._draft.sku_number(line.sku), self._to, line.quantity - found)

    def _may_bring(self, line: Line, known: Piece | None) -> bool:
        """Whether the piece is one that was sent, or may be one of those that were sent without saying which."""
        if known is None:
            return line.sku in self._unnamed_skus
        if known.state == serials.TRANSIT:
            return known.transfer in ("", self._id)
        is_here = known.location == line.location
        return known.state == serials.SHELF and (is_here or (line.sku, known.location) in self._unnamed)

    def finish(self) -> None:
        """Nothing more will arrive: what is still in transit is lost, and somebody hears of what was never sent."""
        if self._is_final:
            return
        self._is_final = 1
        for sku, (sent, received) in self._sums.items():
            if sent == received:
                continue
            number = self._draft.sku_number(sku)
            if sent > received:
                self._draft.movements.append(Movement(number, self._to, self._transit, LOST, sent - received))
            self._draft.alert("discrepancy", number, self._to, abs(sent - received))

    def keep(self, version: int) -> None:
        """Remember the transfer, in another place once it is final."""
        sums = tuple((sku, sent, received) for sku, (sent, received) in self._sums.items())
        table = CLOSED if self._is_final else OPEN
        if self._is_final and self._draft.record(OPEN, self._id) is not None:
            self._draft.set_record(OPEN, self._id, None)
        record = Record(version, self._to, self._is_final, sums, unnamed=tuple(self._unnamed), since_ms=self._since_ms)
        self._draft.set_record(table, self._id, _stored(record))
