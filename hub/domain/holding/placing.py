"""Where the units of a request can be had.

A request takes at most what the pool has `available`, out of a group never more than part'(g), and at a location its
own fence plus max(0, free − buffer). What was ordered elsewhere is placed by force: out of the own fence, then `free`,
whatever is held back.

Where a pool has nothing available, a request may take units that are still to come, the earliest first, within what the
pool may promise (`hub.domain.promising`).

One location for everything comes before several: the best by what the request says, then the one whose fence holds most
of it, then the first in the house's order.
"""

from collections.abc import Iterable, Sequence

import msgspec

from hub.domain.draft import Draft, House
from hub.domain.expected import TABLE as EXPECTED
from hub.domain.expected import lines_in
from hub.domain.pools import above, available, parts_of
from hub.domain.position import Position
from hub.domain.promising import Spare, promise


class Demand(msgspec.Struct, frozen=True):
    """Units of one SKU that are wanted."""

    sku: str
    quantity: int
    # Empty: anywhere.
    location: str = ""


class Wish(msgspec.Struct, frozen=True):
    """Who wants units, and where."""

    pool: str
    only: tuple[str, ...] = ()
    prefer: tuple[str, ...] = ()
    # Where units that may be anywhere are put, beside others that are there; empty: wherever they may be.
    beside: tuple[str, ...] = ()
    # Places that will not do.
    never: tuple[str, ...] = ()
    # Over several locations if need be.
    is_split: bool = False
    is_forced: bool = False
    # Where the pool has nothing available, units that are still to come; or those only.
    may_be_promised: bool = False
    is_promised: bool = False
    # Whether they were promised or ordered before, so that the limit of what is promised does not bind them.
    is_promised_anew: bool = False

    def rank(self, location: str) -> int:
        """How good a location is; 0 is best."""
        named = self.beside or self.only or self.prefer
        return named.index(location) if location in named else len(named)

    def allows(self, location: str) -> bool:
        """Whether the location will do at all."""
        return location not in self.never and (not self.only or location in self.only)


class Place(msgspec.Struct, frozen=True):
    """Units of a demand found at a location."""

    sku: str
    location: str
    quantity: int
    # What is to bring them there; empty: they lie there.
    purchase_order: str = ""


# (SKU, requested, what the pool shows of it; -1 where it shows no number).
Shortage = tuple[str, int, int]


class Found(msgspec.Struct):
    """What was found, and what was not."""

    places: list[Place]
    shortages: list[Shortage]


def demands_of(asked: Iterable[tuple[str, str, int]]) -> list[Demand]:
    """(SKU, location, units) as demands: those of one SKU at one place are one."""
    units: dict[tuple[str, str], int] = {}
    for sku, location, quantity in asked:
        units[sku, location] = units.get((sku, location), 0) + quantity
    return [Demand(sku, quantity, location) for (sku, location), quantity in units.items()]


def find(draft: Draft, house: House, wish: Wish, demands: Sequence[Demand]) -> Found:
    """Find places for all demands, or say what is short; by force, as much as there is."""
    if wish.pool not in house.pool_index:
        # The house was changed since; a pool that is no more has nothing.
        return Found([], [(demand.sku, demand.quantity, 0) for demand in demands])
    offers = {sku: Offer(draft, house, wish, sku) for sku in dict.fromkeys(demand.sku for demand in demands)}
    found = Found([], [])
    for sku, offer in offers.items():
        wanted = sum(demand.quantity for demand in demands if demand.sku == sku)
        if wanted > offer.room_in_all:
            found.shortages.append((sku, wanted, offer.shown(offer.room_in_all)))
    if found.shortages and not wish.is_forced:
        return found
    pinned = [demand for demand in demands if demand.location]
    for demand in pinned:
        _place(found, offers[demand.sku], demand, [demand.location])
    _place_anywhere(found, house, wish, offers, [demand for demand in demands if not demand.location])
    return found


def room_for(draft: Draft, house: House, wish: Wish, sku: str) -> int:
    """How many units of a SKU may be had, over all locations."""
    offer = Offer(draft, house, wish, sku)
    units = 0
    for location in house.locations:
        here = offer.room(location)
        if here:
            offer.take(location, here)
        units += here
    return units


def _place_anywhere(
    found: Found, house: House, wish: Wish, offers: dict[str, "Offer"], demands: Sequence[Demand]
) -> None:
    """Find places for demands that name none."""
    near = [each for each in house.locations if not wish.beside or each in wish.beside]
    locations = sorted(near, key=lambda each: (wish.rank(each), -_fenced(offers, demands, each)))
    whole = [each for each in locations if all(offers[d.sku].room(each) >= d.quantity for d in demands)]
    if whole:
        locations = whole[:1]
    elif not wish.is_split:
        # The one that lacks least tells best what is short.
        locations = sorted(locations, key=lambda each: -_covered(offers, demands, each))[:1]
    for demand in demands:
        _place(found, offers[demand.sku], demand, _alone_first(offers[demand.sku], demand, locations))


