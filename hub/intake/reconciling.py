"""`/v1/webhooks/{source}/reconcile`: have a third party asked for what happened, and see how far. Scope admin."""

from aiohttp import web

from hub.domain.polling import Progress
from hub.intake.exchange import Stopped, caller_with, json_response
from hub.intake.parts import Parts
from hub.intake.questions import malformed, time_in
from protocol.answers import rfc3339
from protocol.problems import problem
from protocol.webhooks import AskedStream, ReconcileAnswer

SCOPE = "admin"
# Asked from so early on, a vendor would tell all that it knows.
_EARLIEST_MS = 946_684_800_000


async def get_reconcile(request: web.Request) -> web.Response:
    """How far a source was asked."""
    parts, source = _asked(request)
    return json_response(await _answer(parts, source))


async def post_reconcile(request: web.Request) -> web.Response:
    """Have it asked soon, from where it is or from a time on."""
    parts, source = _asked(request)
    since_ms = time_in(request, "since", 0)
    if "since" in request.query and since_ms < _EARLIEST_MS:
        raise malformed("`since` is a time since the year 2000.")
    await parts.webhooks.polling.ask(source, since_ms or None)
    return json_response(await _answer(parts, source))


def _asked(request: web.Request) -> tuple[Parts, str]:
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    source = request.match_info["source"]
    if not parts.webhooks.polling.streams(source):
        raise Stopped(
            problem("not_found", "There is no such source that can be asked: it needs `api_url` and a token.")
        )
    return parts, source


async def _answer(parts: Parts, source: str) -> ReconcileAnswer:
    polling = parts.webhooks.polling
    states = await polling.states(source)
    known = [stream for stream in polling.streams(source) if stream in states]
    return ReconcileAnswer(source, tuple(_stream(stream, states[stream]) for stream in known))


def _stream(stream: str, progress: Progress) -> AskedStream:
    return AskedStream(
        stream=stream,
        since=rfc3339(progress.since_ms),
        due_at=rfc3339(progress.due_ms),
        done_at=rfc3339(progress.done_ms) if progress.done_ms else None,
        is_under_way=bool(progress.began_ms),
        found=progress.found,
        problem=progress.problem or None,
    )
