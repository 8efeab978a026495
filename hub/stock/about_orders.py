"""Look up what a fact about an order may touch before the kernel is asked, and whether its sender may.

Those are the SKUs that it names, those that were told of the order before, and those of the reservations that it takes
over. When that is outdated by the time the kernel is asked, it says so (`look_again`) and writes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from hub.domain.command import Fact, Line, Ordering
from hub.domain.holding.hold import KEPT, Hold, owners_of_order
from hub.domain.holding.ordering import leaves_from
from hub.domain.holding.orders import Order, order_name, renamed
from hub.domain.rules import House
from hub.stock.allowed import Allowed
from hub.stock.held import Held
from hub.stock.outcome import Forbidden, Refused
from protocol.limits import LOCATIONS_PER_ORDER_MAX


class _Known(NamedTuple):
    """What is remembered of some orders and reservations."""

    orders: Mapping[str, Order]
    # By name, of orders and reservations.
    holds: Mapping[str, Hold]
    # By (owner, pool) the names of the reservations that the owner's order takes over.
    owned: Mapping[tuple[str, str], Sequence[str]]

    def reserved(self, fact: Fact) -> list[Hold]:
        """The reservations that the fact takes over, if it places an order."""
        ordering = _ordering(fact)
        if fact.verb != "order_place":
            return []
        named = [ordering.reservation] if ordering.reservation else []
        for pair in () if ordering.reservation else _pairs(fact):
            named += self.owned.get(pair, ())
        holds = (self.holds.get(name) for name in dict.fromkeys(named))
        return [hold for hold in holds if hold is not None and hold.is_open_for_an_order]


class AboutOrders:
    """Looks up what facts about orders are about, for one partition."""

    def __init__(self, held: Held) -> None:
        self._held = held

    async def complete(self, facts: Sequence[Fact], house: House, allowed: Allowed) -> list[Fact | Refused | Forbidden]:
        """Complete facts about orders, in their order; or say why one cannot be booked.

        What would leave from a location that the house does not have any more is parked.

        Raises:
            Unavailable: Redis did not answer.
        """
        known = await self._look_up(facts)
        return [_completed(fact, known, house, allowed) for fact in facts]

    async def forbidden(self, orders: Sequence[str], allowed: Allowed) -> dict[str, str]:
        """By order of these that the sender may not send units for: why.

        Raises:
            Unavailable: Redis did not answer.
        """
        if not orders:
            return {}
        known, holds = await self._held.orders(orders), await self._held.find(list(map(order_name, orders)))
        found = ((id, _forbidden(known.get(id, Order()), [holds.get(order_name(id))], allowed)) for id in orders)
        return {id: why for id, why in found if why is not None}

    async def _look_up(self, facts: Sequence[Fact]) -> _Known:
        orderings = list(map(_ordering, facts))
        orders = await self._held.orders(list(dict.fromkeys(each.order for each in orderings)))
        pairs = [pair for fact in facts if not _ordering(fact).reservation for pair in _pairs(fact)]
        owned = dict(zip(pairs, await self._held.owned(pairs), strict=True))
        names = [each.reservation for each in orderings if each.reservation] + [order_name(id) for id in orders]
        names += [name for some in owned.values() for name in some]
        return _Known(orders, await self._held.find(list(dict.fromkeys(names))), owned)


def _pairs(fact: Fact) -> list[tuple[str, str]]:
    """As whose, and in which pool, the reservations are found that an order takes over unless it names one."""
    if fact.verb != "order_place":
        return []
    ordering = _ordering(fact)
    return [(owner, fact.pool) for owner in owners_of_order(ordering.order, ordering.owner)]


def _ordering(fact: Fact) -> Ordering:
    assert isinstance(fact.detail, Ordering)
    return fact.detail


def _completed(fact: Fact, known: _Known, house: House, allowed: Allowed) -> Fact | Forbidden:
    ordering = _ordering(fact)
    order = renamed(known.orders.get(ordering.order, Order()), house.sku)
    reserved = known.reserved(fact)
    why = _forbidden(order, [known.holds.get(order_name(ordering.order)), *reserved], allowed)
    if why is not None:
        return Forbidden(why)
    if fact.verb == "order_place" and not ordering.only and allowed.locations is not None:
        only = _within(ordering, house, allowed)
        if isinstance(only, Forbidden):
            return only
        ordering = msgspec.structs.replace(ordering, only=only)
    ordering = msgspec.structs.replace(
        ordering, asked=tuple((house.sku(sku), location, units) for sku, location, units in ordering.asked)
    )
    where = leaves_from(ordering, order)
    if where and where not in house.locations:
        return msgspec.structs.replace(fact, verb="park", lines=(), detail=None)
    skus = [sku for sku, _, _ in ordering.asked] + [line.sku for line in order.lines]
    skus += [sku for hold in reserved for sku in hold.skus]
    lines = tuple(Line(sku, where, 0) for sku in dict.fromkeys(skus))
    return msgspec.structs.replace(fact, lines=lines, detail=ordering)


def _forbidden(order: Order, holds: Sequence[Hold | None], allowed: Allowed) -> str | None:
    """Why the sender may not tell of this order, or take over these reservations; None when it may."""
    kept = [hold for hold in holds if hold is not None]
    if not all(allowed.may_pool(pool) for pool in (order.pool, *(hold.pool for hold in kept)) if pool):
        return "the token does not allow the pool of the order or reservation"
    places = (each.location for hold in kept for part in hold.parts if part.state in KEPT for each in part.allocations)
    if not all(allowed.may_location(place) for place in places if place):
        return "the token does not allow a location where units are kept for the order or reservation"
    return None


def _within(ordering: Ordering, house: House, allowed: Allowed) -> tuple[str, ...] | Forbidden:
    """Where units may be kept for a sender that may not touch every location, the best first."""
    pinned = (location for _, location, _ in ordering.asked if location)
    wanted = dict.fromkeys((*pinned, *ordering.prefer, *house.locations))
    within = tuple(each for each in wanted if allowed.may_location(each))
    if not within:
        return Forbidden("the token allows no location to keep units at")
    if len(within) > LOCATIONS_PER_ORDER_MAX:
        return Forbidden(f"the token allows over {LOCATIONS_PER_ORDER_MAX} locations; name the best in `locations`")
    return within
