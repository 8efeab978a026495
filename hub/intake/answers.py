"""Outcome → answer: what the sender of an event is told, and what it may see. Pure."""

from collections.abc import Iterable

import msgspec

from hub.access import Claims
from hub.domain.answer import Answer, AnsweredAlert
from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.domain.holding.hold import ORDER, RESERVATION
from hub.domain.rules import House
from hub.domain.shown import item
from hub.intake.counted import Closing
from hub.intake.requested import ANY_OWNER
from hub.intake.unknown import unknown_in_payload
from hub.journal.watermark import Watermark
from hub.stock.outcome import Applied, Conflict, Duplicate, Forbidden, Outcome, Parked, Refused
from protocol.answers import Alert, AnswerLine, EventAnswer
from protocol.problems import Problem, problem

SEES_SEQ = "feed:read"


def refusal(id: str | None, told: Problem) -> EventAnswer:
    """Nothing changed, and why."""
    return EventAnswer(id=id, status="refused", problem=told)


def may_see(house: House, claims: Claims, pool: str) -> bool:
    """Whether the caller may see what a pool shows; an unknown pool nobody sees."""
    index = house.pool_index.get(pool)
    return index is not None and (house.pools[index].public or claims.may_pool(pool))


class Telling(msgspec.Struct, frozen=True):
    """Who is told, and as of when."""

    house: House
    claims: Claims
    ledger: Watermark
    now_ms: int


def answer_to(
    fact: Fact, outcome: Outcome, telling: Telling, closing: Closing | None = None
) -> tuple[EventAnswer, int]:
    """What the sender of `fact` is told, and the HTTP status when it is told alone; `closing` is of a count."""
    claims = telling.claims
    match outcome:
        case Applied():
            return _applied(fact, outcome, telling, closing)
        case Duplicate(seq=seq, first=first):
            first = first or Answer()
            answer = EventAnswer(
                id=fact.id,
                status="duplicate",
                seq=_seq(seq, claims),
                lines=tuple(AnswerLine(sku, quantity) for sku, quantity in first.lines),
                alerts=_alerts(first.alerts + (closing.alerts if closing else ()), telling),
                counting=closing.state if closing else None,
            )
            return answer, 200 if telling.ledger.covers(seq) else 202
        case Parked(seq=seq, why=why):
            unknown = () if why else unknown_in_payload(fact.payload, telling.house)
            parked = EventAnswer(
                id=fact.id, status="parked", seq=_seq(seq, claims), unknown=unknown, reason=why or None
            )
            return parked, 202
        case Conflict():
            detail = "This id was used for another content; the first one stands. Give the new one a new id."
            return refusal(fact.id, problem("conflict", detail)), 409
        case Forbidden(why=why):
            return refusal(fact.id, problem("forbidden", f"Refused: {why}.")), 403
        case Refused(why=why):
            return refusal(fact.id, problem("malformed", f"The event was refused: {why}.")), 400
    raise AssertionError(f"a fact ended as {outcome!r}")


def _seq(seq: Seq, claims: Claims) -> str | None:
    return str(seq) if claims.may(SEES_SEQ) else None


def _alerts(alerts: Iterable[AnsweredAlert], telling: Telling) -> tuple[Alert, ...]:
    """The alerts that the caller may hear: what befell the fence of a pool it may not see is not among them.

    Whose units they are about hears who may see all orders; to others those of one kind at one place are one.
    """
    may_name = telling.claims.may(ANY_OWNER) or telling.claims.may(SEES_SEQ)
    units: dict[AnsweredAlert, int] = {}
    for alert in alerts:
        if not alert.pool or may_see(telling.house, telling.claims, alert.pool):
            kind = msgspec.structs.replace(alert, quantity=0, hold=alert.hold if may_name else "")
            units[kind] = units.get(kind, 0) + alert.quantity
    return tuple(_alert(kind, quantity) for kind, quantity in units.items())


def _alert(kind: AnsweredAlert, quantity: int) -> Alert:
    of_whom, _, id = kind.hold.partition(":")
    return Alert(
        type=kind.type,
        sku=kind.sku,
        location=kind.location,
        quantity=quantity,
        pool=kind.pool or None,
        reservation=id if of_whom == RESERVATION else None,
        order=id if of_whom == ORDER else None,
    )


def _applied(fact: Fact, outcome: Applied, telling: Telling, closing: Closing | None) -> tuple[EventAnswer, int]:
    is_kept = telling.ledger.covers(outcome.seq)
    newest = outcome.shown if closing is None or closing.shown is None else closing.shown
    answer = EventAnswer(
        id=fact.id,
        status="applied" if is_kept else "accepted",
        seq=_seq(outcome.seq, telling.claims),
        lines=tuple(AnswerLine(sku, quantity) for sku, quantity in outcome.lines),
        alerts=_alerts(outcome.alerts + (closing.alerts if closing else ()), telling),
        counting=closing.state if closing else None,
        availability=tuple(
            item(shown.sku, shown.view, outcome.seq.epoch, now_ms=telling.now_ms, pool=shown.pool)
            for shown in newest
            if may_see(telling.house, telling.claims, shown.pool)
        ),
    )
    return answer, 200 if is_kept else 202
