"""Bytes to events: decoding, the canonical form and its hash, and what is wrong when it fails.

The canonical form is the event as sent (names not resolved, clock not corrected) in one spelling: keys
sorted, defaults left out, times in UTC. A sender may therefore write it anew and it is still the same event.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import UTC
from hashlib import sha256
from typing import Final, Protocol, TypeVar, get_args

import msgspec

from protocol.events import (
    RESERVED,
    TIME_FIELDS,
    WRITTEN_OFF,
    Adjustment,
    Count,
    Event,
    Moved,
    MovedLine,
    Return,
    TransferDispatched,
    TransferReceived,
)
from protocol.identifiers import PATTERN_WORDS, OpaqueId, nfc
from protocol.limits import EVENTS_PER_ARRAY_MAX, SERIALS_PER_EVENT_MAX, SKU_CHARS_MAX
from protocol.problems import Problem, problem

T = TypeVar("T")

# 96 bits are 16 characters of base64url without padding.
HASH_BYTES: Final = 12
# JSON path -> the values that there may be, where those are few.
CHOICES: Final = {
    "$.type": tuple(str(event.__struct_config__.tag) for event in get_args(Event)),
    "$.kind": ("physical", "system"),
    "$.op": ("auth", "subscribe", "unsubscribe"),
}
# Fields of lines that name a bucket, and what no house can call a status there.
_BUCKETS: Final = {
    Return: (("to", {RESERVED, WRITTEN_OFF}),),
    Moved: (("from_", {RESERVED, WRITTEN_OFF}), ("to", {RESERVED})),
    Adjustment: (("bucket", {RESERVED, WRITTEN_OFF}),),
}
_JSON_SPACE: Final = b" \t\r\n"


class DecodedEvent(msgspec.Struct, frozen=True):
    """An event that can be read."""

    # Its times are in UTC.
    event: Event
    canonical: bytes
    # Of `canonical`: it tells other content under the same id.
    hash: str


class Malformed(Exception):
    """What was sent cannot be read; its text is one sentence a person can act on."""

    def __init__(self, detail: str, path: str | None = None, problem: str = "malformed", id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        # The JSON path at fault, `$.lines[0].quantity`; None where there is no JSON.
        self.path = path
        # A key of `PROBLEM_TYPES`.
        self.problem = problem
        # The event's id, when at least that could be read.
        self.id = id

    def as_problem(self) -> Problem:
        """The same as it stands on the wire."""
        return problem(self.problem, self.detail, path=self.path)


class _Named(Protocol):
    """What all lines have."""

    @property
    def sku(self) -> str: ...


class _Line(_Named, Protocol):
    """What all lines of events have."""

    @property
    def serials(self) -> tuple[str, ...]: ...


class _Identified(msgspec.Struct):
    id: OpaqueId


_decode_event = msgspec.json.Decoder(Event).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_identified = msgspec.json.Decoder(_Identified).decode
# What was read → its canonical form.
encode_canonical = msgspec.json.Encoder(order="sorted").encode


def decode_event(raw: bytes | msgspec.Raw) -> DecodedEvent:
    """Read one event.

    Raises:
        Malformed: it is not JSON, not an event, or says something twice.
    """
    raw = bytes(raw)
    try:
        event = _in_utc(_decode_event(raw))
        _check_lines(event)
        _check_places(event)
        canonical = encode_canonical(event)
        refuse_duplicate_keys(raw, canonical)
    except Malformed as error:
        error.id = _id_of(raw)
        raise
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise malformed(error, id=_id_of(raw)) from error
    return DecodedEvent(event, canonical, content_hash(canonical))


def content_hash(canonical: bytes) -> str:
    """The first 96 bits of the SHA-256 of a canonical form, as base64url."""
    return urlsafe_b64encode(sha256(canonical).digest()[:HASH_BYTES]).decode("ascii")


def split_array(body: bytes) -> list[msgspec.Raw] | None:
    """Split an array of events into its items, undecoded; None when the body is not an array.

    Raises:
        Malformed: an array that cannot be read as a whole, or of more than 1,000 items (`too_many`).
    """
    if body.lstrip(_JSON_SPACE)[:1] != b"[":
        return None
    try:
        items = _decode_array(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise malformed(error) from error
    if len(items) > EVENTS_PER_ARRAY_MAX:
        detail = f"The array has {len(items)} events; at most {EVENTS_PER_ARRAY_MAX} are taken at once."
        raise Malformed(detail, "$", "too_many")
    return items


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes, *, omits_defaults: bool = False) -> T:
    """Read any other request, by a decoder made once for its type; most are read faster where that omits all defaults.

    Raises:
        Malformed: it is not JSON, not of that type, or says something twice.
    """
    try:
        request = decoder.decode(body)
        refuse_duplicate_keys(body, encode_canonical(request) if omits_defaults else b"")
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise malformed(error) from error
    return request


def malformed(error: Exception, *, id: str | None = None) -> Malformed:
    """Say what a decoder's error means, with the JSON path at fault."""
    if isinstance(error, RecursionError):
        return Malformed("The JSON is nested too deeply.", path="$", id=id)
    if isinstance(error, UnicodeError):
        return Malformed("The text is not valid UTF-8.", id=id)
    if isinstance(error, OverflowError):
        return Malformed("A time is outside the years 1 to 9999 in UTC.", path="$", id=id)
    detail, at, path = str(error).removesuffix("`").rpartition(" - at `")
    if at:
        return Malformed(_in_words(detail) + _choice(detail, path), path, id=id)
    return Malformed(_in_words(str(error)) + ".", "$" if isinstance(error, msgspec.ValidationError) else None, id=id)


