"""`GET /v1/orders/{order}`: what was told of an order, and where units are kept for it."""

from collections.abc import Iterable

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.domain.holding.hold import KEPT, Hold, Part
from hub.domain.holding.orders import Order, OrderLine, renamed
from hub.intake.allocated import Etas, allocated, etas_of
from hub.intake.exchange import Stopped, caller, caller_with, encode_json, json_response
from hub.intake.parts import Parts
from hub.intake.requested import ANY_OWNER
from hub.intake.reservations import SCOPE
from protocol.identifiers import OpaqueId
from protocol.orders import ToldOrder, ToldOrderLine
from protocol.problems import problem

# Of everybody's orders.
_SEES_ALL = (ANY_OWNER, "feed:read")

_to_id = msgspec.json.Decoder(OpaqueId).decode


async def get_order(request: web.Request) -> web.Response:
    """`GET /v1/orders/{order}`, scope reservations:any or feed:read; with reservations:write own and nobody's."""
    parts: Parts = request.app[Parts.KEY]
    claims = _caller(request, parts)
    id = _id(request)
    order, hold = await parts.held.order(id)
    if order is None or not _may_see(order, hold, claims):
        raise Stopped(problem("not_found", f"There is no order {id} that this caller may see."))
    etas = await etas_of(parts, [hold] if hold is not None else [])
    return json_response(told_order(id, renamed(order, parts.house.sku), hold, etas))


def told_order(id: str, order: Order, hold: Hold | None, etas: Etas) -> ToldOrder:
    """An order as it is told, with what is kept for it; None when nothing ever was."""
    state = "open"
    if order.is_over:
        state = "fulfilled" if any(line.out for line in order.lines) else "cancelled"
    kept = _kept(hold)
    lines = (_line(order, line, [part for part in kept if part.sku == line.sku], etas) for line in order.lines)
    return ToldOrder(order=id, pool=order.pool, state=state, lines=tuple(lines))


def _line(order: Order, line: OrderLine, kept: Iterable[Part], etas: Etas) -> ToldOrderLine:
    places = [each for part in kept for each in part.allocations]
    rest = line.ordered - line.out if order.is_cancelled else 0
    return ToldOrderLine(
        sku=line.sku,
        ordered=line.ordered,
        cancelled=max(line.cancelled, rest),
        fulfilled=line.out,
        allocations=allocated(line.sku, places, etas),
        shortfall=sum(each.quantity for each in places if each.is_owed),
    )


def _kept(hold: Hold | None) -> list[Part]:
    return [part for part in hold.parts if part.state in KEPT] if hold is not None else []


def _may_see(order: Order, hold: Hold | None, claims: Claims) -> bool:
    """Whether the caller may see the order, once it was placed: in its pools and locations, its own or nobody's.

    Its locations are also those where units of it are still to come. One with another owner is seen by who may see
    everybody's.
    """
    is_own = hold is None or hold.owner in ("", claims.sub)
    if not order.pool or not (is_own or any(map(claims.may, _SEES_ALL))):
        return False
    places = (each.location for part in _kept(hold) for each in part.allocations if not each.is_owed)
    return claims.may_pool(order.pool) and all(map(claims.may_location, places))


def _caller(request: web.Request, parts: Parts) -> Claims:
    """Who asks, with one of the three scopes."""
    claims = caller(request, parts.access)
    return claims if any(map(claims.may, _SEES_ALL)) else caller_with(request, parts.access, SCOPE)


def _id(request: web.Request) -> str:
    text = request.match_info["order"]
    try:
        return _to_id(encode_json(text))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise Stopped(problem("not_found", "An order has no such id.")) from error
