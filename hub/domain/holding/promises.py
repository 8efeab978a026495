"""Units that are promised: which holds wait for which purchase order.

The lines of purchase orders say how many of their units are promised, by pool; that follows from the holds.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.domain.draft import Draft
from hub.domain.expected import note_promised
from hub.domain.holding.hold import KEPT, LIVE, PURCHASE_ORDER, Hold, State, hold_from

# (SKU, location, purchase order) → [units held, units sold]
_Units = dict[tuple[str, str, str], list[int]]


def note_promises(draft: Draft, old: Any, new: Hold) -> None:
    """Bring the lines of purchase orders up to a hold that takes the place of another, as it was stored."""
    before, after = promised_units(hold_from(old)) if old is not None else {}, promised_units(new)
    for place in dict.fromkeys([*before, *after]):
        was, will_be = before.get(place, [0, 0]), after.get(place, [0, 0])
        if was != will_be:
            sku, location, order = place
            held, sold = will_be[0] - was[0], will_be[1] - was[1]
            note_promised(draft, sku, (location, order), new.pool, held, sold)


class Waiting(NamedTuple):
    """A hold to which units of a line of a purchase order are promised."""

    # Of the journal entry that made it, and its name: who came first is served first.
    number: int
    name: str
    pool: str
    held: int
    sold: int


def waiting_for(draft: Draft, sku: str, location: str, order: str) -> list[Waiting]:
    """Who waits for a line of a purchase order, the oldest first."""
    found: list[Waiting] = []
    for name, value in draft.records_of(LIVE).items():
        hold = hold_from(value)
        units = promised_units(hold).get((sku, location, order))
        if units is not None:
            found.append(Waiting(hold.number, name, hold.pool, *units))
    return sorted(found)


def promised_units(hold: Hold) -> Mapping[tuple[str, str, str], list[int]]:
    """By SKU, location and purchase order: the units of a hold that are still to come, [held, sold]."""
    units: _Units = {}
    for part in (part for part in hold.parts if part.state in KEPT):
        for each in (each for each in part.allocations if each.is_promised):
            place = (part.sku, each.location, each.coming_by.removeprefix(PURCHASE_ORDER))
            units.setdefault(place, [0, 0])[part.state == State.confirmed] += each.quantity
    return units
