"""Transfers: units that leave one location for another, and what is between the two.

Of s units sent and r received of a SKU, and once the last arrival was told (final):

    in_transit  = max(0, s - r), after the final arrival 0
    lost        = 0, after the final arrival max(0, s - r)
    unannounced = max(0, r - s)

So it does not matter in which order the parts of a transfer are told. What is received before anything was dispatched
waits in `early`, for nobody knows yet where it is; it takes effect with the dispatch, in the dispatch's own entry, but
not at a location that its sender may not touch: that is told instead.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from hub.domain import buckets, serials
from hub.domain.buckets import HAND, LOST, UNANNOUNCED, VARIANCE, Change, Move
from hub.domain.command import Fact, Line, Reach, Transfer, reaches
from hub.domain.draft import NO_SKU, Draft, Order
from hub.domain.entry import Movement
from hub.domain.shifting import paired

# Under way, and final: then nothing is between the two any more, and late parts find it for as long as ids are known.
OPEN, CLOSED = "transfers", "closed_transfers"
SKUS_MAX = 2_000
EARLY_MAX = 1_000
# Lines of all early receipts of one transfer, for the dispatch has them all.
EARLY_LINES_MAX = 2_000


class Early(msgspec.Struct, frozen=True, array_like=True):
    """What was received before anything was dispatched."""

    # UTC milliseconds.
    time_ms: int
    is_final: int
    # (SKU, units).
    units: tuple[tuple[str, int], ...]
    # Where it may take effect.
    reach: Reach = ()


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a transfer."""

    # Rises with whatever a command is made from: an early receipt is kept, the destination becomes known.
    version: int = 0
    # Empty while nothing was dispatched.
    to: str = ""
    is_final: int = 0
    # (SKU, sent, received).
    sums: tuple[tuple[str, int, int], ...] = ()
    early: tuple[Early, ...] = ()


_encode = msgspec.msgpack.Encoder().encode


def record_from(value: Any) -> Record:
    """Read a record as it is stored."""
    return msgspec.convert(value, Record)


def with_record(fact: Fact, known: Record | None, house_name: Callable[[str], str] = str) -> Fact:
    """Complete a `dispatch` or `receive` by what is known of its transfer; `house_name` says what names mean now."""
    known, transfer = known or Record(), fact.detail
    assert isinstance(transfer, Transfer)
    if fact.verb == "dispatch":
        early = [
            Line(house_name(sku), transfer.to, units, time_ms=each.time_ms)
            for each in known.early
            if reaches(each.reach, transfer.to)
            for sku, units in each.units
        ]
        detail = msgspec.structs.replace(transfer, version=known.version)
        return msgspec.structs.replace(fact, lines=(*fact.lines, *early), detail=detail)
    if not known.to:
        return msgspec.structs.replace(fact, detail=msgspec.structs.replace(transfer, version=known.version))
    lines = tuple(Line(house_name(sku), known.to, units) for sku, units in transfer.early)
    detail = msgspec.structs.replace(transfer, to=known.to, version=known.version, early=(), reach=())
    return msgspec.structs.replace(fact, lines=lines, detail=detail)


def book_dispatch(draft: Draft, fact: Fact, house: Order) -> None:
    """Units left; those received early arrive now."""
    transfer = fact.detail
    assert isinstance(transfer, Transfer)
    draft.about = transfer.id
    known = _known(draft, transfer.id)
    if known.version != transfer.version:
        draft.look_again()
        return
    if known.to not in ("", transfer.to):
        draft.refuse(f"transfer {transfer.id} goes to {known.to}, not to {transfer.to}")
        return
    if _skus_in(known, fact.lines) > SKUS_MAX:
        draft.refuse(f"a transfer has at most {SKUS_MAX} SKUs")
        return
    within = [each for each in known.early if reaches(each.reach, transfer.to)]
    beyond = [each for each in known.early if not reaches(each.reach, transfer.to)]
    draft.alert("out_of_reach", NO_SKU, "", sum(units for each in beyond for _, units in each.units))
    account = _Account(draft, house, transfer.id, transfer.to, known)
    for line in fact.lines[: transfer.own_lines]:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        account.send(line)
    for line in fact.lines[transfer.own_lines :]:
        account.receive(line)
    if any(each.is_final for each in within):
        account.finish()
    account.keep(known.version if known.to else known.version + 1)


