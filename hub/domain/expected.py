"""What is expected of each SKU: lines of purchase orders, what of them has arrived, and what of them is promised.

An `expected` fact is absolute and decided by its own time; receipts add up whenever they come. So the same facts leave
the same supply, in whatever order they came. Nothing here moves a unit.
"""

from collections.abc import Sequence

import msgspec

from hub.domain.command import Fact, Line, Supply
from hub.domain.draft import Draft, House

# The table of records; the field is the SKU, the value the list of its lines, the last changed at the end.
TABLE = "expected"
# Lines of one SKU of which something is still to come; one more is parked until there is room.
OPEN_MAX = 200
# Of the lines that expect nothing more, so many of each kind are remembered for facts that come late, the last changed:
# those that arrived or were cancelled, and those of which only receipts are known.
KEPT_MAX = 16


class ExpectedLine(msgspec.Struct, frozen=True, array_like=True):
    """Units of one SKU that a purchase order brings to a location."""

    location: str
    purchase_order: str
    # Units ordered in all.
    quantity: int = 0
    # Units that receipts for this purchase order brought there.
    received: int = 0
    # UTC milliseconds.
    eta_ms: int = 0
    # The time of the fact that set quantity and ETA, UTC milliseconds; None: only receipts came so far.
    set_at_ms: int | None = None
    # (pool, units held, units sold): units still to come that pools have promised, reserved for a while or for good.
    promises: tuple[tuple[str, int, int], ...] = ()

    @property
    def outstanding(self) -> int:
        """Units still to come."""
        return max(0, self.quantity - self.received)

    @property
    def promised(self) -> int:
        """Units of those that are promised to somebody."""
        return sum(held + sold for _, held, sold in self.promises)

    def promised_by(self, pool: str) -> int:
        """Units that a pool has promised."""
        return sum(held + sold for of_pool, held, sold in self.promises if of_pool == pool)


def expect(draft: Draft, fact: Fact, house: House) -> None:
    """Set what a purchase order brings; lines of one SKU are one line of their sum, and 0 cancels."""
    assert isinstance(fact.detail, Supply)
    order, eta_ms = fact.detail.purchase_order, fact.detail.eta_ms
    draft.about = order
    totals: dict[tuple[str, str], int] = {}
    for line in fact.lines:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        place = (line.sku, line.location)
        totals[place] = totals.get(place, 0) + line.quantity
    for (sku, location), quantity in totals.items():
        old = line_of(draft, sku, location, order)
        if old.set_at_ms is None or old.set_at_ms <= draft.time_ms:
            if quantity and eta_ms > old.eta_ms and old.promises:
                draft.delayed.append((sku, location, order))
            new = msgspec.structs.replace(old, quantity=quantity, eta_ms=eta_ms, set_at_ms=draft.time_ms)
            _set_line(draft, sku, new)


def note_received(draft: Draft, supply: Supply, line: Line) -> None:
    """Units of a purchase order arrived; what a count has seen has arrived all the same."""
    draft.about = supply.purchase_order
    old = line_of(draft, line.sku, line.location, supply.purchase_order)
    _set_line(draft, line.sku, msgspec.structs.replace(old, received=old.received + line.quantity))
    if old.promises:
        place = (line.sku, line.location, supply.purchase_order)
        draft.arrived[place] = draft.arrived.get(place, 0) + line.quantity


def lines_in(stored: object) -> list[ExpectedLine]:
    """The lines of a record.

    Raises:
        msgspec.ValidationError: it is no such record.
    """
    return msgspec.convert(stored or [], list[ExpectedLine])


def note_promised(draft: Draft, sku: str, place: tuple[str, str], pool: str, held: int, sold: int) -> None:
    """Units that the line of a (location, purchase order) brings are promised by a pool, or with a minus no more."""
    lines = lines_in(draft.record(TABLE, sku))
    index = next(i for i, line in enumerate(lines) if (line.location, line.purchase_order) == place)
    units = {of_pool: (held, sold) for of_pool, held, sold in lines[index].promises}
    before = units.get(pool, (0, 0))
    units[pool] = (before[0] + held, before[1] + sold)
    promises = tuple((of_pool, *some) for of_pool, some in units.items() if any(some))
    lines[index] = msgspec.structs.replace(lines[index], promises=promises)
    draft.sku_number(sku)
    draft.set_record(TABLE, sku, [_stored(line) for line in lines])


def line_of(draft: Draft, sku: str, location: str, order: str) -> ExpectedLine:
    """What a purchase order brings of a SKU to a location; a line of nothing when nobody said."""
    nothing = ExpectedLine(location, order)
    lines = lines_in(draft.record(TABLE, sku))
    return next((line for line in lines if _is_same(line, nothing)), nothing)


def _set_line(draft: Draft, sku: str, new: ExpectedLine) -> None:
    lines = [line for line in lines_in(draft.record(TABLE, sku)) if not _is_same(line, new)]
    kept = _remembered([*lines, new])
    # Only an `expected` makes a line open, so no receipt is parked.
    if sum(line.outstanding > 0 for line in kept) > OPEN_MAX:
        draft.park(f"more than {OPEN_MAX} lines of purchase orders would be open for {sku}")
    draft.set_record(TABLE, sku, [_stored(line) for line in kept])


def _is_same(line: ExpectedLine, other: ExpectedLine) -> bool:
    return (line.location, line.purchase_order) == (other.location, other.purchase_order)


def _remembered(lines: Sequence[ExpectedLine]) -> list[ExpectedLine]:
    """The lines without the oldest of those that expect nothing more."""
    kept: list[ExpectedLine] = []
    room = {True: KEPT_MAX, False: KEPT_MAX}
    for line in reversed(lines):
        if not line.outstanding:
            room[line.set_at_ms is None] -= 1
        if line.outstanding or room[line.set_at_ms is None] >= 0:
            kept.append(line)
    return kept[::-1]


def _stored(line: ExpectedLine) -> list[object]:
    """The line as it is stored: without its last fields while they say nothing."""
    fields = list(msgspec.structs.astuple(line))
    if line.promises:
        return [*fields[:-1], [list(each) for each in line.promises]]
    return fields[:-1] if line.set_at_ms is not None else fields[:-2]
