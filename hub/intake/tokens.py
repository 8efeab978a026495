"""`POST /v1/tokens`: a storefront's server makes a token for its page, never wider than its own."""

from time import time

import msgspec
from aiohttp import web

from hub.access import Claims, narrower, sign
from hub.credentials import JwtKey
from hub.faults import SettingsInvalid
from hub.intake.exchange import Stopped, caller_with, json_response, read_body
from hub.intake.parts import Parts
from protocol.answers import rfc3339
from protocol.codec import Malformed, decode_body
from protocol.problems import problem
from protocol.tokens import TokenAnswer, TokenRequest

_decoder = msgspec.json.Decoder(TokenRequest)


async def post_tokens(request: web.Request) -> web.Response:
    """Make a token, scope tokens:write."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, "tokens:write")
    try:
        wanted = decode_body(_decoder, await read_body(request, parts.limits.body_bytes_max))
    except Malformed as error:
        raise Stopped(error.as_problem()) from error
    now = time()
    granted = narrower(claims, _claims(wanted, claims, now))
    if granted is None or granted.exp is None:
        raise Stopped(problem("forbidden", "The token would be wider than yours; ask for less."))
    try:
        token = sign(_signing_key(parts), granted, now=now)
    except SettingsInvalid as error:
        raise Stopped(problem("malformed", f"No token can be made: {error}.")) from error
    return json_response(TokenAnswer(token, rfc3339(int(granted.exp * 1000))), 201)


def _claims(wanted: TokenRequest, caller: Claims, now: float) -> Claims:
    return Claims(
        sub=wanted.sub,
        source=caller.source,
        scope=frozenset(wanted.scope),
        pools=frozenset(wanted.pools),
        locations=frozenset(wanted.locations),
        exp=now + wanted.ttl_seconds,
    )


def _signing_key(parts: Parts) -> JwtKey:
    key = parts.access.signing_key
    if key is None:
        raise Stopped(problem("unsupported", "This hub has no key to sign with, only keys to verify."))
    return key
