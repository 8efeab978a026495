"""Reservations over HTTP: made, changed and told one by one."""

from time import time
from typing import cast

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.crashpoints import crash
from hub.domain.command import Fact, Verb
from hub.domain.holding.hold import Hold, State, reservation_name
from hub.intake.allocated import etas_of
from hub.intake.exchange import Stopped, caller, caller_with, encode_json, json_response, read_body
from hub.intake.parts import Parts
from hub.intake.requested import ANY_OWNER, change_fact, no_location, places_in, reserve_fact, ttl_of
from hub.intake.reserved import Beside, as_of, may_place, may_see, reservation
from hub.stock.outcome import AsItIs, Denied, Granted, Outcome, Refused
from protocol.codec import Malformed
from protocol.identifiers import OpaqueId
from protocol.problems import Problem, Shortage, problem
from protocol.reservations import Change, Extend, Reservation, decode_change, decode_reserve

SCOPE = "reservations:write"
# Units may be found anew, wherever the reservation allows.
_PLACES_ANEW = ("confirm", "reallocate")

_DETAILS = {
    "insufficient": (
        "Not all units can be had as asked, of one location unless `split`: `shortages` says how many could be."
        " A refused reservation stays refused under its id; ask again with a new one."
    ),
    "conflict": "This id was used for another content; the first one stands. Give the new one a new id.",
    "not_held": "The reservation has fewer such units than are named; nothing was changed.",
    "expired": "The time of the reservation is over, and its units are given back.",
    "not_arrived": "What is asked for has not arrived yet: a purchase order is to bring it; nothing was changed.",
    "ended": "The reservation has ended; no such units are held any more.",
}
_to_id = msgspec.json.Decoder(OpaqueId).decode


async def post_reservations(request: web.Request) -> web.Response:
    """`POST /v1/reservations`, scope reservations:write: hold units, all of them or none."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    try:
        reserve = decode_reserve(await read_body(request, parts.limits.body_bytes_max))
    except Malformed as error:
        raise Stopped(error.as_problem()) from error
    fact = reserve_fact(reserve, claims, parts.house, _now_ms())
    if isinstance(fact, Problem):
        raise Stopped(fact)
    hold, durable = await _asked(parts, fact)
    if not may_see(hold, claims):
        # Made by the same system with a token for more.
        raise Stopped(_unknown(reserve.id))
    told = await _told(parts, reserve.id, hold, reserve.tags)
    return json_response(msgspec.structs.replace(told, durable=durable), 201)


async def post_change(request: web.Request) -> web.Response:
    """`POST /v1/reservations/{id}/extend|confirm|release|fulfil|reallocate`, scope reservations:write."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    verb = cast(Verb, request.match_info["verb"])
    try:
        body = await read_body(request, parts.limits.body_bytes_max)
        change = decode_change(body, Extend if verb == "extend" else Change)
    except Malformed as error:
        raise Stopped(error.as_problem()) from error
    id = _id(request)
    hold = await _seen(parts, claims, id)
    missing = no_location(places_in(change.lines or ()), claims, parts.house)
    if missing is not None:
        raise Stopped(missing)
    if verb in _PLACES_ANEW and not may_place(hold, claims) and _needs_places(verb, hold):
        raise Stopped(problem("forbidden", "The token does not allow all locations that the reservation does."))
    ttl_ms = 0
    if isinstance(change, Extend):
        known = ttl_of(hold.kind, change.ttl_seconds, parts.house)
        if isinstance(known, Problem):
            raise Stopped(known)
        ttl_ms = known
    changed, durable = await _asked(parts, change_fact(verb, id, change, claims, _now_ms(), ttl_ms), hold)
    return json_response(msgspec.structs.replace(await _told(parts, id, changed), durable=durable))


async def get_reservation(request: web.Request) -> web.Response:
    """`GET /v1/reservations/{id}`, scope reservations:write or reservations:any."""
    parts: Parts = request.app[Parts.KEY]
    claims = reader(request, parts)
    id = _id(request)
    return json_response(await _told(parts, id, await _seen(parts, claims, id)))


def reader(request: web.Request, parts: Parts) -> Claims:
    """Who asks, with one of the two scopes."""
    claims = caller(request, parts.access)
    return claims if claims.may(ANY_OWNER) else caller_with(request, parts.access, SCOPE)


def _id(request: web.Request) -> str:
    text = request.match_info["id"]
    try:
        return _to_id(encode_json(text))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise Stopped(problem("unknown_reservation", "A reservation has no such id.")) from error


async def _seen(parts: Parts, claims: Claims, id: str) -> Hold:
    """The reservation as it is now; unknown and not for this caller look the same."""
    name = reservation_name(id)
    found = (await parts.held.find([name])).get(name)
    if found is None or not may_see(found, claims):
        raise Stopped(_unknown(id))
    return as_of(found, parts.held.now_ms())


async def _told(parts: Parts, id: str, hold: Hold, tags: tuple[str, ...] = ()) -> Reservation:
    orders = await parts.held.orders([hold.order]) if hold.is_taken_over else {}
    beside = Beside(tags, orders.get(hold.order), await etas_of(parts, [hold]))
    return reservation(reservation_name(id), hold, parts.held.now_ms(), beside)


def _needs_places(verb: Verb, hold: Hold) -> bool:
    return verb == "reallocate" or any(part.state == State.expired for part in hold.parts)


async def _asked(parts: Parts, request: Fact, hold: Hold | None = None) -> tuple[Hold, bool]:
    """The reservation after the request, and whether the ledger has it, which it does unless it is late.

    `hold` is the reservation before.

    Raises:
        Stopped: 409, 404 or 400, it was denied.
        Unavailable: Redis lost it before the ledger had it.
    """
    if crash.armed:
        await crash.at("request read")
    outcome = await parts.requests.ask(request, hold)
    if crash.armed:
        await crash.at("request answered")
    match outcome:
        case Granted(seq=seq, hold=hold):
            return hold, await parts.watermark.wait(seq, parts.limits.ledger_wait_ms / 1000)
        case AsItIs(hold=hold):
            # By which entry it became so is not known; it was none after the newest.
            return hold, await parts.watermark.wait(parts.held.newest, parts.limits.ledger_wait_ms / 1000)
    raise Stopped(_denied(request, outcome))


def _denied(request: Fact, outcome: Outcome) -> Problem:
    match outcome:
        case Denied(problem="unknown_reservation"):
            return _unknown(request.id)
        case Denied(problem=name, shortages=shortages):
            told = tuple(Shortage(sku, units, None if shown < 0 else shown) for sku, units, shown in shortages)
            return problem(name, _DETAILS[name], shortages=told)
        case Refused(why=why):
            return problem("malformed", f"The request was refused: {why}.")
    raise AssertionError(f"a request ended as {outcome!r}")


def _unknown(id: str) -> Problem:
    return problem("unknown_reservation", f"There is no reservation {id} that this caller may see.")


def _now_ms() -> int:
    return int(time() * 1000)
