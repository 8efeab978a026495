"""The HTTP door: its routes, its limits, and what every answer carries."""

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from hub.faults import Fault, Unavailable
from hub.intake.accuracy import get_accuracy
from hub.intake.alerts import get_alerts, post_settle
from hub.intake.browser_client import add_browser_client
from hub.intake.channels import get_channel, get_channels, post_channel_retry
from hub.intake.events import post_events
from hub.intake.exchange import Stopped, json_response, problem_response
from hub.intake.feed import get_feed
from hub.intake.feed_stream import get_feed_stream
from hub.intake.history import get_history
from hub.intake.imports import get_import, get_imports, post_imports
from hub.intake.inbox import delete_delivery, get_delivery, get_inbox, post_inbox_replay
from hub.intake.live_stream import get_live_stream, post_live_stream
from hub.intake.orders import get_order
from hub.intake.parameters import check_parameters
from hub.intake.parked import delete_parked, get_parked, post_replay
from hub.intake.parts import Parts
from hub.intake.reads import (
    get_availability,
    get_explanation,
    get_locations,
    get_positions,
    query_availability,
)
from hub.intake.reconciling import get_reconcile, post_reconcile
from hub.intake.reservation_list import get_reservations
from hub.intake.reservations import get_reservation, post_change, post_reservations
from hub.intake.skus import get_skus, put_skus
from hub.intake.specs import get_asyncapi, get_openapi
from hub.intake.supply import get_expected, get_promise, get_serial
from hub.intake.tokens import post_tokens
from hub.intake.transfers import get_transfers
from hub.intake.webhooks import any_webhook
from protocol.health import Alive, Ready
from protocol.limits import ADDRESS_BYTES_MAX, HEADER_BYTES_MAX
from protocol.problems import problem

log = structlog.get_logger()

# What a browser may send and read besides the plain headers.
_ALLOWED = "Authorization, Content-Type, Content-Encoding, Idempotency-Key, If-None-Match, Hub-Sent-At, Last-Event-ID"
_EXPOSED = "ETag, Retry-After, WWW-Authenticate"
_PREFLIGHT_SECONDS = "600"
# An id may have braces, which aiohttp's own pattern excludes.
_RESERVATION = "/v1/reservations/{id:[^/]+}"
_ORDER = "/v1/orders/{order:[^/]+}"
# Questions too long for a URL, and what is known again by its id.
ASKED_BY_POST = frozenset({"/v1/availability/query", "/v1/live/sse"})
TAKES_IDS = frozenset({"/v1/events", "/v1/imports"})


def http_app(parts: Parts) -> web.Application:
    """The application of the HTTP door."""
    # The body is read and unpacked in exchange.py, where both sizes are bounded.
    bounds = {"max_line_size": ADDRESS_BYTES_MAX, "max_field_size": HEADER_BYTES_MAX}
    app = web.Application(handler_args={"auto_decompress": False, "access_log": None, **bounds})
    app[Parts.KEY] = parts
    app.router.add_post("/v1/events", guarded(post_events))
    app.router.add_get("/v1/availability", guarded(get_availability))
    app.router.add_post("/v1/availability/query", guarded(query_availability))
    app.router.add_get("/v1/availability/locations", guarded(get_locations))
    app.router.add_get("/v1/availability/explain", guarded(get_explanation))
    app.router.add_get("/v1/availability/promise", guarded(get_promise))
    app.router.add_get("/v1/availability/history", guarded(get_history))
    app.router.add_get("/v1/positions", guarded(get_positions))
    app.router.add_get("/v1/accuracy", guarded(get_accuracy))
    _add_for_people(app)
    app.router.add_put("/v1/skus", guarded(put_skus))
    app.router.add_get("/v1/skus", guarded(get_skus))
    app.router.add_get("/v1/expected", guarded(get_expected))
    app.router.add_get("/v1/serials", guarded(get_serial))
    app.router.add_get("/v1/transfers", guarded(get_transfers))
    app.router.add_post("/v1/imports", guarded(post_imports))
    app.router.add_get("/v1/imports", guarded(get_imports))
    app.router.add_get("/v1/imports/{id}", guarded(get_import))
    app.router.add_post("/v1/reservations", guarded(post_reservations))
    app.router.add_get("/v1/reservations", guarded(get_reservations))
    app.router.add_get(_RESERVATION, guarded(get_reservation))
    app.router.add_post(_RESERVATION + "/{verb:extend|confirm|release|fulfil|reallocate}", guarded(post_change))
    app.router.add_get(_ORDER, guarded(get_order))
    app.router.add_get("/v1/feed", guarded(get_feed), allow_head=False)
    app.router.add_get("/v1/feed/stream", guarded(get_feed_stream), allow_head=False)
    app.router.add_get("/v1/live/sse", guarded(get_live_stream), allow_head=False)
    app.router.add_post("/v1/live/sse", guarded(post_live_stream))
    app.router.add_post("/v1/tokens", guarded(post_tokens))
    _add_webhooks(app)
    _add_channels(app)
    add_browser_client(app)
    for prefix in ("", "/v1"):
        app.router.add_get(f"{prefix}/openapi.json", guarded(get_openapi))
        app.router.add_get(f"{prefix}/asyncapi.json", guarded(get_asyncapi))
    app.router.add_get("/healthz", get_healthz)
    app.router.add_get("/readyz", get_readyz)
    app.router.add_options("/{path:.*}", _preflight)
    app.router.add_route("*", "/{path:.*}", guarded(_nowhere))
    app.on_response_prepare.append(_allow_origin)
    app.on_shutdown.append(_end_streams)
    return app