def book_receive(draft: Draft, fact: Fact, house: Order) -> None:
    """Units arrived, or wait for the dispatch to say where."""
    transfer = fact.detail
    assert isinstance(transfer, Transfer)
    draft.about = transfer.id
    known = _known(draft, transfer.id)
    if known.to != transfer.to:
        draft.look_again()
        return
    if not known.to:
        _wait(draft, transfer, known)
        return
    if _skus_in(known, fact.lines) > SKUS_MAX:
        draft.refuse(f"a transfer has at most {SKUS_MAX} SKUs")
        return
    account = _Account(draft, house, transfer.id, transfer.to, known)
    for line in fact.lines:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        account.receive(line)
    if transfer.is_final:
        account.finish()
    account.keep(known.version)


def _wait(draft: Draft, transfer: Transfer, known: Record) -> None:
    """Keep a receipt until the dispatch is told."""
    lines = sum(len(each.units) for each in known.early) + len(transfer.early)
    if len(known.early) >= EARLY_MAX or lines > EARLY_LINES_MAX:
        draft.refuse(
            f"a transfer has at most {EARLY_MAX} receipts with {EARLY_LINES_MAX} lines before it is dispatched"
        )
        return
    early = Early(draft.time_ms, transfer.is_final, transfer.early, transfer.reach)
    draft.lines.extend((draft.sku_number(sku), units) for sku, units in transfer.early)
    kept = Record(known.version + 1, early=(*known.early, early))
    draft.set_record(OPEN, transfer.id, _stored(kept))


def _known(draft: Draft, id: str) -> Record:
    value = draft.record(OPEN, id) or draft.record(CLOSED, id)
    return record_from(value) if value is not None else Record()


def _stored(record: Record) -> Any:
    """As the journal has it."""
    return msgspec.msgpack.decode(_encode(record))


def _skus_in(known: Record, lines: tuple[Line, ...]) -> int:
    return len({sku for sku, _, _ in known.sums} | {line.sku for line in lines})


class _Account:
    """What was sent and received of one transfer, as this command changes it."""

    def __init__(self, draft: Draft, house: Order, id: str, to: str, known: Record) -> None:
        self._draft = draft
        self._pools = list(house.pool_index)
        self._id = id
        self._to = to
        self._transit = buckets.transit_bucket(id)
        self._is_final = known.is_final
        # By SKU: sent, received.
        self._sums = {sku: (sent, received) for sku, sent, received in known.sums}

    def send(self, line: Line) -> None:
        """Take units off the shelf: for what arrived unannounced, then into transit."""
        serials.left(self._draft, line, serials.TRANSIT)
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
        """Bring units onto the shelf: out of transit, then unannounced."""
        sent, received = self._sums.get(line.sku, (0, 0))
        found = min(line.quantity, max(0, sent - received))
        source = LOST if self._is_final else self._transit
        if self._draft.has_counted(line):
            change = Change(self._draft.touch(line), (Move(HAND, VARIANCE, line.quantity),))
        else:
            change = buckets.arrive(self._draft.touch(line), line.quantity, source=HAND, pools=self._pools)
        taken = (Move(source, HAND, found), Move(UNANNOUNCED, HAND, line.quantity - found))
        self._draft.keep(line, Change(change.position, paired(taken, change.moves)))
        self._sums[line.sku] = (sent, received + line.quantity)

    def finish(self) -> None:
        """Nothing more will arrive: what is still in transit is lost."""
        if self._is_final:
            return
        self._is_final = 1
        for sku, (sent, received) in self._sums.items():
            lost = max(0, sent - received)
            if lost:
                number = self._draft.sku_number(sku)
                self._draft.movements.append(Movement(number, self._to, self._transit, LOST, lost))
                self._draft.alert("discrepancy", number, self._to, lost)

    def keep(self, version: int) -> None:
        """Remember the transfer, in another place once it is final."""
        sums = tuple((sku, sent, received) for sku, (sent, received) in self._sums.items())
        table = CLOSED if self._is_final else OPEN
        if self._is_final and self._draft.record(OPEN, self._id) is not None:
            self._draft.set_record(OPEN, self._id, None)
        self._draft.set_record(table, self._id, _stored(Record(version, self._to, self._is_final, sums)))
