"""`GET /v1/inbox`, …: what third parties delivered and nobody could map, tried again or dismissed. Scope admin."""

from base64 import b64encode
from typing import get_args

import msgspec
from aiohttp import web

from hub.domain.inbox import Told
from hub.intake.cursors import cursor_in, cursor_text
from hub.intake.exchange import Stopped, caller_with, json_response
from hub.intake.parts import Parts
from hub.intake.questions import limit_in, malformed, name_in
from protocol.answers import rfc3339
from protocol.problems import problem
from protocol.webhooks import (
    InboxAnswer,
    InboxDelivery,
    InboxDismissedAnswer,
    InboxItem,
    InboxReplayAnswer,
    InboxState,
)

SCOPE = "admin"
# Postgres counts no further.
NUMBER_MAX = 2**63 - 1


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The last delivery of a page."""

    number: int


_decode_cursor = msgspec.json.Decoder(_Cursor).decode


async def get_inbox(request: web.Request) -> web.Response:
    """Deliveries in one state, by default those that wait for a person."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    limit, cursor, source = limit_in(request), cursor_in(request, _decode_cursor), name_in(request, "source")
    state = request.query.get("state", "parked")
    if state not in get_args(InboxState):
        raise malformed(f"`state` is one of {', '.join(get_args(InboxState))}.")
    behind = 0 if cursor is None else cursor.number
    if not 0 <= behind <= NUMBER_MAX:
        return json_response(InboxAnswer((), None))
    found = await parts.webhooks.inbox.page(state, behind, source, limit + 1)  # type: ignore[arg-type]  # looked at above
    end = _Cursor(found[limit - 1].number) if len(found) > limit else None
    return json_response(InboxAnswer(tuple(map(_item, found[:limit])), cursor_text(end)))


async def get_delivery(request: web.Request) -> web.Response:
    """One delivery whole."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    found = await parts.webhooks.inbox.one(number_of(request))
    if found is None:
        raise _no_delivery()
    kept, state, why = found
    came = kept.arrived
    told = Told(kept.number, came.source, came.delivery, came.topic, state, why, kept.attempts, came.received_at_ms)
    try:
        body, is_base64 = came.body.decode("utf-8"), False
    except UnicodeDecodeError:
        body, is_base64 = b64encode(came.body).decode("ascii"), True
    return json_response(
        InboxDelivery(
            item=_item(told), headers=dict(came.headers), query=dict(came.query), body=body, is_base64=is_base64
        )
    )


async def post_inbox_replay(request: web.Request) -> web.Response:
    """Try all that is parked again now, or one."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    number = number_of(request) if "id" in request.match_info else None
    tried = await parts.webhooks.replay(number)
    if number is not None and not tried:
        raise _no_delivery()
    states = [each.state for each in tried]
    still, later = states.count("parked"), states.count("kept")
    return json_response(InboxReplayAnswer(len(states) - still - later, later, still))


async def delete_delivery(request: web.Request) -> web.Response:
    """Wait no more for a parked delivery, and forget what it said."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    number = number_of(request)
    if not await parts.webhooks.inbox.dismiss(number):
        raise _no_delivery()
    return json_response(InboxDismissedAnswer(number))


def number_of(request: web.Request) -> int:
    """The number in the path.

    Raises:
        Stopped: 404, it is none.
    """
    text = request.match_info["id"]
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= NUMBER_MAX):
        raise _no_delivery()
    return int(text)


def _no_delivery() -> Stopped:
    return Stopped(problem("not_found", "There is no such delivery, or it is not parked."))


def _item(told: Told) -> InboxItem:
    return InboxItem(
        id=told.number,
        source=told.source,
        delivery=told.delivery,
        topic=told.topic,
        received_at=rfc3339(told.received_at_ms),
        state=told.state,
        why=told.why or None,
        attempts=told.attempts,
    )
