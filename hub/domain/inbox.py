"""What third parties delivered, as the inbox keeps it: raw, but for what is secret, and what became of it."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

# Kept: not booked yet. Ignored: it says nothing about stock. Parked: it waits for a person.
State = Literal["kept", "booked", "ignored", "parked", "dismissed"]

# The method of what nobody delivered: the hub asked for it.
POLLED = "POLL"
# What waits of one source, kept or parked; beyond it nothing more is taken of it until that is mended.
WAITING_MAX = 20_000
# Of a delivery's headers and parameters, in characters; the later ones are left out.
FIELDS_CHARS_MAX = 16 * 1024
WHY_CHARS_MAX = 500
TOPIC_CHARS_MAX = 200
# Names that one delivery lacks.
LACKS_MAX = 100

# In the name of what vouches for a request.
_VOUCHING = ("auth", "cookie", "hmac", "key", "secret", "sign", "token")


class Arrived(msgspec.Struct, frozen=True):
    """A delivery as it is kept."""

    source: str
    # The third party's own id of it.
    delivery: str
    received_at_ms: int
    topic: str
    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    # SHA-256 of the body.
    digest: bytes


class Kept(msgspec.Struct, frozen=True):
    """A delivery that is to be booked, by whoever was given this."""

    number: int
    arrived: Arrived
    # Tries that failed at the third party's.
    attempts: int = 0


class Known(msgspec.Struct, frozen=True):
    """What became of a delivery that was here before."""

    state: State
    why: str
    # Of the body that came first.
    digest: bytes


class Told(msgspec.Struct, frozen=True):
    """A delivery as a list tells it."""

    number: int
    source: str
    delivery: str
    topic: str
    state: State
    why: str
    attempts: int
    received_at_ms: int


class Backlog(msgspec.Struct, frozen=True):
    """What waits of one source."""

    kept: int = 0
    parked: int = 0
    # When the oldest that is kept came, UTC milliseconds; 0 where none is.
    oldest_kept_ms: int = 0


def without_secrets(fields: Mapping[str, str], secrets: Iterable[str]) -> dict[str, str]:
    """What is kept of headers or parameters: nothing that vouches, nothing that holds one of the secrets, and not all
    of too many."""
    shared = [secret for secret in secrets if secret]
    kept: dict[str, str] = {}
    room = FIELDS_CHARS_MAX
    for name, value in fields.items():
        lower = name.lower()
        if any(word in lower for word in _VOUCHING) or any(secret in value for secret in shared):
            continue
        room -= len(name) + len(value)
        if room < 0:
            break
        kept[name] = value
    return kept


def cut(text: str, most: int) -> str:
    """The text, no longer than so many characters and without what no table takes."""
    text = text.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= most else text[: most - 1] + "…"