def refuse_duplicate_keys(raw: bytes, encoded: bytes) -> None:
    """Make sure that no object of `raw` has a key twice, given what its decoded value encodes to.

    A decoder silently keeps the last of two equal keys. Without a backslash in `raw` every string in it has
    exactly two quotes, and `encoded` holds no string that `raw` does not: it may only leave out defaults. A
    key that stands twice is encoded at most once, so equal numbers of quotes prove that there is none. The
    other way round proves nothing (a default was written out, a text is escaped): then it is searched for.

    Raises:
        Malformed: a key stands twice.
    """
    if raw.count(b'"') != encoded.count(b'"') or b"\\" in raw:
        _search_duplicate_keys(raw)


class _Pairs(list[tuple[str, object]]):
    """An object as it was written, duplicates and all."""


def _search_duplicate_keys(raw: bytes) -> None:
    # A decoder has accepted the text; what can still go wrong is a ValueError or a RecursionError, as callers expect.
    _walk(json.loads(raw.decode(), object_pairs_hook=_Pairs, parse_constant=_refuse_constant), "$")


def _walk(value: object, path: str) -> None:
    if isinstance(value, _Pairs):
        keys: set[str] = set()
        for key, member in value:
            if key in keys:
                raise Malformed(f"The key `{key}` stands twice in one object.", path=path)
            keys.add(key)
            _walk(member, f"{path}.{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _walk(member, f"{path}[{index}]")


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _in_utc(event: Event) -> Event:
    changes = {
        name: time.astimezone(UTC)
        for name in TIME_FIELDS
        # The decoder gives this very object to a time written with `Z` or `+00:00`.
        if (time := getattr(event, name, None)) is not None and time.tzinfo is not UTC
    }
    return msgspec.structs.replace(event, **changes) if changes else event


def _check_lines(event: Event) -> None:
    """Look at what a decoder cannot: a SKU's normal form may be longer than what was sent; a piece is named once."""
    lines = getattr(event, "lines", None) or ()
    if isinstance(event, Count) and not lines and not event.complete:
        raise Malformed("Expected at least one line; only where `complete` is true may nothing lie there.", "$.lines")
    if isinstance(event, TransferReceived) and not lines and not event.final:
        raise Malformed("Expected at least one line; only where `final` is true may nothing have arrived.", "$.lines")
    refuse_long_skus(lines)
    if any(line.serials for line in lines):
        _check_serials(lines)


def _check_places(event: Event) -> None:
    """Refuse what no configuration can ever mend: units that stay where they are, or lie where no event may say so."""
    if isinstance(event, TransferDispatched) and event.from_ == event.to:
        raise Malformed("Expected another location than `from`.", "$.to")
    if not isinstance(event, Return | Moved | Adjustment):
        return
    for index, line in enumerate(event.lines):
        for field, taken in _BUCKETS[type(event)]:
            if (bucket := getattr(line, field)) in taken:
                detail = f"Expected `free` or a status; no status is called {bucket}."
                raise Malformed(detail, f"$.lines[{index}].{field.removesuffix('_')}")
        if isinstance(line, MovedLine) and line.from_ == line.to:
            raise Malformed("Expected another bucket than `from`.", f"$.lines[{index}].to")


def refuse_long_skus(lines: Iterable[_Named]) -> None:
    """Make sure that each SKU's normal form is no longer than a SKU may be.

    Raises:
        Malformed: one is.
    """
    for index, line in enumerate(lines):
        if not line.sku.isascii() and len(nfc(line.sku)) > SKU_CHARS_MAX:
            detail = f"Expected a SKU of at most {SKU_CHARS_MAX} characters in Unicode's normal form C."
            raise Malformed(detail, path=f"$.lines[{index}].sku")


def _check_serials(lines: Iterable[_Line]) -> None:
    found: set[tuple[str, str]] = set()
    for index, line in enumerate(lines):
        sku = nfc(line.sku)
        for place, serial in enumerate(line.serials):
            if (sku, serial) in found:
                detail = f"The serial {serial} of {sku} stands twice in one event."
                raise Malformed(detail, path=f"$.lines[{index}].serials[{place}]")
            found.add((sku, serial))
    if len(found) > SERIALS_PER_EVENT_MAX:
        detail = f"The event has {len(found)} serials; at most {SERIALS_PER_EVENT_MAX} are taken in one event."
        raise Malformed(detail, path="$.lines", problem="too_many")


def _id_of(raw: bytes) -> str | None:
    """The id of an event that is otherwise unreadable, so that its sender can tell which one it was."""
    try:
        return _decode_identified(raw).id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _choice(detail: str, path: str) -> str:
    """The end of a sentence about a value that is not one of a few: those that are; or it came beside another."""
    known = CHOICES.get(path, ())
    if detail.removeprefix("Invalid value ").strip("'") in known:
        return "; the key stands twice in one object."
    return f"; it is one of {', '.join(known)}." if known and detail.startswith("Invalid ") else "."


def _in_words(detail: str) -> str:
    for pattern, words in PATTERN_WORDS.items():
        detail = detail.replace(f"matching regex {pattern!r}", words)
    return detail
