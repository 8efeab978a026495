"""What crosses the live WebSocket `/v1/live`: messages in, frames out, and how a connection may end.

Rules:
- Items are encoded once and put into every frame that needs them; a frame is only glued together here.
- A screen ignores fields it does not know; the hub refuses them, for a typo must not silence a screen.
"""

import json
import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from protocol.answers import AvailabilityItem, PositionItem
from protocol.codec import Malformed, malformed, refuse_duplicate_keys
from protocol.identifiers import Name, Sku
from protocol.limits import (
    MESSAGE_BYTES_MAX,
    SAFE_INTEGER_MAX,
    SKUS_PER_CONNECTION_MAX,
    TOKEN_CHARS_MAX,
)

SUBPROTOCOL: Final = "hub.v1.json"
PATH: Final = "/v1/live"

# What items of frames are: of a pool, or of a location.
ITEM_TYPES: Final = (AvailabilityItem, PositionItem)
# Where a struct is described in the documents of `protocol.specs`.
REFERENCE: Final = "#/components/schemas/{name}"

# The screen's own number for a message; the answer repeats it.
Ref = Annotated[int, Meta(ge=0, le=SAFE_INTEGER_MAX)]
Rev = Annotated[int, Meta(ge=0, le=SAFE_INTEGER_MAX)]
Token = Annotated[str, Meta(min_length=1, max_length=TOKEN_CHARS_MAX)]
Skus = Annotated[tuple[Sku, ...], Meta(min_length=1, max_length=SKUS_PER_CONNECTION_MAX)]


class _In(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="op"):
    pass


class Auth(_In, frozen=True, kw_only=True, tag="auth"):
    """Say who watches; again to widen, with null to fall back to what is public."""

    token: Token | None

    def __repr__(self) -> str:
        # A token must not reach a log.
        return "Auth(token=…)" if self.token else "Auth(token=None)"


class Subscribe(_In, frozen=True, kw_only=True, tag="subscribe"):
    """Watch SKUs of a pool, or all positions of a location."""

    ref: Ref
    pool: Name | None = None
    skus: Skus | None = None
    # SKU -> the rev the screen already has.
    known: Annotated[dict[Sku, Rev], Meta(max_length=SKUS_PER_CONNECTION_MAX)] = {}
    location: Name | None = None

    def __post_init__(self) -> None:
        _check_target(self.pool, self.skus, self.location)
        if self.known and self.location is not None:
            raise ValueError("Expected `known` only beside `pool`")


class Unsubscribe(_In, frozen=True, kw_only=True, tag="unsubscribe"):
    """Watch no longer: SKUs of a pool, or a location."""

    ref: Ref
    pool: Name | None = None
    skus: Skus | None = None
    location: Name | None = None

    def __post_init__(self) -> None:
        _check_target(self.pool, self.skus, self.location)


def _check_target(pool: str | None, skus: tuple[str, ...] | None, location: str | None) -> None:
    of_pool = pool is not None and skus is not None and location is None
    of_location = location is not None and pool is None and skus is None
    if not (of_pool or of_location):
        raise ValueError("Expected either `pool` with `skus`, or `location`")


Message = Auth | Subscribe | Unsubscribe

# What `__post_init__` of these checks, as a JSON Schema can say it.
_OF_POOL: Final[dict[str, Any]] = {
    "required": ["pool", "skus"],
    "properties": {"pool": {"type": "string"}, "skus": {"type": "array"}, "location": {"type": "null"}},
}
_OF_LOCATION: Final[dict[str, Any]] = {
    "required": ["location"],
    "properties": {"pool": {"type": "null"}, "skus": {"type": "null"}, "location": {"type": "string"}},
}
_UNKNOWN: Final[dict[str, Any]] = {"known": {"maxProperties": 0}}
TARGETS: Final[dict[type[Struct], list[dict[str, Any]]]] = {
    Subscribe: [_OF_POOL, {**_OF_LOCATION, "properties": {**_OF_LOCATION["properties"], **_UNKNOWN}}],
    Unsubscribe: [_OF_POOL, _OF_LOCATION],
}


class _Out(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="op"):
    pass


# Encoded before it is known whom it is for.
_Item = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={"anyOf": [{"$ref": REFERENCE.format(name=of.__name__)} for of in ITEM_TYPES]}),
]


class Authorized(_Out, frozen=True, kw_only=True, tag="authorized"):
    """What the screen may see now."""

    pools: tuple[str, ...]
    # When the token ends, seconds since 1970; null where it does not.
    exp: float | None


class Subscribed(_Out, frozen=True, kw_only=True, tag="subscribed"):
    """The state of what was subscribed: every item whose rev is not the known one."""

    ref: int
    items: list[_Item]


class Update(_Out, frozen=True, kw_only=True, tag="update"):
    """The newest values of what changed."""

    items: list[_Item]


class Unsubscribed(_Out, frozen=True, kw_only=True, tag="unsubscribed"):
    """These are watched no longer."""

    ref: int


