"""`GET /v1/parked`, `POST /v1/parked/replay`, `DELETE /v1/parked/…`: what waits because nobody knows what it names, or
for room."""

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.domain.entry import Seq
from hub.domain.findings import ParkedEvent, ParkedPlace
from hub.domain.rules import House
from hub.intake.cursors import cursor_in, cursor_text, foreign_cursor
from hub.intake.exchange import Stopped, caller, caller_with, encode_json, json_response
from hub.intake.facts import forbidden_name, names_in
from hub.intake.parts import Parts
from hub.intake.questions import ledger_has_all, limit_in, name_in
from hub.intake.replaying import replay_parked
from hub.intake.unknown import unknown_in_payload
from hub.stock.message import Dismiss
from protocol.answers import rfc3339
from protocol.codec import Malformed, decode_event
from protocol.problems import problem
from protocol.reports import DismissedAnswer, ParkedAnswer, ParkedItem

SEES_ALL = "admin"
SEES_OWN = "events:write"
# A page looks at so many stretches of the ledger; what is booked since may fill them all.
STRETCHES_PER_PAGE_MAX = 10


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The last event of a page; its place in the journal would tell how much the house books."""

    source: str
    id: str
    booked_at_ms: int


_decode_cursor = msgspec.json.Decoder(_Cursor).decode


async def get_parked(request: web.Request) -> web.Response:
    """Parked events: all of them with scope admin, those of the caller's own source with events:write."""
    parts: Parts = request.app[Parts.KEY]
    claims = _caller(request, parts)
    limit, source = limit_in(request), name_in(request, "source")
    behind = await _behind(request, parts)
    if not claims.may(SEES_ALL):
        if source not in (None, claims.source):
            return json_response(ParkedAnswer((), None))
        source = claims.source
    await ledger_has_all(parts)
    told: list[ParkedEvent] = []
    end: ParkedPlace | None = None
    for _ in range(STRETCHES_PER_PAGE_MAX):
        stretch = await parts.waiting.stretch(behind, source)
        seen = [event for event in stretch.events if _may_see(claims, event)]
        room = limit - len(told)
        told += seen[:room]
        end = stretch.end if len(seen) <= room else told[-1].place
        if end is None or len(told) == limit:
            break
        behind = end.seq
    items = tuple(_item(event, parts.house) for event in told)
    return json_response(ParkedAnswer(items, _next(end)))


async def post_replay(request: web.Request) -> web.Response:
    """Book what names only what the house knows now, and has room, scope admin."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SEES_ALL)
    return json_response(await replay_parked(parts))


async def delete_parked(request: web.Request) -> web.Response:
    """Wait no more for one parked event, scope admin; again it is answered alike."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SEES_ALL)
    source, id = request.match_info["source"], request.match_info["id"]
    await ledger_has_all(parts)
    fate = None if "\0" in source + id else await parts.waiting.fate(source, id)
    if fate is None or fate.kind == "fact":
        why = ", because it was booked" if fate else ""
        raise Stopped(problem("not_found", f"No event {id} of {source} is parked{why}."))
    if fate.kind == "parked":
        by = encode_json({"by": claims.sub}).decode()
        seq = await parts.booking.dismiss(Dismiss(fate.type, source, id, fate.hash, by))
        # Who looks next finds it gone.
        await parts.watermark.wait(seq, parts.limits.ledger_wait_ms / 1000)
    return json_response(DismissedAnswer(source, id))


def _caller(request: web.Request, parts: Parts) -> Claims:
    """Who asks, with one of the two scopes."""
    claims = caller(request, parts.access)
    return claims if claims.may(SEES_ALL) else caller_with(request, parts.access, SEES_OWN)


def _may_see(claims: Claims, event: ParkedEvent) -> bool:
    """Whether the caller might have sent it: other tokens of its source may be for other places."""
    if claims.may(SEES_ALL):
        return True
    if not all(claims.may_location(location) for location in event.reach):
        return False
    try:
        return forbidden_name(names_in(decode_event(event.payload.encode()).event), claims) is None
    except Malformed:
        # Of a version that knows more: who may see it cannot be told.
        return False


def _item(event: ParkedEvent, house: House) -> ParkedItem:
    place = event.place
    return ParkedItem(
        source=place.source,
        id=place.id,
        type=event.type,
        time=rfc3339(event.time_ms),
        booked_at=rfc3339(place.booked_at_ms),
        unknown=unknown_in_payload(event.payload, house),
        reason=event.why or None,
        event=msgspec.Raw(event.payload.encode()),
    )


def _next(end: ParkedPlace | None) -> str | None:
    return cursor_text(None if end is None else _Cursor(end.source, end.id, end.booked_at_ms))


async def _behind(request: web.Request, parts: Parts) -> Seq | None:
    cursor = cursor_in(request, _decode_cursor)
    if cursor is None:
        return None
    try:
        found = await parts.waiting.place_of(cursor.source, cursor.id, cursor.booked_at_ms)
    except (ValueError, OverflowError) as error:
        raise foreign_cursor() from error
    if found is None:
        raise foreign_cursor()
    return found
