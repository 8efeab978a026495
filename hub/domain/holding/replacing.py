"""Other units for those that a hold has lost: held as they were, with their state and their time."""

from collections.abc import Sequence

import msgspec

from hub.domain.draft import Draft, House
from hub.domain.expected import line_of
from hub.domain.holding.hold import PURCHASE_ORDER, Hold, Part, State, detach, over, units_of
from hub.domain.holding.keeping import taken
from hub.domain.holding.placing import Wish, demands_of, find, room_for


def replaced(
    draft: Draft, house: House, named: tuple[str, Hold], part: Part, location: str, *, eta_ms: int | None = None
) -> list[Part]:
    """A part of a reservation that was lost at a location, held elsewhere as far as its pool has units there.

    With `eta_ms`, when units were expected that were promised, others may be promised in their place. The rest is
    broken.
    """
    name, hold = named
    wish = Wish(hold.pool, hold.only, hold.prefer, is_split=True)
    kept = standing_in(_as_many(draft, house, wish, part.sku, part.quantity), [part])
    if eta_ms is not None:
        tell_arrived(draft, (name, hold.pool), kept)
        left = part.quantity - units_of(kept)
        more = promised_parts(draft, house, hold, part.sku, left)
        tell_late(draft, (name, hold.pool), more, eta_ms)
        kept += standing_in(more, [part])
    left = part.quantity - units_of(kept)
    if left:
        draft.alert("reservation_broken", draft.sku_number(part.sku), location, left, "", name)
        kept.append(over(msgspec.structs.replace(part, quantity=left), State.broken))
    return kept


def promised_parts(draft: Draft, house: House, hold: Hold, sku: str, units: int, *, is_anew: bool = True) -> list[Part]:
    """Units of a SKU that are still to come, promised to a hold, as many as may be; parts that are held.

    Those that were promised or ordered before are promised anew: no limit binds them.
    """
    wish = Wish(hold.pool, hold.only, hold.prefer, is_split=True, is_promised=True, is_promised_anew=is_anew)
    return _as_many(draft, house, wish, sku, units)


def _as_many(draft: Draft, house: House, wish: Wish, sku: str, units: int) -> list[Part]:
    """Up to so many units of a SKU, as many as there are, as parts that are held."""
    if not units or wish.pool not in house.pool_index:
        return []
    units = min(units, room_for(draft, house, wish, sku))
    found = find(draft, house, wish, demands_of([(sku, "", units)] if units else []))
    return taken(draft, wish.pool, found.places, State.held)


def standing_in(found: Sequence[Part], lost: Sequence[Part]) -> list[Part]:
    """Units that were found, each with the state and time of the one it stands in for."""
    parts: list[Part] = []
    for part in lost:
        some, found = detach(found, part.sku, part.quantity, (State.held,))
        parts += [msgspec.structs.replace(each, state=part.state, expires_at_ms=part.expires_at_ms) for each in some]
    return parts


def tell_arrived(draft: Draft, whose: tuple[str, str], parts: Sequence[Part]) -> None:
    """Say that units that were promised to a (hold, pool) are there now."""
    name, pool = whose
    for part in parts:
        for each in part.allocations:
            draft.alert("promise_arrived", draft.sku_number(part.sku), each.location, each.quantity, pool, name)


def tell_late(draft: Draft, whose: tuple[str, str], parts: Sequence[Part], eta_ms: int) -> None:
    """Say that units that were promised for a time are now promised for a later one, to a (hold, pool)."""
    name, pool = whose
    for part in parts:
        for each in part.allocations:
            line = line_of(draft, part.sku, each.location, each.coming_by.removeprefix(PURCHASE_ORDER))
            if line.eta_ms > eta_ms:
                number = draft.sku_number(part.sku)
                draft.alert("promise_late", number, each.location, each.quantity, pool, name)
