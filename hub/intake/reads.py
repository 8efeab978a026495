"""What pools show and what lies where, over HTTP."""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.domain.explain import explain, locations_of
from hub.domain.pools import Status
from hub.domain.shown import seen_with
from hub.intake.answers import SEES_SEQ, may_see
from hub.intake.cursors import check_scan, cursor_in, cursor_text
from hub.intake.exchange import Stopped, caller, caller_with, json_response, public_response
from hub.intake.parts import Parts
from hub.intake.questions import (
    limit_in,
    malformed,
    name_in,
    no_pool,
    question_in,
    required,
    sku_in,
    visible_pool,
)
from protocol.answers import AvailabilityAnswer, PositionItem, PositionsAnswer
from protocol.limits import SKUS_PER_GET_MAX
from protocol.problems import problem
from protocol.questions import AvailabilityQuery
from protocol.reports import LocationItem, LocationsAnswer


class _Page(msgspec.Struct, array_like=True, frozen=True):
    """Where the next page of positions begins."""

    # Of the scan of a location's SKUs; 0 in the positions of a SKU.
    scan: int
    # The last SKU that was told of this stretch of the scan; the last location, in the positions of a SKU.
    after: str
    # Where the feed stood before the first page.
    feed: str | None


# Words of what a pool has units of.
_IN_STOCK = frozenset({Status.low_stock.word, Status.in_stock.word})

_decode_query = msgspec.json.Decoder(AvailabilityQuery)
_decode_page = msgspec.json.Decoder(_Page).decode


async def get_availability(request: web.Request) -> web.Response:
    """`GET /v1/availability?pool=&sku=&sku=`."""
    skus = request.query.getall("sku", [])
    if not 1 <= len(skus) <= SKUS_PER_GET_MAX:
        raise malformed(f"Name 1 to {SKUS_PER_GET_MAX} SKUs with `sku`; more go to /v1/availability/query.")
    return await _availability(request, required(request, "pool"), [sku_in(sku) for sku in skus])


async def query_availability(request: web.Request) -> web.Response:
    """`POST /v1/availability/query {"pool", "skus"}`."""
    parts: Parts = request.app[Parts.KEY]
    query = await question_in(request, parts, _decode_query)
    return await _availability(request, query.pool, query.skus)


async def _availability(request: web.Request, pool: str, asked: Sequence[str]) -> web.Response:
    parts: Parts = request.app[Parts.KEY]
    claims = caller(request, parts.access)
    if not may_see(parts.house, claims, pool):
        raise Stopped(no_pool(pool))
    items = tuple(await parts.reads.read(pool, [parts.house.sku(sku) for sku in asked]))
    # The house may have changed meanwhile.
    if not may_see(parts.house, claims, pool):
        raise Stopped(no_pool(pool))
    return _kept_if_public(request, parts, AvailabilityAnswer(pool, items), [(item.sku, item.rev) for item in items])


async def get_locations(request: web.Request) -> web.Response:
    """`GET /v1/availability/locations?pool=&sku=`: where a pool with `per_location` has units."""
    parts: Parts = request.app[Parts.KEY]
    pool = visible_pool(request, parts, caller(request, parts.access))
    sku = sku_in(required(request, "sku"))
    if not parts.house.pools[parts.house.pool_index[pool]].per_location:
        raise Stopped(problem("not_found", f"The pool {pool} does not show in which locations it has units."))
    sku = parts.house.sku(sku)
    # Where nothing is shown there is no look at where it lies: how long that took would tell that something lies there.
    shown = await parts.reads.read(pool, [sku])
    items: tuple[LocationItem, ...] = ()
    if any(item.status in _IN_STOCK for item in shown):
        whole = await parts.reads.whole(sku)
        items = locations_of(whole, pool) if pool in whole.house.pool_index else ()
    # The house may have changed meanwhile.
    if pool not in parts.house.pool_index:
        raise Stopped(no_pool(pool))
    return _kept_if_public(request, parts, LocationsAnswer(pool, sku, items), items)


async def get_explanation(request: web.Request) -> web.Response:
    """`GET /v1/availability/explain?pool=&sku=`, scope positions:read: the formula with its parts filled in."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, "positions:read")
    pool = visible_pool(request, parts, claims)
    whole = await parts.reads.whole(parts.house.sku(sku_in(required(request, "sku"))))
    if pool not in whole.house.pool_index:
        raise Stopped(no_pool(pool))
    return json_response(explain(whole, pool, claims.may_location))


def _kept_if_public(
    request: web.Request, parts: Parts, answer: AvailabilityAnswer | LocationsAnswer, told: object
) -> web.Response:
    """What a public pool shows may be kept for a moment and asked about by its tag, which changes with `told`."""
    index = parts.house.pool_index.get(answer.pool)
    if index is None or not parts.house.pools[index].public:
        return json_response(answer)
    return public_response(request, answer, told)


async def get_positions(request: web.Request) -> web.Response:
    """`GET /v1/positions?sku=` or `?location=`, scope positions:read."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, "positions:read")
    sku, location = request.query.get("sku"), name_in(request, "location")
    if (sku is None) == (location is None):
        raise malformed("Name either a `sku` or a `location`.")
    if location is None:
        return await _positions_of(request, parts, claims, sku_in(sku or ""))
    return await _positions_at(request, parts, claims, location)


async def _feed_cursor(parts: Parts, claims: Claims) -> str | None:
    """Where the feed stands; only for those who may read it, since it counts every change of the house."""
    return str(await parts.reads.last_seq()) if claims.may(SEES_SEQ) else None


async def _positions_of(request: web.Request, parts: Parts, claims: Claims, sku: str) -> web.Response:
    limit = limit_in(request)
    page = _page(request) or _Page(0, "", await _feed_cursor(parts, claims))
    positions = [
        position
        for position in await parts.reads.positions_of(parts.house.sku(sku))
        if claims.may_location(position.location) and position.location > page.after
    ]
    told = tuple(positions[:limit])
    after = _Page(0, told[-1].location, page.feed) if len(positions) > limit else None
    return json_response(
        PositionsAnswer(items=_seen_by(parts, claims, told), next=cursor_text(after), feed_cursor=page.feed)
    )


async def _positions_at(request: web.Request, parts: Parts, claims: Claims, location: str) -> web.Response:
    limit = limit_in(request)
    page = _page(request) or _Page(0, "", await _feed_cursor(parts, claims))
    if not claims.may_location(location):
        return json_response(PositionsAnswer(items=(), next=None, feed_cursor=page.feed))
    following, skus = await parts.reads.skus_at(location, page.scan, limit)
    skus = [sku for sku in skus if sku > page.after]
    told, left = skus[:limit], skus[limit:]
    positions = await parts.reads.positions_among(location, told)
    after: _Page | None = None
    if left:
        after = _Page(page.scan, told[-1], page.feed)
    elif following:
        after = _Page(following, "", page.feed)
    answer = PositionsAnswer(
        items=_seen_by(parts, claims, positions),
        next=cursor_text(after),
        feed_cursor=page.feed,
    )
    return json_response(answer)


def _seen_by(parts: Parts, claims: Claims, positions: Sequence[PositionItem]) -> tuple[PositionItem, ...]:
    """The positions without the fences of pools that the caller may not see."""
    pools = claims.pools_seen(pool.id for pool in parts.house.pools if pool.public)
    return tuple(seen_with(position, pools) for position in positions)


def _page(request: web.Request) -> _Page | None:
    page = cursor_in(request, _decode_page)
    if page is not None:
        check_scan(page.scan)
    return page
