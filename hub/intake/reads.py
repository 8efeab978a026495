"""What pools show and what lies where, over HTTP."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Annotated

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.intake.answers import SEES_SEQ, may_see
from hub.intake.exchange import Stopped, caller, caller_with, json_response, read_body
from hub.intake.parts import Parts
from protocol.answers import AvailabilityAnswer, AvailabilityItem, PositionsAnswer
from protocol.codec import Malformed, decode_body
from protocol.identifiers import Name, Sku, nfc
from protocol.limits import PAGE_ITEMS_MAX, SKUS_PER_GET_MAX, SKUS_PER_QUERY_MAX
from protocol.problems import problem

_FOREIGN_CURSOR = "This `cursor` was not made by this hub."
PUBLIC = "public, max-age=1, stale-while-revalidate=5"


class AvailabilityQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/availability/query`."""

    pool: Name
    skus: Annotated[tuple[Sku, ...], msgspec.Meta(min_length=1, max_length=SKUS_PER_QUERY_MAX)]


class _Page(msgspec.Struct, array_like=True, frozen=True):
    """Where the next page of positions begins."""

    # Of the scan of a location's SKUs; 0 in the positions of a SKU.
    scan: int
    # The last SKU that was told of this stretch of the scan; the last location, in the positions of a SKU.
    after: str
    # Where the feed stood before the first page.
    feed: str | None


_decode_query = msgspec.json.Decoder(AvailabilityQuery)
_decode_page = msgspec.json.Decoder(_Page).decode
_encode = msgspec.json.Encoder().encode
_to_sku = msgspec.json.Decoder(Sku).decode


async def get_availability(request: web.Request) -> web.Response:
    """`GET /v1/availability?pool=&sku=&sku=`."""
    skus = request.query.getall("sku", [])
    if not 1 <= len(skus) <= SKUS_PER_GET_MAX:
        raise Stopped(
            problem("malformed", f"Name 1 to {SKUS_PER_GET_MAX} SKUs with `sku`; more go to /v1/availability/query.")
        )
    return await _availability(request, _required(request, "pool"), [_sku(sku) for sku in skus])


async def query_availability(request: web.Request) -> web.Response:
    """`POST /v1/availability/query {"pool", "skus"}`."""
    parts: Parts = request.app[Parts.KEY]
    try:
        query = decode_body(_decode_query, await read_body(request, parts.limits.body_bytes_max))
    except Malformed as error:
        raise Stopped(error.as_problem()) from error
    return await _availability(request, query.pool, query.skus)


async def _availability(request: web.Request, pool: str, asked: Sequence[str]) -> web.Response:
    parts: Parts = request.app[Parts.KEY]
    claims = caller(request, parts.access)
    _must_see(parts, claims, pool)
    items = tuple(await parts.reads.read(pool, [parts.house.sku(sku) for sku in asked]))
    # The house may have changed meanwhile.
    _must_see(parts, claims, pool)
    if not parts.house.pools[parts.house.pool_index[pool]].public:
        return json_response(AvailabilityAnswer(pool, items))
    tag = _etag(items)
    headers = {"ETag": tag, "Cache-Control": PUBLIC}
    if request.method in ("GET", "HEAD") and _matches(request.headers.get("If-None-Match", ""), tag):
        return web.Response(status=304, headers=headers)
    return json_response(AvailabilityAnswer(pool, items), headers=headers)


def _must_see(parts: Parts, claims: Claims, pool: str) -> None:
    if not may_see(parts.house, claims, pool):
        raise Stopped(problem("not_found", f"There is no pool {pool} that this caller may see."))


def _etag(items: Sequence[AvailabilityItem]) -> str:
    shown = _encode([(item.sku, item.rev) for item in items])
    return f'W/"{blake2b(shown, digest_size=12).hexdigest()}"'


def _matches(condition: str, tag: str) -> bool:
    return condition.strip() == "*" or tag in condition


async def get_positions(request: web.Request) -> web.Response:
    """`GET /v1/positions?sku=` or `?location=`, scope positions:read."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, "positions:read")
    sku, location = request.query.get("sku"), request.query.get("location")
    if (sku is None) == (location is None):
        raise Stopped(problem("malformed", "Name either a `sku` or a `location`."))
    if location is None:
        return await _positions_of(request, parts, claims, _sku(sku or ""))
    return await _positions_at(request, parts, claims, location)


async def _feed_cursor(parts: Parts, claims: Claims) -> str | None:
    """Where the feed stands; only for those who may read it, since it counts every change of the house."""
    return str(await parts.reads.last_seq()) if claims.may(SEES_SEQ) else None


async def _positions_of(request: web.Request, parts: Parts, claims: Claims, sku: str) -> web.Response:
    limit = _limit(request)
    page = _page(request) or _Page(0, "", await _feed_cursor(parts, claims))
    positions = [
        position
        for position in await parts.reads.positions_of(parts.house.sku(sku))
        if claims.may_location(position.location) and position.location > page.after
    ]
    told = tuple(positions[:limit])
    after = _Page(0, told[-1].location, page.feed) if len(positions) > limit else None
    return json_response(PositionsAnswer(items=told, next=_next(after), feed_cursor=page.feed))


async def _positions_at(request: web.Request, parts: Parts, claims: Claims, location: str) -> web.Response:
    limit = _limit(request)
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
        items=tuple(positions),
        next=_next(after),
        feed_cursor=page.feed,
    )
    return json_response(answer)


def _next(page: "_Page | None") -> str | None:
    return urlsafe_b64encode(_encode(page)).decode() if page else None


def _required(request: web.Request, name: str) -> str:
    value = request.query.get(name)
    if not value:
        raise Stopped(problem("malformed", f"The parameter `{name}` is missing."))
    return value


def _sku(text: str) -> str:
    try:
        return _to_sku(_encode(nfc(text)))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise Stopped(problem("malformed", "A SKU has 1 to 128 characters and no control characters.")) from error


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(PAGE_ITEMS_MAX))
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= PAGE_ITEMS_MAX):
        raise Stopped(problem("malformed", f"`limit` is a number from 1 to {PAGE_ITEMS_MAX}."))
    return int(text)


def _page(request: web.Request) -> _Page | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        page = _decode_page(urlsafe_b64decode(text.encode("ascii")))
    except (msgspec.MsgspecError, ValueError) as error:
        raise Stopped(problem("malformed", _FOREIGN_CURSOR)) from error
    if not 0 <= page.scan < 2**64:  # what Redis takes
        raise Stopped(problem("malformed", _FOREIGN_CURSOR))
    return page
