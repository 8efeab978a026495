"""A hold: units kept for one owner, in parts that each have a state and places of their own.

A verb about some of the units detaches them from their part and gives them another state, so that confirming one bag of
two, or returning one, needs no rule of its own. The state of the hold as a whole follows from its parts.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import IntEnum
from typing import Any

import msgspec

# The tables of records: holds with units kept; holds that are over, for as long as ids are known; by owner and pool,
# or by the order they are for: those that the owner's next, or the order, takes over.
LIVE, ENDED, OWNERS = "holds", "ended_holds", "owners"
RESERVATION, ORDER = "reservation", "order"
# What brings units that are still to come, before its id.
TRANSFER, PURCHASE_ORDER = "transfer:", "purchase_order:"
# Lines of one hold, and how often parts of it may be confirmed, released, fulfilled or reallocated.
LINES_MAX = 100
# Of the reservations of one owner in a pool that units are kept for, so many are remembered as the owner's: rather
# those of which any are only held, and then the newest.
OWNED_MAX = 100
STEPS_MAX = 100


class State(IntEnum):
    """The state of a part, as stored; `State(n).name` is its word on the wire."""

    held = 0
    confirmed = 1
    fulfilled = 2
    released = 3
    expired = 4
    broken = 5
    # An order took it over; what becomes of it is told there.
    ordered = 6


KEPT = (State.held, State.confirmed)


class Allocation(msgspec.Struct, frozen=True, array_like=True):
    """Units of a part at one place, or on their way to it."""

    # Empty: nowhere yet, owed by whatever arrives next.
    location: str
    quantity: int
    # How many of them came out of the own pool's fence; a fence counts them as filled.
    fenced: int = 0
    # `transfer:<id>` or `purchase_order:<id>`, of units that are still to arrive at the location by it.
    coming_by: str = ""

    @property
    def is_placed(self) -> bool:
        """Whether the units lie on a shelf."""
        return self.location != "" and not self.coming_by

    @property
    def is_promised(self) -> bool:
        """Whether a purchase order is to bring the units."""
        return self.coming_by.startswith(PURCHASE_ORDER)

    def is_from(self, location: str, coming_by: str) -> bool:
        """Whether the units are to come to this location by that."""
        return (self.location, self.coming_by) == (location, coming_by)

    @property
    def is_owed(self) -> bool:
        """Whether the units are nowhere, and nothing brings them."""
        return self.location == ""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Units of one SKU in one state."""

    sku: str
    quantity: int
    state: int
    # When they are given back, by the kernel's clock, UTC milliseconds; 0: not by themselves.
    expires_at_ms: int = 0
    # While they are kept: all of them, somewhere.
    allocations: tuple[Allocation, ...] = ()


