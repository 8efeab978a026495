"""What is owed to orders: units that nobody has.

Orders to which units of a SKU are owed stand in line, the first that came before the others, and whatever becomes free
where one's pool sees it is for the first.
"""

from collections.abc import Iterable

import msgspec

from hub.domain.draft import Draft
from hub.domain.holding.hold import KEPT, LIVE, Allocation, Hold, Part, State, hold_from

# The table of records: by SKU, the names of the orders to which units are owed, the first first.
LINE_UP = "shortfalls"


def owed_parts(sku: str, units: int) -> list[Part]:
    """Units that are owed to an order, as a part of its hold; none is no part."""
    return [Part(sku, units, State.confirmed, 0, (Allocation("", units),))] if units else []


def sorted_parts(parts: Iterable[Part], sku: str) -> tuple[list[Part], list[Part], int]:
    """The parts without what of this SKU lies nowhere: (those, what is coming, units that are owed)."""
    others: list[Part] = []
    coming: list[Part] = []
    owed = 0
    for part in parts:
        if part.sku != sku or all(each.is_placed for each in part.allocations):
            others.append(part)
            continue
        owed += sum(each.quantity for each in part.allocations if each.is_owed)
        others += _only(part, [each for each in part.allocations if each.is_placed])
        coming += _only(part, [each for each in part.allocations if not each.is_placed and not each.is_owed])
    return others, coming, owed


def stand_in_line(draft: Draft, name: str, hold: Hold, sku: str) -> None:
    """List the order among those to which units of the SKU are owed, by when it came, while any are.

    What is owed may be promised meanwhile; it stays in line for whatever comes before that.
    """
    old = list(draft.record(LINE_UP, sku) or ())
    kept = [each for part in hold.parts if part.sku == sku and part.state in KEPT for each in part.allocations]
    is_waiting = any(each.is_owed or (each.is_promised and name in old) for each in kept)
    if is_waiting == (name in old):
        return
    new = [each for each in old if each != name]
    if is_waiting:
        numbers = {each: hold_from(draft.record(LIVE, each)).number for each in new} | {name: hold.number}
        new = sorted([*new, name], key=lambda each: (numbers[each], each))
    draft.set_record(LINE_UP, sku, new or None)


def _only(part: Part, allocations: list[Allocation]) -> list[Part]:
    units = sum(each.quantity for each in allocations)
    return [msgspec.structs.replace(part, quantity=units, allocations=tuple(allocations))] if units else []
