"""`/v1/imports`: a file of absolute books in, checked while it comes; how far it is, out."""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Callable, Iterator
from secrets import token_hex
from time import time
from typing import Literal

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.imports.running import Full, TakenId
from hub.imports.state import Asked, ImportState
from hub.intake.exchange import Stopped, caller, caller_with, check_still, json_response
from hub.intake.parts import Parts
from protocol.answers import epoch_ms
from protocol.codec import Malformed, malformed
from protocol.imports import ImportAccepted, ImportQuery, ImportsAnswer, LineError, aborted
from protocol.limits import IMPORT_BYTES_MAX
from protocol.problems import CONTENT_TYPE, problem

SCOPE = "events:write"
ADMIN = "admin"
# A sender that says nothing for so long is gone; it must not keep others from sending.
SILENCE_SECONDS_MAX = 30.0
_FULL_RETRY_SECONDS = 10
# Unpacked in one go.
_PIECE_BYTES = 64 * 1024
_FORMATS: dict[str, Literal["csv", "jsonl"]] = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
}
# Written into an address as it is, the plus of an offset arrives as a space.
_LOST_PLUS = re.compile(r" (\d\d:\d\d)$")


async def post_imports(request: web.Request) -> web.Response:
    """Take an import; see docs/imports.md for the answers."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    asked = _asked(request, claims)
    if (request.content_length or 0) > IMPORT_BYTES_MAX:
        raise Stopped(problem("too_large", f"An import has at most {IMPORT_BYTES_MAX} bytes; send it in parts."))
    try:
        state = await parts.imports.receive(asked, claims, _body(request))
    except Full as full:
        told = problem("rate_limited", f"Not now: {full}. Send the same id again.")
        raise Stopped(told, {"Retry-After": str(_FULL_RETRY_SECONDS)}) from full
    except TakenId as taken:
        detail = "This id was used for another import; the first one stands. Give the new one a new id."
        raise Stopped(problem("conflict", detail)) from taken
    except Malformed as error:
        if error.problem != "malformed":
            raise Stopped(error.as_problem()) from error
        told = error.as_problem()
        body = aborted(told, asked.id, lines=0, broken=1, errors=(LineError(1, error.detail),))
        return _problem_with_lines(body)
    return _answer(state)


def _answer(state: ImportState) -> web.Response:
    errors = tuple(state.errors)
    if state.state == "aborted":
        told = problem("malformed", f"{state.broken} of {state.lines} lines are broken; nothing was booked.")
        return _problem_with_lines(aborted(told, state.id, lines=state.lines, broken=state.broken, errors=errors))
    progress = f"/v1/imports/{state.id}"
    body = ImportAccepted(state.id, state.state, state.lines, state.broken, errors, progress)
    return json_response(body, 202 if state.state == "running" else 200)


def _problem_with_lines(body: msgspec.Struct) -> web.Response:
    response = json_response(body, 400)
    response.content_type = CONTENT_TYPE
    return response


async def get_imports(request: web.Request) -> web.Response:
    """The latest imports of the caller's source, or of all for `admin`."""
    may_see = _may_see(request)
    found = request.app[Parts.KEY].imports.latest(may_see)
    return json_response(ImportsAnswer(tuple(state.status(with_errors=False) for state in found)))


async def get_import(request: web.Request) -> web.Response:
    """How far one import is."""
    may_see = _may_see(request)
    state = request.app[Parts.KEY].imports.find(request.match_info["id"], may_see)
    if state is None:
        raise Stopped(problem("not_found", "There is no import of this id that this caller may see."))
    return json_response(state.status())


def _may_see(request: web.Request) -> Callable[[str], bool]:
    """Whose imports the caller may see. Raises Stopped."""
    access = request.app[Parts.KEY].access
    is_admin = caller(request, access).may(ADMIN)
    claims = caller_with(request, access, ADMIN if is_admin else SCOPE)
    return lambda source: is_admin or source == claims.source


def _asked(request: web.Request, claims: Claims) -> Asked:
    """What is wanted, by the address and the headers. Raises Stopped."""
    query = _query(request)
    format = _FORMATS.get(request.content_type)
    if format is None or (request.charset or "utf-8").lower() not in ("utf-8", "us-ascii"):
        raise Stopped(problem("unsupported_media", f"Send {', '.join(_FORMATS)}, in UTF-8."))
    is_complete = query.complete == "true"
    if is_complete and query.on_error == "skip":
        # What is skipped would be counted as zero.
        raise Stopped(problem("malformed", "A complete import cannot skip broken lines; use `on_error=abort`."))
    return Asked(
        source=claims.source,
        id=query.id or _new_id(),
        format=format,
        kind=query.kind,
        at_ms=None if query.at is None else epoch_ms(query.at),
        on_error=query.on_error or ("abort" if is_complete else "skip"),
        location=query.location,
        complete=is_complete,
    )


def _query(request: web.Request) -> ImportQuery:
    said = dict(request.query)
    if len(said) < len(request.query):
        raise Stopped(problem("malformed", "A parameter stands twice in the address."))
    key = request.headers.get("Idempotency-Key")
    if key is not None:
        said.setdefault("id", key.strip('"'))
    if "at" in said:
        said["at"] = _LOST_PLUS.sub(r"+\1", said["at"])
    try:
        return msgspec.convert(said, ImportQuery)
    except (msgspec.ValidationError, OverflowError) as error:
        told = malformed(error)
        name = (told.path or "").removeprefix("$.").replace("$", "")
        raise Stopped(problem("malformed", f"{name}: {told.detail}" if name else told.detail)) from error


def _new_id() -> str:
    """An id that sorts by time, as a UUID of version 7 does."""
    return f"{int(time() * 1000):012x}-{token_hex(8)}"


async def _body(request: web.Request) -> AsyncGenerator[bytes]:
    """The body in pieces, unpacked when it is gzip.

    Raises:
        Stopped: another encoding, broken gzip, a sender that went away, or one that lost its key meanwhile.
    """
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        raise Stopped(problem("unsupported_media", "Of encodings only gzip is taken; send gzip or none."))
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    async for sent in _sent(request):
        if unpacker is None:
            yield sent
        else:
            for piece in _unpacked(unpacker, sent):
                yield piece
    if unpacker is not None and not unpacker.eof:
        raise Stopped(problem("malformed", "The gzip is cut short."))


def _unpacked(unpacker: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """Unpack some bytes piece by piece: a small body may become a very large one. Raises Stopped."""
    while packed:
        try:
            piece = unpacker.decompress(packed, _PIECE_BYTES)
        except zlib.error as error:
            raise Stopped(problem("malformed", "The body is not gzip.")) from error
        if unpacker.unused_data:
            raise Stopped(problem("malformed", "Something follows the gzip; send one member only."))
        packed = unpacker.unconsumed_tail
        yield piece


async def _sent(request: web.Request) -> AsyncGenerator[bytes]:
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS_MAX):
                sent = await request.content.readany()
        except TimeoutError as error:
            raise Stopped(problem("malformed", f"Nothing came for {SILENCE_SECONDS_MAX:.0f} seconds.")) from error
        except web.RequestPayloadError as error:
            raise Stopped(problem("malformed", "The body is not what its headers say.")) from error
        except ConnectionResetError as error:
            raise Stopped(problem("malformed", "The sender went away before the body's end.")) from error
        if not sent:
            check_still(request)
            return
        yield sent
