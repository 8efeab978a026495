"""What every route shares: who asks, what was sent, and how an answer or a problem goes out."""

import zlib
from hashlib import blake2b
from time import time

import msgspec
from aiohttp import web

from hub.access import ANONYMOUS, Access, Claims, Unauthenticated
from protocol.problems import CONTENT_TYPE, Problem, encode_problem, problem

JSON = "application/json"
PRIVATE = {"Cache-Control": "private, no-store"}
PUBLIC = "public, max-age=1, stale-while-revalidate=5"

encode_json = msgspec.json.Encoder().encode


# Who asks, and by which keys; looked at again when the body has come.
_ASKED: web.RequestKey[tuple[Access, Claims]] = web.RequestKey("hub.asked", tuple)


class Stopped(Exception):
    """A request ends here with a problem."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The problem as it goes out."""
        return problem_response(self.problem, self.headers)


def problem_response(told: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """A problem as `application/problem+json`."""
    return web.Response(
        body=encode_problem(told),
        status=told.status,
        content_type=CONTENT_TYPE,
        headers={**PRIVATE, **(headers or {})},
    )


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Any wire struct as JSON."""
    return web.Response(
        body=encode_json(body), status=status, content_type=JSON, headers=PRIVATE if headers is None else headers
    )


def public_response(request: web.Request, body: object, told: object) -> web.Response:
    """What anyone may know, as JSON: it may be kept for a moment, and asked about by a tag that changes with `told`."""
    tag = f'W/"{blake2b(encode_json(told), digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": PUBLIC}
    return web.Response(status=304, headers=headers) if is_known(request, tag) else json_response(body, headers=headers)


def is_known(request: web.Request, tag: str) -> bool:
    """Whether the caller has what has this tag, and asks only for something else."""
    condition = request.headers.get("If-None-Match", "")
    return request.method in ("GET", "HEAD") and (condition.strip() == "*" or tag in condition)


def caller(request: web.Request, access: Access) -> Claims:
    """Who asks; nobody in particular when no credentials were sent.

    Raises:
        Stopped: 401, credentials were sent and are not good.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return ANONYMOUS
    try:
        claims = access.authenticate(header, time())
    except Unauthenticated as error:
        raise Stopped(problem("unauthenticated", str(error)), {"WWW-Authenticate": "Bearer"}) from error
    request[_ASKED] = (access, claims)
    return claims


def check_still(request: web.Request) -> None:
    """A body takes as long as its sender likes, and keys may have changed meanwhile; who may do less asks again.

    Raises:
        Stopped: 401, the key that vouched for the caller is gone or grants something else by now.
    """
    asked = request.get(_ASKED)
    if asked is not None and asked[0].still(asked[1]) != asked[1]:
        told = problem("unauthenticated", "The key was revoked or changed while the request came in; send it again.")
        raise Stopped(told, {"WWW-Authenticate": "Bearer"})


def caller_with(request: web.Request, access: Access, scope: str) -> Claims:
    """Who asks, holding a scope.

    Raises:
        Stopped: 401 without good credentials, 403 without the scope.
    """
    claims = caller(request, access)
    if claims is ANONYMOUS:
        told = problem("unauthenticated", "This needs a token: Authorization: Bearer …")
        raise Stopped(told, {"WWW-Authenticate": "Bearer"})
    if not claims.may(scope):
        raise Stopped(problem("forbidden", f"The token lacks the scope {scope}."))
    return claims


async def read_body(request: web.Request, bytes_max: int) -> bytes:
    """The body, unpacked when it is gzip; both are bounded.

    Raises:
        Stopped: 413 when it is too large, 415 for another encoding, 400 when the gzip is broken, 401 when the caller
            lost its key meanwhile.
    """
    if (request.content_length or 0) > bytes_max:
        raise Stopped(_too_large(bytes_max))
    try:
        sent = await request.content.read(bytes_max + 1)
        while len(sent) <= bytes_max and not request.content.at_eof():
            sent += await request.content.read(bytes_max + 1 - len(sent))
    except web.RequestPayloadError as error:
        raise Stopped(problem("malformed", "The body is not what its headers say.")) from error
    except ConnectionResetError as error:
        raise Stopped(problem("malformed", "The sender went away before the body's end.")) from error
    if len(sent) > bytes_max:
        raise Stopped(_too_large(bytes_max))
    check_still(request)
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding == "identity":
        return sent
    if encoding != "gzip":
        # It is not quoted: a header may hold what is no text.
        raise Stopped(problem("unsupported_media", "Of encodings only gzip is taken; send gzip or none."))
    return _unpacked(sent, bytes_max)


def _unpacked(packed: bytes, bytes_max: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        body = unpacker.decompress(packed, bytes_max + 1)
    except zlib.error as error:
        raise Stopped(problem("malformed", "The body is not gzip.")) from error
    if len(body) > bytes_max:
        raise Stopped(_too_large(bytes_max))
    if not unpacker.eof:
        raise Stopped(problem("malformed", "The gzip is cut short."))
    if unpacker.unused_data:
        raise Stopped(problem("malformed", "Something follows the gzip; send one member only."))
    return body


def _too_large(bytes_max: int) -> Problem:
    return problem("too_large", f"At most {bytes_max} bytes are taken at once, also after unpacking.")