def _alone_first(offer: "Offer", demand: Demand, locations: Sequence[str]) -> Sequence[str]:
    """The first location that has the whole demand, or all of them."""
    return next(([each] for each in locations if offer.room(each) >= demand.quantity), locations)


def _place(found: Found, offer: "Offer", demand: Demand, locations: Sequence[str]) -> None:
    left = demand.quantity
    for location in locations:
        units = min(left, offer.room(location))
        if units:
            found.places += offer.take(location, units)
            left -= units
    if left and not any(sku == demand.sku for sku, _, _ in found.shortages):
        found.shortages.append((demand.sku, demand.quantity, offer.shown(demand.quantity - left)))


def _fenced(offers: dict[str, "Offer"], demands: Sequence[Demand], location: str) -> int:
    """How much of the demands the pool's own fences at a location hold."""
    return sum(min(demand.quantity, offers[demand.sku].fenced(location)) for demand in demands)


def _covered(offers: dict[str, "Offer"], demands: Sequence[Demand], location: str) -> int:
    return sum(min(demand.quantity, offers[demand.sku].room(location)) for demand in demands)


class Offer:
    """What a pool may give of one SKU, less what was taken already: units it has, or units that are still to come."""

    def __init__(self, draft: Draft, house: House, wish: Wish, sku: str) -> None:
        self._number = house.pool_index[wish.pool]
        self._profile = house.profile(sku)
        self._wish = wish
        self._sku = sku
        self._terms = self._profile.terms[self._number]
        self._positions = {each: what for each, what in draft.positions_of(sku).items() if each in set(house.locations)}
        parts = parts_of(draft.positions_of(sku), self._profile, self._number)
        self.room_in_all = available(self._terms, parts)
        self._group_rooms = [above(part, *group) for part, group in zip(parts, self._terms.groups, strict=True)]
        self._taken: dict[str, int] = {}
        # By location, the earliest first; None: of units that lie there.
        self._spare: dict[str, list[Spare]] | None = None
        if wish.is_forced:
            self.room_in_all = sum(map(self._lying, self._positions))
        elif wish.is_promised or (wish.may_be_promised and not self.room_in_all and self._terms.preorder_limit > 0):
            self._promise(draft)

    def fenced(self, location: str) -> int:
        """Units in the pool's own fence there."""
        position = self._positions.get(location, Position())
        return sum(fence.quantity for fence in position.fences if fence.pool == self._wish.pool)

    def room(self, location: str) -> int:
        """How many units may be taken there."""
        if not self._wish.allows(location):
            return 0
        here = self._here(location) - self._taken.get(location, 0)
        if self._wish.is_forced:
            return max(0, here)
        return max(0, min(here, self._group_rooms[self._group(location)], self.room_in_all))

    def take(self, location: str, units: int) -> list[Place]:
        """Count units as taken, and say which."""
        already = self._taken.get(location, 0)
        self._taken[location] = already + units
        self._group_rooms[self._group(location)] -= units
        self.room_in_all -= units
        if self._spare is None:
            return [Place(self._sku, location, units)]
        places = []
        for each in self._spare[location]:
            passed = min(already, each.quantity)
            already -= passed
            some = min(units, each.quantity - passed)
            units -= some
            places += [Place(self._sku, location, some, each.purchase_order)] if some else []
        return places

    def shown(self, units: int) -> int:
        """A number of units as the pool shows it; -1 where it shows none."""
        if self._terms.show_status:
            return -1
        return units if self._terms.cap < 0 else min(units, self._terms.cap)

    def _promise(self, draft: Draft) -> None:
        """Offer what is still to come."""
        lines, positions = lines_in(draft.record(EXPECTED, self._sku)), draft.positions_of(self._sku)
        is_bound = not self._wish.is_promised_anew
        coming = promise(positions, lines, self._profile, self._number, is_bound=is_bound)
        self.room_in_all = coming.units
        self._group_rooms = list(coming.rooms)
        self._spare = {}
        for each in coming.spare:
            self._spare.setdefault(each.location, []).append(each)

    def _group(self, location: str) -> int:
        # A fence at a location the pool does not see counts among the locations in no group.
        return max(1, self._profile.sight(location)[self._number][0]) - 1

    def _here(self, location: str) -> int:
        if self._spare is not None:
            return sum(each.quantity for each in self._spare.get(location, ()))
        return self._lying(location) if location in self._positions else 0

    def _lying(self, location: str) -> int:
        group, buffer = self._profile.sight(location)[self._number]
        free = self._positions[location].free
        seen = max(0, free if self._wish.is_forced else free - buffer) if group else 0
        return seen + self.fenced(location)
