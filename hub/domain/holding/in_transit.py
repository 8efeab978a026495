"""Units that are kept for somebody and are on their way by a transfer.

The holds say what they have there; each transfer's record says the same, so that who receives knows for whom.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hub.domain.command import Line
from hub.domain.draft import Draft
from hub.domain.holding.hold import KEPT, LIVE, TRANSFER, Allocation, Hold, Part, detach, hold_from, units_of
from hub.domain.transit import OPEN, known_transfer, stored_transfer


def by_transfer(id: str) -> str:
    """What brings the units of an allocation that travel by this transfer."""
    return TRANSFER + id


def is_in_transit(allocation: Allocation) -> bool:
    """Whether the units are on their way by a transfer."""
    return allocation.coming_by.startswith(TRANSFER)


def units_in_transit(hold: Hold) -> dict[tuple[str, str], int]:
    """By transfer and SKU: the units of a hold that are on their way, in the order of its parts."""
    units: dict[tuple[str, str], int] = {}
    for part in hold.parts:
        for each in part.allocations if part.state in KEPT else ():
            if is_in_transit(each):
                place = (each.coming_by.removeprefix(TRANSFER), part.sku)
                units[place] = units.get(place, 0) + each.quantity
    return units


def note_in_transit(draft: Draft, name: str, new: Hold) -> None:
    """Tell the transfers what a hold has in them that takes the place of what is remembered of it."""
    value = draft.record(LIVE, name)
    before = units_in_transit(hold_from(value)) if value is not None else {}
    after = units_in_transit(new)
    for id, sku in dict.fromkeys([*before, *after]):
        units = after.get((id, sku), 0)
        if units != before.get((id, sku), 0):
            # A transfer that begins with this command is written down by it at the end.
            record = known_transfer(draft, id)
            held = tuple(_with_units(record.held, sku, name, units))
            draft.set_record(OPEN, id, stored_transfer(msgspec.structs.replace(record, held=held)))


def held_in(draft: Draft, id: str, sku: str) -> list[tuple[str, int]]:
    """(Name of a hold, units) of a SKU that a transfer brings for somebody, the oldest hold first."""
    held = [(name, units) for of_sku, name, units in known_transfer(draft, id).held if of_sku == sku]
    numbers = {name: hold_from(draft.record(LIVE, name)).number for name, _ in held}
    return sorted(held, key=lambda each: (numbers[each[0]], each[0]))


def came_unsaid(parts: Sequence[Part], coming: Sequence[Part], line: Line, out: int) -> tuple[list[Part], int]:
    """Of `out` units that leave as a line says, take those off what is coming that nobody said came there.

    They leave from where a transfer brings them, and no others are kept there. Answers what is coming still, and units.
    """
    placed = (each for part in parts if part.sku == line.sku and part.state in KEPT for each in part.allocations)
    there = sum(each.quantity for each in placed if each.location == line.location)

    def is_there(allocation: Allocation) -> bool:
        return is_in_transit(allocation) and allocation.location == line.location

    gone, still = detach(coming, line.sku, max(0, out - there), KEPT, fits=is_there)
    return still, units_of(gone)


def _with_units(held: Iterable[tuple[str, str, int]], sku: str, name: str, units: int) -> list[Any]:
    """The list with other units of one hold, in their place or at the end; none is no entry."""
    new = {(of_sku, of_name): number for of_sku, of_name, number in held}
    new[sku, name] = units
    return [(*place, number) for place, number in new.items() if number]