class Hold(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a reservation or an order."""

    # `Seq.rank` of the journal entry that made it: who came first is served first, of whatever epoch.
    number: int
    pool: str
    owner: str
    # A kind of reservation; of an order empty.
    kind: str
    # Hash of the request's content in canonical form.
    hash: str
    made_at_ms: int
    # 1: over several locations if need be.
    split: int = 0
    # Nowhere else than here, the best first.
    only: tuple[str, ...] = ()
    # Rather here than elsewhere, the best first.
    prefer: tuple[str, ...] = ()
    # The order that a reservation is for.
    order: str = ""
    # 1: the owner's next reservation of this kind takes its place.
    is_named: int = 0
    parts: tuple[Part, ...] = ()
    # What was done to some of its units, by the hash of the request, so that a repeat changes nothing.
    steps: tuple[str, ...] = ()
    # (SKU, location, units) that were asked for at a place.
    pins: tuple[tuple[str, str, int], ...] = ()

    @property
    def state(self) -> State:
        """The state of the whole."""
        states = {part.state for part in self.parts}
        # An order whose units all left before it was placed never had any part.
        return next((state for state in _STRONGEST_FIRST if state in states), State.fulfilled)

    @property
    def is_kept(self) -> bool:
        """Whether units are kept for it."""
        return any(part.state in KEPT for part in self.parts)

    @property
    def is_taken_over(self) -> bool:
        """Whether an order took over what was reserved."""
        return any(part.state == State.ordered for part in self.parts)

    @property
    def is_open_for_an_order(self) -> bool:
        """Whether no order took it over as a whole yet; one that is over tells what left already."""
        return any(part.state != State.ordered for part in self.parts)

    @property
    def due_at_ms(self) -> int:
        """When the first of its units are given back, UTC milliseconds; 0 is never."""
        times = [part.expires_at_ms for part in self.parts if part.state == State.held and part.expires_at_ms]
        return min(times, default=0)

    @property
    def skus(self) -> list[str]:
        """Its distinct SKUs, in order."""
        return list(dict.fromkeys(part.sku for part in self.parts))


_STRONGEST_FIRST = (
    State.held,
    State.confirmed,
    State.ordered,
    State.fulfilled,
    State.broken,
    State.expired,
    State.released,
)
_encode = msgspec.msgpack.Encoder().encode


def reservation_name(id: str) -> str:
    """The field of a reservation's record."""
    return f"{RESERVATION}:{id}"


def owners_field(owner: str, pool: str) -> str:
    """The field of an owner's holds in a pool."""
    return f"{owner}\0{pool}"


def owners_of_order(order: str, owner: str) -> list[str]:
    """As whose an order finds what was reserved for it: its own, by an owner that no token has, and its owner's."""
    return [f"\0{order}", *([owner] if owner else [])]


def hold_from(value: Any) -> Hold:
    """Read a record as it is stored."""
    return msgspec.convert(value, Hold)


def stored(hold: Hold) -> Any:
    """As the journal has it."""
    return msgspec.msgpack.decode(_encode(hold))


def of_allocation(allocation: Allocation, units: int) -> Allocation:
    """So many units of an allocation: those that came out of the fence go last."""
    others = allocation.quantity - allocation.fenced
    return msgspec.structs.replace(allocation, quantity=units, fenced=max(0, units - others))


def without(allocation: Allocation, taken: Allocation) -> Allocation:
    """What is left of an allocation."""
    quantity, fenced = allocation.quantity - taken.quantity, allocation.fenced - taken.fenced
    return msgspec.structs.replace(allocation, quantity=quantity, fenced=fenced)


def detach(
    parts: Sequence[Part],
    sku: str,
    quantity: int,
    states: Collection[int],
    *,
    at: str = "",
    fits: Callable[[Allocation], bool] | None = None,
) -> tuple[list[Part], list[Part]]:
    """Take units of a SKU out of the parts in these states: (what was taken, what is left), both in order.

    Those that lie at the location `at` go first, none that does not fit. Fewer are taken where there are fewer.
    """
    places = [
        (i, j)
        for i, part in enumerate(parts)
        if part.sku == sku and part.state in states
        for j in range(len(part.allocations) or 1)
        if fits is None or any(map(fits, part.allocations[j : j + 1]))
    ]
    if at:
        places.sort(key=lambda place: not _is_at(parts[place[0]], place[1], at))
    takes: dict[tuple[int, int], int] = {}
    left = quantity
    for i, j in places:
        part = parts[i]
        takes[i, j] = min(left, part.allocations[j].quantity if part.allocations else part.quantity)
        left -= takes[i, j]
    taken, rest = [], []
    for i, part in enumerate(parts):
        own = [takes.get((i, j), 0) for j in range(len(part.allocations) or 1)]
        taken += _some(part, own)
        rest += _others(part, own)
    return taken, rest


def merged(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The parts, those that differ in nothing but units and places being one."""
    kept: dict[tuple[str, int, int], Part] = {}
    for part in parts:
        key = (part.sku, part.state, part.expires_at_ms)
        old = kept.get(key)
        if old is None:
            kept[key] = msgspec.structs.replace(part, allocations=_joined(part.allocations))
        else:
            allocations = _joined((*old.allocations, *part.allocations))
            kept[key] = msgspec.structs.replace(old, quantity=old.quantity + part.quantity, allocations=allocations)
    return tuple(kept.values())


def units_of(parts: Iterable[Part]) -> int:
    """The units of some parts."""
    return sum(part.quantity for part in parts)


def over(part: Part, state: State) -> Part:
    """The part when its units are kept no more."""
    return Part(part.sku, part.quantity, state)


def _is_at(part: Part, index: int, location: str) -> bool:
    return any(each.is_placed and each.location == location for each in part.allocations[index : index + 1])


def _some(part: Part, units: Sequence[int]) -> list[Part]:
    if not sum(units):
        return []
    pairs = zip(part.allocations, units, strict=False)
    allocations = tuple(of_allocation(each, own) for each, own in pairs if own)
    return [msgspec.structs.replace(part, quantity=sum(units), allocations=allocations)]


def _others(part: Part, units: Sequence[int]) -> list[Part]:
    if sum(units) == part.quantity:
        return []
    pairs = zip(part.allocations, units, strict=False)
    allocations = tuple(without(each, of_allocation(each, own)) for each, own in pairs if own < each.quantity)
    return [msgspec.structs.replace(part, quantity=part.quantity - sum(units), allocations=allocations)]


def _joined(allocations: Iterable[Allocation]) -> tuple[Allocation, ...]:
    """One allocation for each place, in the order of the first of it."""
    places: dict[tuple[str, str], Allocation] = {}
    for each in allocations:
        place = (each.location, each.coming_by)
        old = places.get(place, msgspec.structs.replace(each, quantity=0, fenced=0))
        quantity, fenced = old.quantity + each.quantity, old.fenced + each.fenced
        places[place] = msgspec.structs.replace(old, quantity=quantity, fenced=fenced)
    return tuple(places.values())
