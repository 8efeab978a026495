"""`GET /v1/alerts`, `POST /v1/alerts/{id}/settle`: what the hub noticed by itself, and who is done with it."""

import re

import msgspec
from aiohttp import web

from hub.domain.entry import PARTITION, Seq
from hub.domain.findings import OwnAlert, Settled
from hub.intake.cursors import cursor_in, cursor_text
from hub.intake.exchange import Stopped, caller_with, json_response, read_body
from hub.intake.parts import Parts
from hub.intake.questions import ledger_has_all, limit_in, malformed
from protocol.alerts import OwnAlertItem, OwnAlertsAnswer, SettleAlert, SettledAlert, SettledAnswer
from protocol.answers import rfc3339
from protocol.codec import Malformed, decode_body
from protocol.problems import problem

SCOPE = "admin"
_STATES = ("open", "all")
# Postgres counts no further.
_EPOCH_MAX, _NUMBER_MAX = 2**31 - 1, 2**63 - 1
_ID = re.compile(rf"{PARTITION}-([0-9]{{1,10}})-([0-9]{{1,19}})")

_settle = msgspec.json.Decoder(SettleAlert)


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The last alert of a page."""

    id: str


_decode_cursor = msgspec.json.Decoder(_Cursor).decode


async def get_alerts(request: web.Request) -> web.Response:
    """Alerts, newest first: all or those that are open, of one type or any."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    limit, cursor, type = limit_in(request), cursor_in(request, _decode_cursor), request.query.get("type")
    state = request.query.get("state", "all")
    if state not in _STATES:
        raise malformed(f"`state` is one of {', '.join(_STATES)}.")
    before = None if cursor is None else _place_in(cursor.id)
    if "\0" in (type or "") or (cursor is not None and before is None):
        return json_response(OwnAlertsAnswer((), None))
    await ledger_has_all(parts)
    found = await parts.alerts.page(before, limit, type=type, is_open=state == "open")
    end = None if found.end is None else _Cursor(str(found.end))
    return json_response(OwnAlertsAnswer(tuple(map(_item, found.alerts)), cursor_text(end)))


async def post_settle(request: web.Request) -> web.Response:
    """Say that a person is done with an alert; again it is answered alike, by whoever said so first."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    try:
        told = decode_body(_settle, await read_body(request, parts.limits.body_bytes_max))
    except Malformed as error:
        raise Stopped(error.as_problem()) from error
    id = request.match_info["id"]
    seq = _place_in(id)
    settled = None if seq is None else await parts.alerts.settle(seq, claims.sub, told.why)
    if settled is None:
        raise Stopped(problem("not_found", f"There is no alert {id[:50]} in the ledger."))
    return json_response(SettledAnswer(str(seq), _settled(settled)))


def _place_in(id: str) -> Seq | None:
    """The place that an id names; None: there can be no such entry."""
    found = _ID.fullmatch(id)
    if found is None:
        return None
    epoch, number = int(found[1]), int(found[2])
    return Seq(epoch, number) if epoch <= _EPOCH_MAX and number <= _NUMBER_MAX else None


def _item(alert: OwnAlert) -> OwnAlertItem:
    return OwnAlertItem(
        id=str(alert.seq),
        type=alert.type,
        booked_at=rfc3339(alert.booked_at_ms),
        about=alert.about or None,
        detail=msgspec.Raw((alert.payload or "null").encode()),
        settled=None if alert.settled is None else _settled(alert.settled),
    )


def _settled(settled: Settled) -> SettledAlert:
    return SettledAlert(rfc3339(settled.at_ms), settled.by, settled.why)
