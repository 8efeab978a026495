"""One delivery while it is told: what every dialect needs of it, and the names of articles that come up meanwhile."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from msgspec import MsgspecError, Struct

from adapters.contract import Account, Reading
from adapters.telling import Id, alias_of, instant, told
from protocol.identifiers import Sku

T = TypeVar("T")


class Telling(Struct):
    """One delivery while it is told; a dialect adds how its articles are called."""

    account: Account
    received_at_ms: int
    # Names of SKUs that came up and stand for one only if the house knows them.
    aliases: dict[Sku, None]

    def time(self, *texts: str | None) -> datetime:
        """The first of the times that there is, else when it arrived."""
        return instant(first_of(*texts), self.received_at_ms)

    def alias(self, kind: str, theirs: Id) -> Sku:
        """A name by an id of theirs, noted as one that the house must know."""
        alias = alias_of(self.account, kind, theirs)
        self.aliases[alias] = None
        return alias


def first_of(*texts: str | None) -> str | None:
    """The first text that says anything."""
    return next((text for text in texts if text), None)


def unread(decode: Callable[[bytes], object], body: bytes) -> Reading:
    """Why a body cannot be read: the field, and what was expected there."""

    def say() -> Reading:
        decode(body)
        return Reading()

    return told(say)


def readable(decode: Callable[[bytes], T], body: bytes) -> T | None:
    """What a body says; None where it cannot be read."""
    try:
        return decode(body)
    except (MsgspecError, ValueError, RecursionError):
        return None
