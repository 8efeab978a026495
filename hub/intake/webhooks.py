"""`POST /v1/webhooks/{source}`: what third parties deliver. Answered when it is kept, whatever becomes of it then."""

from time import time

from aiohttp import web

from adapters.contract import Delivery, Reply
from hub.intake.exchange import Stopped, json_response, problem_response, read_body
from hub.intake.parts import Parts
from protocol.problems import problem

# What is answered to whoever only looks whether the address is there.
_REPLY_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def any_webhook(request: web.Request) -> web.Response:
    """Take one delivery, or answer a vendor's check of the address."""
    parts: Parts = request.app[Parts.KEY]
    source = request.match_info["source"]
    if not parts.webhooks.taking.takes(source):
        # Also where there is such a source without an adapter: who has no secret of ours learns no name.
        raise Stopped(problem("not_found", "No webhooks are taken here."))
    body = await read_body(request, parts.limits.body_bytes_max)
    delivery = Delivery(
        body=body,
        headers=_first_of_each(request),
        query={name: request.query[name] for name in request.query},
        method=request.method,
        received_at_ms=int(time() * 1000),
    )
    answer = await parts.webhooks.taking.take(source, delivery)
    if isinstance(answer, Reply):
        headers = {**_REPLY_HEADERS, "Content-Type": answer.content_type}
        return web.Response(status=answer.status, body=answer.body, headers=headers)
    if not isinstance(answer, str):
        return json_response(answer, 202 if answer.status in ("accepted", "parked") else 200)
    if request.method != "POST":
        raise Stopped(problem("method_not_allowed", "Deliveries are sent by POST."), {"Allow": "POST"})
    # Not raised: it is no bad token.
    return problem_response(problem("unauthenticated", f"Not taken: {answer}."), {"WWW-Authenticate": "Signature"})


def _first_of_each(request: web.Request) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers.setdefault(name.lower(), value)
    return headers
