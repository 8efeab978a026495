"""`POST /v1/events`: one event or an array, in; booked or refused, one for one, out."""

from collections.abc import Sequence
from time import time

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.crashpoints import crash
from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.intake.answers import Telling, answer_to, refusal
from hub.intake.counted import closings_of
from hub.intake.exchange import PRIVATE, Stopped, caller_with, encode_json, json_response, read_body
from hub.intake.facts import forbidden_name, names_in, to_fact
from hub.intake.parts import Parts
from hub.stock.allowed import Allowed
from hub.stock.outcome import Applied, Conflict, Duplicate, Outcome, Parked
from protocol.answers import EventAnswer, RefusedAlone, epoch_ms
from protocol.codec import Malformed, decode_event, split_array
from protocol.identifiers import Time
from protocol.problems import CONTENT_TYPE, Problem, problem

SCOPE = "events:write"
# Longer than a request is under way.
NETWORK_MS = 2_000
_decode_instant = msgspec.json.Decoder(Time).decode

# An answer, and the HTTP status it has when it is alone.
Answered = tuple[EventAnswer, int]


async def post_events(request: web.Request) -> web.Response:
    """Book what was sent; see wire.md for the answers."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    try:
        clock_error_ms = _clock_error_ms(request)
        body = await read_body(request, parts.limits.body_bytes_max)
        items = split_array(body)
    except Malformed as error:
        return _refused_alone(error.as_problem(), error.id)
    except Stopped as stopped:
        return _refused_alone(stopped.problem, None)
    if items is None:
        [(answer, status)] = await _book(parts, claims, [body], clock_error_ms)
        return _alone(answer, status)
    answered = await _book(parts, claims, items, clock_error_ms)
    return json_response([answer for answer, _ in answered])


def _clock_error_ms(request: web.Request) -> int:
    """How far the sender's clock is behind ours, by `Hub-Sent-At`; 0 when it does not say, or too little to tell.

    A difference no longer than a slow network is no error of a clock, and correcting it would put what happened at one
    moment into the order of arrival.
    """
    sent_at = request.headers.get("Hub-Sent-At")
    if sent_at is None:
        return 0
    try:
        error_ms = int(time() * 1000) - epoch_ms(_decode_instant(encode_json(sent_at)))
        return error_ms if abs(error_ms) > NETWORK_MS else 0
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:  # a header may hold what is no text
        raise Malformed("`Hub-Sent-At` is not a time with an offset, like 2026-11-22T10:00:00+00:00.") from error


async def _book(
    parts: Parts, claims: Claims, raws: Sequence[bytes | msgspec.Raw], clock_error_ms: int
) -> list[Answered]:
    read = [_read(parts, claims, raw, clock_error_ms) for raw in raws]
    if crash.armed:
        await crash.at("event read")
    facts = [fact for fact in read if isinstance(fact, Fact)]
    house = parts.house
    outcomes = await parts.booking.book(facts, _allowed(claims))
    if crash.armed and await crash.at("facts booked"):
        outcomes = await parts.booking.book(facts, _allowed(claims))
    if parts.house is not house:
        sent = [raw for raw, item in zip(raws, read, strict=True) if isinstance(item, Fact)]
        told = [_read(parts, claims, raw, clock_error_ms) for raw in sent]
        await _book_parked_again(parts, claims, told, facts, outcomes)
    await _wait_for_ledger(parts, outcomes)
    closings = await closings_of(parts, facts, outcomes)
    telling = Telling(parts.house, claims, parts.watermark, int(time() * 1000))
    told_of = enumerate(zip(facts, outcomes, strict=True))
    booked = iter([answer_to(*pair, telling, closings.get(index)) for index, pair in told_of])
    answered = [next(booked) if isinstance(item, Fact) else item for item in read]
    parts.metrics.conflicts.inc(sum(isinstance(outcome, Conflict) for outcome in outcomes))
    parts.metrics.answered(answer.status for answer, _ in answered)
    return answered


async def _book_parked_again(
    parts: Parts, claims: Claims, told: Sequence[Fact | Answered], facts: list[Fact], outcomes: list[Outcome]
) -> None:
    """Book what only the house of before had to park; `told` is what the facts are by the house of now."""
    again = {
        index: fact
        for index, fact in enumerate(told)
        if isinstance(outcomes[index], Parked) and isinstance(fact, Fact) and fact.verb != "park"
    }
    booked = await parts.booking.book(list(again.values()), _allowed(claims))
    for (index, fact), outcome in zip(again.items(), booked, strict=True):
        facts[index], outcomes[index] = fact, outcome


def _read(parts: Parts, claims: Claims, raw: bytes | msgspec.Raw, clock_error_ms: int) -> Fact | Answered:
    try:
        decoded = decode_event(raw)
    except Malformed as error:
        told = error.as_problem()
        return refusal(error.id, told), told.status
    names = names_in(decoded.event)
    forbidden = forbidden_name(names, claims)
    if forbidden is not None:
        return refusal(decoded.event.id, problem("forbidden", f"Refused: {forbidden}.")), 403
    return to_fact(decoded, names, claims.source, parts.house, clock_error_ms)


def _allowed(claims: Claims) -> Allowed:
    return Allowed(claims.reach(), claims.pool_reach())


async def _wait_for_ledger(parts: Parts, outcomes: Sequence[Outcome]) -> None:
    """Wait, within bounds, until what was booked is in the ledger; the newest is enough, it is gapless."""
    seqs: list[Seq] = [outcome.seq for outcome in outcomes if isinstance(outcome, Applied | Duplicate | Parked)]
    if seqs:
        await parts.watermark.wait(max(seqs), parts.limits.ledger_wait_ms / 1000)
    if crash.armed:
        await crash.at("ledger waited for")


def _alone(answer: EventAnswer, status: int) -> web.Response:
    if answer.problem is not None:
        return _refused_alone(answer.problem, answer.id)
    return json_response(answer, status)


def _refused_alone(told: Problem, id: str | None) -> web.Response:
    body = RefusedAlone(
        type=told.type, title=told.title, detail=told.detail, status="refused", problem=told, path=told.path, id=id
    )
    return web.Response(body=encode_json(body), status=told.status, content_type=CONTENT_TYPE, headers=PRIVATE)
