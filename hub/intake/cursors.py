"""Cursors of lists: where the next page begins, as a text that its reader need not understand."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from hub.intake.exchange import Stopped, encode_json
from hub.intake.questions import malformed

# What Redis takes as the place of a scan.
_SCAN_MAX = 2**64 - 1

Cursor = TypeVar("Cursor")


def cursor_text(cursor: object | None) -> str | None:
    """A cursor as it is told; None at the end of the list."""
    return None if cursor is None else urlsafe_b64encode(encode_json(cursor)).decode()


def cursor_in(request: web.Request, decode: Callable[[bytes], Cursor]) -> Cursor | None:
    """The cursor that a request brings; None when it asks for the first page.

    Raises:
        Stopped: 400, the hub made no such cursor.
    """
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        return decode(urlsafe_b64decode(text.encode("ascii")))
    except (msgspec.MsgspecError, ValueError) as error:
        raise foreign_cursor() from error


def check_scan(scan: int) -> None:
    """Make sure that a cursor's place in a scan is one.

    Raises:
        Stopped: 400, it is not.
    """
    if not 0 <= scan <= _SCAN_MAX:
        raise foreign_cursor()


def foreign_cursor() -> Stopped:
    """The hub made no such cursor."""
    return malformed("This `cursor` was not made by this hub.")