def _add_for_people(app: web.Application) -> None:
    """What waits for somebody who mends it, and what the hub noticed."""
    app.router.add_get("/v1/parked", guarded(get_parked))
    app.router.add_post("/v1/parked/replay", guarded(post_replay))
    # An id may have slashes.
    app.router.add_delete("/v1/parked/{source}/{id:.+}", guarded(delete_parked))
    app.router.add_get("/v1/alerts", guarded(get_alerts))
    app.router.add_post("/v1/alerts/{id}/settle", guarded(post_settle))


def _add_webhooks(app: web.Application) -> None:
    """What third parties deliver, and what waits of it."""
    app.router.add_post("/v1/webhooks/{source}", guarded(any_webhook))
    app.router.add_get("/v1/webhooks/{source}", guarded(any_webhook))
    app.router.add_get("/v1/webhooks/{source}/reconcile", guarded(get_reconcile))
    app.router.add_post("/v1/webhooks/{source}/reconcile", guarded(post_reconcile))
    app.router.add_get("/v1/inbox", guarded(get_inbox))
    app.router.add_post("/v1/inbox/replay", guarded(post_inbox_replay))
    app.router.add_get("/v1/inbox/{id}", guarded(get_delivery))
    app.router.add_delete("/v1/inbox/{id}", guarded(delete_delivery))
    app.router.add_post("/v1/inbox/{id}/replay", guarded(post_inbox_replay))


def _add_channels(app: web.Application) -> None:
    """Who is told what is available."""
    app.router.add_get("/v1/channels", guarded(get_channels))
    app.router.add_get("/v1/channels/{id}", guarded(get_channel))
    app.router.add_post("/v1/channels/{id}/retry", guarded(post_channel_retry))


def guarded(handler: Handler) -> Handler:
    """Check what a read is asked by, and turn what a handler of any door raises into problems.

    A middleware would cost every request more.
    """

    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            check_parameters(request)
            return await handler(request)
        except Stopped as stopped:
            return _stopped(request, stopped)
        except Unavailable as fault:
            return _unavailable(request, fault, fault.retry_after_seconds)
        except Fault as fault:  # a store refuses, or the rules changed: the outcome is as unknown
            return _unavailable(request, fault, 5)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("A request met a defect.", path=request.path)
            return problem_response(problem("internal", f"The hub has a defect. {_next_step(request)}."))

    return guarded


def _stopped(request: web.Request, stopped: Stopped) -> web.Response:
    # The admin door has no parts, and its callers are no senders.
    parts = request.app.get(Parts.KEY)
    if parts is not None and stopped.problem.status == web.HTTPUnauthorized.status_code:
        parts.metrics.unauthenticated.inc()
    return stopped.response()


def _unavailable(request: web.Request, fault: Fault, retry_after_seconds: int) -> web.Response:
    told = problem("unavailable", f"{str(fault).rstrip('.')}. {_next_step(request)}.")
    return problem_response(told, {"Retry-After": str(retry_after_seconds)})


def _next_step(request: web.Request) -> str:
    """What the caller does when the outcome is unknown; a question has none."""
    if request.method in ("GET", "HEAD") or request.path in ASKED_BY_POST:
        return "Ask again"
    return "Send the same id again" if request.path in TAKES_IDS else "Send the same again"


async def _end_streams(app: web.Application) -> None:
    """Before requests under way are waited for: a stream would never end by itself."""
    parts = app[Parts.KEY]
    parts.live.end_streams()
    parts.streams.close()


async def get_healthz(request: web.Request) -> web.Response:
    """Alive: the process answers, whatever its stores do."""
    return json_response(Alive())


async def get_readyz(request: web.Request) -> web.Response:
    """Ready: events would be taken now."""
    parts: Parts = request.app[Parts.KEY]
    reason = parts.not_ready() or await parts.reads.closed_because()
    if reason is None:
        return json_response(Ready(ledger=parts.ledger_state()))
    return problem_response(problem("unavailable", reason), {"Retry-After": "1"})


async def _nowhere(request: web.Request) -> web.Response:
    """Any other path, or a path that is there with another method."""
    methods = sorted(
        {
            route.method
            for resource in request.app.router.resources()
            if resource.canonical == request.path
            for route in resource
        }
    )
    if methods:
        told = problem("method_not_allowed", f"{request.path} takes {', '.join(methods)}.")
        return problem_response(told, {"Allow": ", ".join(methods)})
    return problem_response(problem("not_found", "There is nothing at this path."))


async def _preflight(request: web.Request) -> web.Response:
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": _ALLOWED,
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        },
    )


async def _allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """CORS for the configured origins; a caller from elsewhere gets an answer that its browser keeps to itself."""
    # Also without an origin: a cache must not give this answer to a browser that sends one.
    response.headers["Vary"] = "Origin"
    origin = request.headers.get("Origin")
    if origin is None:
        return
    if origin in request.app[Parts.KEY].origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    elif request.method == "OPTIONS":
        # Nothing is allowed to a stranger.
        for name in ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers"):
            response.headers.popall(name, None)
