"""What a read may be asked: its parameters, checked, and whether the ledger has caught up with what is asked about."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.intake.answers import may_see
from hub.intake.exchange import Stopped, encode_json, read_body
from hub.intake.parts import Parts
from protocol.answers import epoch_ms
from protocol.codec import Malformed, decode_body
from protocol.identifiers import Name, Sku, Time, nfc
from protocol.limits import NAME_CHARS_MAX, PAGE_ITEMS_MAX
from protocol.problems import Problem, problem

Question = TypeVar("Question")

# What the decoder says of a list that is too long.
_TOO_MANY = re.compile(r"Expected `(array|object)` of length <= ")
_to_sku = msgspec.json.Decoder(Sku).decode
_to_name = msgspec.json.Decoder(Name).decode
_to_time: Callable[[bytes], datetime] = msgspec.json.Decoder(Time).decode


def malformed(detail: str, *, path: str | None = None) -> Stopped:
    """The question cannot be read; `path` names the parameter where a program should know which."""
    return Stopped(problem("malformed", detail, path=path))


async def question_in(request: web.Request, parts: Parts, decoder: msgspec.json.Decoder[Question]) -> Question:
    """A question that is too long for an address and comes as a body.

    Raises:
        Stopped: 400, it cannot be read; 422, it names too many SKUs; and as `read_body`.
    """
    try:
        return decode_body(decoder, await read_body(request, parts.limits.body_bytes_max))
    except Malformed as error:
        name = "too_many" if _TOO_MANY.match(error.detail) else error.problem
        raise Stopped(problem(name, error.detail, path=error.path)) from error


def required(request: web.Request, name: str) -> str:
    """A parameter that must be there.

    Raises:
        Stopped: 400, it is not.
    """
    value = request.query.get(name)
    if not value:
        raise malformed(f"The parameter `{name}` is missing.")
    return value


def sku_in(text: str) -> str:
    """A SKU as it was asked for, in its normal form.

    Raises:
        Stopped: 400, it is none.
    """
    try:
        return _to_sku(encode_json(nfc(text)))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise malformed("A SKU has 1 to 128 characters and no control characters.") from error


def name_in(request: web.Request, parameter: str) -> str | None:
    """A parameter that names a location or a source; None when it is left out. Whether there is one is not looked at.

    Raises:
        Stopped: 400, nothing can have such a name.
    """
    text = request.query.get(parameter)
    try:
        return None if text is None else _to_name(encode_json(text))
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise malformed(
            f"`{parameter}` is a name of 1 to {NAME_CHARS_MAX} letters A-Z a-z, digits, `.`, `_` or `-`."
        ) from error


def time_in(request: web.Request, name: str, default_ms: int) -> int:
    """A parameter that is a time, in UTC milliseconds; `default_ms` when it is left out.

    Raises:
        Stopped: 400, it is none.
    """
    text = request.query.get(name)
    if text is None:
        return default_ms
    try:
        # In a query a `+` that nobody escaped is a space.
        return epoch_ms(_to_time(encode_json(text.replace(" ", "+"))))
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError) as error:
        raise malformed(f"`{name}` is not a time with an offset, like 2026-11-22T10:00:00Z.") from error


def number_in(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A parameter that is a whole number.

    Raises:
        Stopped: 400, it is none, or not within its bounds.
    """
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise malformed(f"`{name}` is a number from {least} to {most}.")
    return int(text)


def limit_in(request: web.Request) -> int:
    """How many items a page may have.

    Raises:
        Stopped: 400, it is no such number.
    """
    return number_in(request, "limit", PAGE_ITEMS_MAX, 1, PAGE_ITEMS_MAX)


def visible_pool(request: web.Request, parts: Parts, claims: Claims) -> str:
    """The pool that is asked about, if the caller may see it.

    Raises:
        Stopped: 404, it may not, or there is none.
    """
    pool = required(request, "pool")
    if not may_see(parts.house, claims, pool):
        raise Stopped(no_pool(pool))
    return pool


def no_pool(pool: str) -> Problem:
    """There is none, or none for this caller."""
    return problem("not_found", f"There is no pool {pool} that this caller may see.")


async def ledger_has_all(parts: Parts) -> bool:
    """Wait, as long as an event's answer would, until the ledger has what Redis has; whether it does.

    Raises:
        Unavailable: Redis did not answer.
    """
    newest = await parts.reads.last_seq()
    return await parts.watermark.wait(newest, parts.limits.ledger_wait_ms / 1000)
