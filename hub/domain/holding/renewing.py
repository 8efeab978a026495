"""What an owner's next reservation keeps of the one whose place it takes.

It is found as if that one had been given back. Where this falls short, or promises what she holds on a shelf, it keeps
what that one keeps of what is asked, where it lies or as it is promised, and only the rest is found as for anybody
else. So whoever asks for no more than she holds is never refused: not because her own units stood behind a buffer or a
threshold, nor because other units lie there where hers are promised, nor because what she held in one place was held in
two since.
"""

from collections.abc import Sequence

import msgspec

from hub.domain.draft import Draft, House
from hub.domain.holding.hold import PURCHASE_ORDER, Allocation, Hold, Part, State, detach, units_of
from hub.domain.holding.placing import Demand, Found, Offer, Place, Shortage, Wish, find


class Own(msgspec.Struct):
    """What is asked, as far as the owner holds it, and the rest."""

    places: list[Place]
    rest: list[Demand]
    # Where those units are that were asked for anywhere, in the order of the hold.
    locations: tuple[str, ...]

    def comes_before(self, found: Found) -> bool:
        """Whether it is kept rather than what was found without it: that falls short, or promises what lies there."""
        there = {place.sku for place in self.places if not place.purchase_order}
        is_worse = any(place.purchase_order and place.sku in there for place in found.places)
        return bool(self.places) and (bool(found.shortages) or is_worse)


def own_units(wish: Wish, demands: Sequence[Demand], old: Hold) -> Own:
    """Say what a hold keeps of the demands where the wish allows it."""
    held: Sequence[Part] = [part for part in old.parts if part.state == State.held]
    own = Own([], [], ())
    # Those that say where first, or one that does not might take their units.
    for demand in sorted(demands, key=lambda each: not each.location):
        some, held = _held_for(demand, wish, held)
        places = [_place(part.sku, each) for part in some for each in part.allocations]
        own.places += places
        if units_of(some) < demand.quantity:
            own.rest.append(Demand(demand.sku, demand.quantity - units_of(some), demand.location))
        if not demand.location:
            own.locations = tuple(dict.fromkeys((*own.locations, *(each.location for each in places))))
    return own


def _held_for(demand: Demand, wish: Wish, held: Sequence[Part]) -> tuple[list[Part], list[Part]]:
    """What a demand finds among what is held, on shelves before what is promised, and the others."""

    def fits(each: Allocation) -> bool:
        return demand.location in ("", each.location) and wish.allows(each.location)

    states = (State.held,)
    there, held = detach(held, demand.sku, demand.quantity, states, fits=lambda each: each.is_placed and fits(each))
    left = demand.quantity - units_of(there)
    coming, held = detach(held, demand.sku, left, states, fits=lambda each: each.is_promised and fits(each))
    return [*there, *coming], held


def find_rest(draft: Draft, house: House, wish: Wish, own: Own, first: Found) -> Found:
    """Find places for what the owner does not hold, once what she holds is hers again, or say what is short of all.

    Without a split the rest that names no place is where the owner's units are that name none. `first` is what was
    found without them.
    """
    if own.locations and not wish.is_split:
        wish = msgspec.structs.replace(wish, beside=own.locations)
    found = find(draft, house, wish, own.rest)
    told = {sku: (requested, shown) for sku, requested, shown in first.shortages}
    shortages = found.shortages
    found.shortages = [_in_all(draft, house, wish, own, short, told.get(short[0], (0, -1))) for short in shortages]
    return found


def _in_all(draft: Draft, house: House, wish: Wish, own: Own, short: Shortage, first: tuple[int, int]) -> Shortage:
    """A shortage of the rest as one of all, or what could be had without the owner's units where that is more."""
    sku, requested, shown = short
    units = sum(place.quantity for place in own.places if place.sku == sku)
    in_all = Offer(draft, house, wish, sku).shown(units + shown)
    return sku, max(units + requested, first[0]), max(in_all, first[1])


def _place(sku: str, allocation: Allocation) -> Place:
    order = allocation.coming_by.removeprefix(PURCHASE_ORDER)
    return Place(sku, allocation.location, allocation.quantity, order)
