"""How a reservation is told, and to whom. Pure."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from hub.access import Claims
from hub.domain.holding.hold import KEPT, RESERVATION, Allocation, Hold, Part, State, over
from hub.domain.holding.orders import Order
from hub.intake.requested import ANY_OWNER
from protocol.answers import rfc3339
from protocol.reservations import Reservation, ToldAllocation, ToldLine

# Counts that a line tells; `held` is what is left.
_TOLD = (State.confirmed, State.fulfilled, State.released, State.expired, State.broken, State.ordered)


def as_of(hold: Hold, now_ms: int) -> Hold:
    """The hold with every part over whose time is over, given back already or not."""
    parts = (over(part, State.expired) if _is_due(part, now_ms) else part for part in hold.parts)
    return msgspec.structs.replace(hold, parts=tuple(parts))


def may_see(hold: Hold, claims: Claims) -> bool:
    """Whether the caller may see and change it: its own or with the scope for all, in its pools and locations."""
    if hold.owner != claims.sub and not claims.may(ANY_OWNER):
        return False
    kept = (each.location for part in hold.parts if part.state in KEPT for each in part.allocations if each.is_placed)
    return claims.may_pool(hold.pool) and all(map(claims.may_location, kept))


def may_place(hold: Hold, claims: Claims) -> bool:
    """Whether the caller may have other units found for it: those may lie wherever the reservation allows."""
    reach = claims.reach()
    return reach is None or (hold.only != () and reach.issuperset(hold.only))


def told_allocations(allocations: Iterable[Allocation]) -> tuple[ToldAllocation, ...]:
    """Where units are kept or what brings them, each place once; what is nowhere is not told."""
    units = Counter[tuple[str, str]]()
    for each in allocations:
        if not each.is_owed:
            brings, _, id = each.coming_by.partition(":")
            units[brings, id or each.location] += each.quantity
    return tuple(_told(brings, name, quantity) for (brings, name), quantity in units.items())


def _told(brings: str, name: str, quantity: int) -> ToldAllocation:
    if brings == "transfer":
        return ToldAllocation(transfer=name, quantity=quantity)
    if brings == "purchase_order":
        return ToldAllocation(purchase_order=name, quantity=quantity)
    return ToldAllocation(location=name, quantity=quantity)


def reservation(
    name: str, hold: Hold, now_ms: int, tags: tuple[str, ...] = (), order: Order | None = None
) -> Reservation:
    """A reservation as it is told at this time, by the kernel's clock; `order` is the one that took it over."""
    hold = as_of(hold, now_ms)
    state = hold.state if hold.state != State.ordered else _state_by(order)
    return Reservation(
        id=name.removeprefix(f"{RESERVATION}:"),
        state=state.name,
        expires_at=rfc3339(hold.due_at_ms) if hold.due_at_ms else None,
        pool=hold.pool,
        kind=hold.kind,
        owner=hold.owner,
        order=hold.order or None,
        lines=tuple(_line(sku, [part for part in hold.parts if part.sku == sku]) for sku in hold.skus),
        tags=tags,
    )


def _state_by(order: Order | None) -> State:
    """The state of what an order took over: kept for it, or gone with it, or given back with it."""
    if order is None:
        # Forgotten since: what is over is remembered as long as a reservation.
        return State.fulfilled
    if not order.is_over:
        return State.confirmed
    return State.fulfilled if any(line.out for line in order.lines) else State.released


def _line(sku: str, parts: list[Part]) -> ToldLine:
    units = Counter[int]()
    for part in parts:
        units[part.state] += part.quantity
    return ToldLine(
        sku=sku,
        quantity=units.total(),
        allocations=told_allocations(each for part in parts if part.state in KEPT for each in part.allocations),
        **{state.name: units[state] for state in _TOLD},
    )


def _is_due(part: Part, now_ms: int) -> bool:
    return part.state == State.held and 0 < part.expires_at_ms <= now_ms
