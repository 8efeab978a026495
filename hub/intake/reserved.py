"""How a reservation is told, and to whom. Pure."""

from collections import Counter

import msgspec

from hub.access import Claims
from hub.domain.holding.hold import KEPT, RESERVATION, Hold, Part, State, over
from hub.domain.holding.orders import Order
from hub.intake.allocated import Etas, allocated
from hub.intake.requested import ANY_OWNER
from protocol.answers import rfc3339
from protocol.reservations import Reservation, ToldLine

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
    kept = (each.location for part in hold.parts if part.state in KEPT for each in part.allocations if not each.is_owed)
    return claims.may_pool(hold.pool) and all(map(claims.may_location, kept))


def may_place(hold: Hold, claims: Claims) -> bool:
    """Whether the caller may have other units found for it: those may lie wherever the reservation allows."""
    reach = claims.reach()
    return reach is None or (hold.only != () and reach.issuperset(hold.only))


class Beside(msgspec.Struct, frozen=True):
    """What is told with a reservation and is not kept in it."""

    tags: tuple[str, ...] = ()
    # The order that took it over.
    order: Order | None = None
    etas: Etas = {}


NOTHING_BESIDE = Beside()


def reservation(name: str, hold: Hold, now_ms: int, beside: Beside = NOTHING_BESIDE) -> Reservation:
    """A reservation as it is told at this time, by the kernel's clock."""
    hold = as_of(hold, now_ms)
    state = hold.state if hold.state != State.ordered else _state_by(beside.order)
    return Reservation(
        id=name.removeprefix(f"{RESERVATION}:"),
        state=state.name,
        expires_at=rfc3339(hold.due_at_ms) if hold.due_at_ms else None,
        pool=hold.pool,
        kind=hold.kind,
        owner=hold.owner,
        order=hold.order or None,
        lines=tuple(_line(sku, [part for part in hold.parts if part.sku == sku], beside.etas) for sku in hold.skus),
        tags=beside.tags,
    )


def _state_by(order: Order | None) -> State:
    """The state of what an order took over: kept for it, or gone with it, or given back with it."""
    if order is None:
        # Forgotten since: what is over is remembered as long as a reservation.
        return State.fulfilled
    if not order.is_over:
        return State.confirmed
    return State.fulfilled if any(line.out for line in order.lines) else State.released


def _line(sku: str, parts: list[Part], etas: Etas) -> ToldLine:
    units = Counter[int]()
    for part in parts:
        units[part.state] += part.quantity
    kept = (each for part in parts if part.state in KEPT for each in part.allocations)
    return ToldLine(
        sku=sku,
        quantity=units.total(),
        allocations=allocated(sku, kept, etas),
        **{state.name: units[state] for state in _TOLD},
    )


def _is_due(part: Part, now_ms: int) -> bool:
    return part.state == State.held and 0 < part.expires_at_ms <= now_ms
