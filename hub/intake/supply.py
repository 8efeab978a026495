"""What is expected of a SKU, what is promised of that, and where its pieces are, over HTTP."""

import msgspec
from aiohttp import web

from hub.domain.expected import ExpectedLine
from hub.domain.promised import told_promise
from hub.intake.cursors import cursor_in, cursor_text
from hub.intake.exchange import Stopped, caller_with, encode_json, json_response
from hub.intake.parts import Parts
from hub.intake.questions import limit_in, malformed, no_pool, required, sku_in, visible_pool
from protocol.answers import rfc3339
from protocol.identifiers import OpaqueId
from protocol.problems import problem
from protocol.supply import ExpectedAnswer, ExpectedItem, SerialAnswer

SCOPE = "positions:read"

_to_serial = msgspec.json.Decoder(OpaqueId).decode

# The location and purchase order of the last item of a page; the next page begins behind it.
_decode_cursor = msgspec.json.Decoder(tuple[str, str]).decode


async def get_expected(request: web.Request) -> web.Response:
    """`GET /v1/expected?sku=`, scope positions:read: only locations of the token."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    sku = parts.house.sku(sku_in(required(request, "sku")))
    limit, after = limit_in(request), cursor_in(request, _decode_cursor)
    lines = [
        line
        for line in await parts.reads.expected_of(sku)
        if claims.may_location(line.location) and (after is None or _place(line) > after)
    ]
    told = lines[:limit]
    following = cursor_text(_place(told[-1])) if len(lines) > limit else None
    return json_response(ExpectedAnswer(items=tuple(_item(sku, line) for line in told), next=following))


async def get_promise(request: web.Request) -> web.Response:
    """`GET /v1/availability/promise?pool=&sku=`, scope positions:read: units that may be promised, or are."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    pool = visible_pool(request, parts, claims)
    whole = await parts.reads.whole(parts.house.sku(sku_in(required(request, "sku"))))
    if pool not in whole.house.pool_index:
        raise Stopped(no_pool(pool))
    return json_response(told_promise(whole, pool, claims.may_location))


async def get_serial(request: web.Request) -> web.Response:
    """`GET /v1/serials?sku=&serial=`, scope positions:read; only pieces at locations of the token."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    sku, serial = parts.house.sku(sku_in(required(request, "sku"))), _serial(required(request, "serial"))
    piece = await parts.reads.piece(sku, serial)
    if piece is None or not claims.may_location(piece.location):
        raise Stopped(problem("not_found", f"There is no piece {serial} of {sku} that this caller may see."))
    time = rfc3339(piece.time_ms)
    return json_response(SerialAnswer(sku=sku, serial=serial, state=piece.state, location=piece.location, time=time))


def _serial(text: str) -> str:
    try:
        return _to_serial(encode_json(text))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise malformed("A serial has 1 to 200 characters and no control characters.") from error


def _item(sku: str, line: ExpectedLine) -> ExpectedItem:
    return ExpectedItem(
        sku=sku,
        location=line.location,
        purchase_order=line.purchase_order,
        quantity=line.quantity,
        received=line.received,
        outstanding=line.outstanding,
        eta=None if line.set_at_ms is None else rfc3339(line.eta_ms),
    )


def _place(line: ExpectedLine) -> tuple[str, str]:
    return line.location, line.purchase_order
