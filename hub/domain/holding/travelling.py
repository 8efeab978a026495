"""Units of orders that travel: a shop's piece goes to the warehouse to be packed, and stays the order's on the way.

Which piece goes the shop has chosen: those kept where the transfer begins go first, then it brings what the order
lacks, what was promised to it, and then what is kept elsewhere, which is given back there. What arrives is for the
orders whose units it brings, the one that came first before the others; it repays nothing and fills no fence. What
does not arrive is found anew.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hub.domain.buckets import HAND, RESERVED, Change, Move, arrive, depart, move
from hub.domain.command import Line
from hub.domain.draft import Draft, House
from hub.domain.holding import reserving
from hub.domain.holding.account import Account
from hub.domain.holding.hold import KEPT, Allocation, Part, State, detach, units_of
from hub.domain.holding.in_transit import by_transfer, held_in, is_in_transit
from hub.domain.holding.keeping import let_go
from hub.domain.holding.orders import id_of
from hub.domain.holding.owing import owed_parts, sorted_parts
from hub.domain.position import Position


class Journey(NamedTuple):
    """The transfer by which units travel."""

    id: str
    to: str


class Traveller(Account):
    """What is kept for an order, as far as it travels by one transfer."""

    def __init__(self, draft: Draft, house: House, id: str, journey: Journey) -> None:
        super().__init__(draft, house, id)
        self._journey = journey
        self._coming_by = by_transfer(journey.id)

    def wants(self, sku: str) -> bool:
        """Whether units of the SKU are kept for the order, owed or promised to it, that no transfer brings yet."""
        return any(not is_in_transit(each) for part in self._kept(sku) for each in part.allocations)

    def leave_with(self, line: Line) -> list[Allocation]:
        """Take out of the hold what of it leaves with a line: the units that are kept where it leaves."""
        assert self.hold is not None
        parts, coming, owed = sorted_parts(self.hold.parts, line.sku)
        there = self._placed_at(line.sku, line.location)
        gone, parts = detach(parts, line.sku, min(line.quantity, there), KEPT, at=line.location)
        self._keep_parts([*parts, *coming, *owed_parts(line.sku, owed)])
        return [each for part in gone for each in part.allocations]

    def travel(self, sku: str, left: int, room: int) -> None:
        """Let up to `room` units travel: those that left, what is owed, what is promised, what is kept elsewhere.

        What left and does not travel is found anew.
        """
        assert self.hold is not None
        own = min(left, room)
        parts, coming, owed = sorted_parts(self.hold.parts, sku)
        served = min(owed, room - own)
        ended, coming = detach(coming, sku, room - own - served, KEPT, fits=lambda each: each.is_promised)
        promised = units_of(ended)
        elsewhere = min(self._placed(sku), room - own - served - promised)
        # What lies where it goes is the last to be given back.
        there, parts = detach(parts, sku, self._placed_at(sku, self._journey.to), KEPT, at=self._journey.to)
        back, parts = detach([*parts, *there], sku, elsewhere, KEPT)
        for each in (each for part in back for each in part.allocations):
            let_go(self._draft, self.hold.pool, sku, each)
        on_the_way = self._part(sku, own + served + promised + elsewhere, self._coming_by)
        self._keep_parts([*parts, *coming, *on_the_way, *owed_parts(sku, owed - served)])
        self._find_anew(sku, left - own)
        self.keep()

    def arrive(self, sku: str, units: int) -> None:
        """Units came to lie where the transfer goes, and are kept there."""
        assert self.hold is not None
        _, parts = detach(self.hold.parts, sku, units, KEPT, fits=self._is_mine)
        self._keep_parts([*parts, *self._part(sku, units, "")])
        self.fulfil_what_waited(sku)
        self.keep()

    def miss(self, sku: str, units: int) -> None:
        """Units do not arrive, or nobody can say which of them they are: others are kept, or they are owed."""
        assert self.hold is not None
        _, parts = detach(self.hold.parts, sku, units, KEPT, fits=self._is_mine)
        self._keep_parts(parts)
        self._find_anew(sku, units)
        self.keep()

    def _find_anew(self, sku: str, units: int) -> None:
        """Keep others in place of units, rather where the transfer goes; what nobody has is owed."""
        assert self.hold is not None
        if not units:
            return
        parts, coming, owed = sorted_parts(self.hold.parts, sku)
        found = self._forced(sku, units, only=(self._journey.to,))
        found += self._forced(sku, units - units_of(found))
        lacking = units - units_of(found)
        self._draft.alert("reservation_broken", self._draft.sku_number(sku), self._journey.to, lacking, "", self._name)
        self._keep_parts([*parts, *found, *coming, *owed_parts(sku, owed + lacking)])
        self.fulfil_what_waited(sku)

    def _placed_at(self, sku: str, location: str) -> int:
        places = (each for part in self._kept(sku) for each in part.allocations if each.is_placed)
        return sum(each.quantity for each in places if each.location == location)

    def _is_mine(self, allocation: Allocation) -> bool:
        return allocation.coming_by == self._coming_by

    def _part(self, sku: str, units: int, coming_by: str) -> list[Part]:
        allocation = Allocation(self._journey.to, units, 0, coming_by)
        return [Part(sku, units, State.confirmed, 0, (allocation,))] if units else []


def traveller(draft: Draft, house: House, order: str, sku: str, journey: Journey) -> Traveller | None:
    """The order whose units of a SKU a dispatch takes along; None when it names none, or one that none are kept for."""
    if not order:
        return None
    account = Traveller(draft, house, order, journey)
    return account if account.wants(sku) else None


def depart_with(
    position: Position, quantity: int, gone: Sequence[Allocation], pool: str, *, pools: Sequence[str]
) -> Change:
    """Take what was sent elsewhere into the hand, first what of it was kept for the order it is sent for."""
    moves: list[Move] = []
    for each in gone:
        change = reserving.leave(position, each.quantity, each.fenced, pool, to=HAND)
        position = change.position
        moves += change.moves
    change = depart(position, quantity - sum(each.quantity for each in gone), pools=pools)
    return Change(change.position, (*moves, *change.moves), change.alerts)


def arrive_with(position: Position, quantity: int, held: int, *, pools: Sequence[str]) -> Change:
    """Bring units from the hand: those that are held into `reserved`, the others into `free`, after what they owe."""
    moves: list[Move] = []
    position = move(position, Move(HAND, RESERVED, held), moves)
    change = arrive(position, quantity - held, source=HAND, pools=pools)
    return Change(change.position, (*moves, *change.moves))


def arrive_held(draft: Draft, house: House, journey: Journey, sku: str, units: int) -> None:
    """Units that lie where they go are the oldest holds' of those that they were brought for."""
    for name, quantity in held_in(draft, journey.id, sku):
        some = min(units, quantity)
        if some:
            Traveller(draft, house, id_of(name), journey).arrive(sku, some)
        units -= some


def miss_held(
    draft: Draft, house: House, journey: Journey, sku: str, units: int, *, newest_first: bool = False
) -> None:
    """Units that a transfer does not bring to those they are kept for, or not so that anybody can tell."""
    held = held_in(draft, journey.id, sku)
    for name, quantity in held[::-1] if newest_first else held:
        some = min(units, quantity)
        if some:
            Traveller(draft, house, id_of(name), journey).miss(sku, some)
        units -= some


def units_held(draft: Draft, journey: Journey, sku: str) -> int:
    """Units of a SKU that a transfer brings for somebody."""
    return sum(units for _, units in held_in(draft, journey.id, sku))
