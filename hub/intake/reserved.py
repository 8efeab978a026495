"""How a reservation is told, and to whom. Pure."""

import msgspec

from hub.access import Claims
from hub.domain.holding.hold import KEPT, RESERVATION, Hold, Part, State, over, units_of
from hub.domain.holding.orders import Order
from hub.intake.allocated import Etas, allocated
from hub.intake.requested import ANY_OWNER
from protocol.answers import rfc3339
from protocol.reservations import Reservation, ToldLine

# The states whose units a line counts, with their words; `held` is what is left.
_TOLD = {state.value: state.name for state in State if state != State.held}


def as_of(hold: Hold, now_ms: int) -> Hold:
    """The hold with every part over whose time is over, given back already or not."""
    if not any(_is_due(part, now_ms) for part in hold.parts):
        return hold
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
    state, due_at_ms = hold.state, hold.due_at_ms
    if state == State.ordered:
        state = _state_by(beside.order)
    return Reservation(
        id=name.removeprefix(f"{RESERVATION}:"),
        state=state.name,
        expires_at=rfc3339(due_at_ms) if due_at_ms else None,
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
    told = dict[str, int]()
    for part in parts:
        if part.state in _TOLD:
            word = _TOLD[part.state]
            told[word] = told.get(word, 0) + part.quantity
    kept = (each for part in parts if part.state in KEPT for each in part.allocations)
    return ToldLine(
        sku=sku,
        quantity=units_of(parts),
        allocations=allocated(sku, kept, etas),
        **told,
    )


def _is_due(part: Part, now_ms: int) -> bool:
    return part.state == State.held and 0 < part.expires_at_ms <= now_ms