class LiveError(_Out, frozen=True, kw_only=True, tag="error"):
    """A message was refused; the connection goes on."""

    # Left out where the message had none that could be read.
    ref: int | None = None
    # A key of `LIVE_ERRORS`.
    code: str
    detail: str


class Heartbeat(_Out, frozen=True, kw_only=True, tag="heartbeat"):
    """Nothing to say, still here."""


Frame = Authorized | Subscribed | Update | Unsubscribed | LiveError | Heartbeat

# Code of a `LiveError` -> what it means.
LIVE_ERRORS: Final = {
    "malformed": "The message cannot be read.",
    "unauthenticated": "The token is not valid; the connection is closed with 4401.",
    "forbidden": "The token lacks the scope.",
    "unknown_pool": "No such pool, or not for this token.",
    "unknown_location": "No such location, or not for this token.",
    "too_many": f"More than {SKUS_PER_CONNECTION_MAX} SKUs on one connection.",
}


class CloseCode(IntEnum):
    """Why the hub closed a connection."""

    GOING_AWAY = 1001
    PROTOCOL_VIOLATED = 1002
    POLICY_VIOLATED = 1008
    MESSAGE_TOO_BIG = 1009
    DEFECT = 1011
    TRY_LATER = 1013
    TOKEN_ENDED = 4401
    SILENT = 4408


class Ending(Struct, frozen=True):
    """What a close code says, and what the screen does next."""

    reason: str
    # `with jitter`, `with a new token`, or `no`: not unchanged.
    reconnect: str


# Those that occur; clients take any other 44xx as one that says `no`.
CLOSE_CODES: Final = {
    CloseCode.GOING_AWAY: Ending("the hub is going away", "with jitter"),
    CloseCode.PROTOCOL_VIOLATED: Ending("what came is no WebSocket frame of a client", "with jitter"),
    CloseCode.POLICY_VIOLATED: Ending("too many messages that cannot be read", "no"),
    CloseCode.MESSAGE_TOO_BIG: Ending(f"a message exceeds {MESSAGE_BYTES_MAX} bytes", "no"),
    CloseCode.DEFECT: Ending("the hub has a defect", "with jitter"),
    CloseCode.TRY_LATER: Ending("too slow, or the hub is busy", "with jitter"),
    CloseCode.TOKEN_ENDED: Ending("the token ended or is not valid", "with a new token"),
    CloseCode.SILENT: Ending("no message in time after the handshake", "no"),
}


_decode_message: Final = msgspec.json.Decoder(Message).decode
# Half of a pair that stands for one character, as JSON may write it.
_HALF_PAIR: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
# Client's side: frame bytes -> Frame; its items are still to be decoded, by what was subscribed.
decode_frame: Final = msgspec.json.Decoder(Frame).decode
encode_frame: Final = msgspec.json.Encoder().encode
HEARTBEAT: Final = encode_frame(Heartbeat())


def decode_message(raw: str | bytes) -> Message:
    """Read what a screen sent.

    Raises:
        Malformed: it is not a message of this protocol; `ref_of(raw)` is what to answer to.
    """
    try:
        data = raw.encode() if isinstance(raw, str) else raw
        message: Message = _decode_message(data)
        refuse_duplicate_keys(data, encode_frame(message))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _half_a_pair(raw, error) or malformed(error) from error
    return message


def ref_of(raw: str | bytes) -> int | None:
    """The `ref` of a message that is otherwise unreadable; None where there is none."""
    message = _leniently(raw)
    try:
        return msgspec.convert(message.get("ref"), Ref) if isinstance(message, dict) else None
    except msgspec.ValidationError:
        return None


def _half_a_pair(raw: str | bytes, error: Exception) -> Malformed | None:
    """What is wrong where a text has half a character; the decoder would say that the message is cut off."""
    text = raw if isinstance(raw, str) else raw.decode(errors="replace")
    # Behind two backslashes there is no escape.
    found = _HALF_PAIR.search(text.replace(r"\\", ""))
    if found is None or isinstance(error, msgspec.ValidationError) or _leniently(text) is None:
        return None
    return Malformed(f"`{found[0]}` is half of a surrogate pair and no character; send both halves, or plain UTF-8.")


def _leniently(raw: str | bytes) -> object:
    """The JSON of a text whose characters may be wrong; None where it is none."""
    try:
        return json.loads(raw if isinstance(raw, str) else raw.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def encode_item(item: AvailabilityItem | PositionItem) -> bytes:
    """Write one item, to be put into any number of frames."""
    return encode_frame(item)


def update_frame(items: Iterable[bytes]) -> bytes:
    """Write an `update` from encoded items."""
    return b'{"op":"update","items":[' + b",".join(items) + b"]}"


def subscribed_frame(ref: int, items: Iterable[bytes]) -> bytes:
    """Write a `subscribed` from encoded items."""
    return b'{"op":"subscribed","ref":%d,"items":[' % ref + b",".join(items) + b"]}"
