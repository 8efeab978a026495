"""`GET /v1/reservations`: those that units are kept for, page by page."""

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.domain.holding.hold import PURCHASE_ORDER, Hold, State
from hub.intake.allocated import etas_of
from hub.intake.cursors import check_scan, cursor_in, cursor_text
from hub.intake.exchange import json_response
from hub.intake.parts import Parts
from hub.intake.questions import limit_in, malformed, name_in, sku_in
from hub.intake.requested import ANY_OWNER
from hub.intake.reservations import reader
from hub.intake.reserved import Beside, as_of, may_see, reservation
from hub.stock.held import Place
from protocol.reservations import ReservationsAnswer

# A page looks at so many stretches of the list; none of their reservations may be for this caller.
STRETCHES_PER_PAGE_MAX = 10

# Something is kept for each in the list, and what an order took over is kept for that.
_STATES = tuple(state.name for state in State if state != State.ordered)

_decode_cursor = msgspec.json.Decoder(tuple[int, str]).decode


def _decode_place(packed: bytes) -> Place:
    scan, after = _decode_cursor(packed)
    after.encode()  # half a character is no name
    return Place(scan, after)


# Its name, the hold as it is at a time, and that time, UTC milliseconds.
_Item = tuple[str, Hold, int]


class _Wanted(msgspec.Struct, frozen=True):
    """What the list is narrowed to; None is anything."""

    claims: Claims
    owner: str | None
    location: str | None
    kind: str | None
    state: str | None
    purchase_order: str | None

    def has(self, hold: Hold) -> bool:
        """Whether the hold, as it is now, is in the list."""
        allocations = [each for part in hold.parts for each in part.allocations]
        promised = f"{PURCHASE_ORDER}{self.purchase_order}"
        return (
            may_see(hold, self.claims)
            and self.owner in (None, hold.owner)
            and self.kind in (None, hold.kind)
            and self.state in (None, hold.state.name)
            and (self.location is None or any(each.location == self.location for each in allocations))
            and (self.purchase_order is None or any(each.coming_by == promised for each in allocations))
        )


async def get_reservations(request: web.Request) -> web.Response:
    """`GET /v1/reservations?owner=&sku=&location=&kind=&state=&purchase_order=&limit=&cursor=`."""
    parts: Parts = request.app[Parts.KEY]
    claims = reader(request, parts)
    limit, place, wanted = limit_in(request), _place(request), _wanted(request, claims)
    sku = request.query.get("sku")
    house_sku = None if sku is None else parts.house.sku(sku_in(sku))
    items: list[_Item] = []
    following: Place | None = place
    for _ in range(STRETCHES_PER_PAGE_MAX):
        found, following = await parts.held.stretch(place, house_sku)
        now_ms = parts.held.now_ms()
        for kept in found:
            hold = as_of(kept.hold, now_ms)
            if wanted.has(hold):
                items.append((kept.name, hold, now_ms))
            if len(items) == limit:
                return await _answer(parts, items, kept.place)
        if following is None:
            break
        place = following
    return await _answer(parts, items, following)


async def _answer(parts: Parts, items: list[_Item], following: Place | None) -> web.Response:
    beside = Beside(etas=await etas_of(parts, (hold for _, hold, _ in items)))
    told = tuple(reservation(*each, beside) for each in items)
    return json_response(ReservationsAnswer(items=told, next=cursor_text(following)))


def _wanted(request: web.Request, claims: Claims) -> _Wanted:
    query = request.query
    state = query.get("state")
    if state not in (None, *_STATES):
        raise malformed(f"`state` is one of {', '.join(_STATES)}.")
    owner = query.get("owner") if claims.may(ANY_OWNER) else query.get("owner", claims.sub)
    return _Wanted(claims, owner, name_in(request, "location"), query.get("kind"), state, query.get("purchase_order"))


def _place(request: web.Request) -> Place:
    place = cursor_in(request, _decode_place) or Place()
    check_scan(place.scan)
    return place
