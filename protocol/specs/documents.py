"""The documents by name, as they are served and as they are printed."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from msgspec.json import encode, format

from protocol.specs.asyncapi import asyncapi
from protocol.specs.openapi import openapi

DOCUMENTS: Final[dict[str, Callable[[], dict[str, Any]]]] = {"openapi": openapi, "asyncapi": asyncapi}


@cache
def document(name: str) -> bytes:
    """The document called `name` as JSON; made once, in some tenths of a second.

    Raises:
        KeyError: there is no such document.
    """
    return encode(DOCUMENTS[name]())


def printed(name: str) -> str:
    """The same for people, with a newline at its end."""
    return format(document(name), indent=1).decode() + "\n"
