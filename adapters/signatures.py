"""Signatures of deliveries: HMACs compared in constant time, several secrets at once, how old one may be; and made."""

import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping
from hashlib import sha256

from msgspec import structs

from adapters.contract import Delivery
from protocol.signing import signature

# How far the stated time of a delivery may be from ours, either way, in seconds (Standard Webhooks: five minutes).
TOLERANCE_SECONDS = 300
# A dot in an id would make another id and time of the same signature.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SIGNATURES_MAX = 20
_MADE_UP = "msg_trial"


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    """The HMAC of the parts, one behind the other."""
    made = hmac.new(key, digestmod=sha256)
    for part in parts:
        made.update(part)
    return made.digest()


def in_base64(digest: bytes) -> str:
    """As most vendors write it."""
    return b64encode(digest).decode()


def is_one_of(given: str, expected: Iterable[str]) -> bool:
    """Whether a signature is one of those expected; what it takes does not tell how much of it was right."""
    # A header may hold what is no ASCII, which compare_digest takes as bytes only.
    raw, found = given.encode(errors="surrogatepass"), False
    for one in expected:
        found |= hmac.compare_digest(raw, one.encode())
    return found


def from_base64(text: str) -> bytes | None:
    """The bytes, strictly; None where it is no base64."""
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return None


def seconds_of(text: str) -> int | None:
    """A timestamp in whole seconds, written in ASCII digits only; None where it is written otherwise."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def is_stale(seconds: int, received_at_ms: int) -> bool:
    """Whether a delivery was signed too long before it came, or after that."""
    return abs(received_at_ms / 1000 - seconds) > TOLERANCE_SECONDS


def with_headers(delivery: Delivery, headers: Mapping[str, str]) -> Delivery:
    """The delivery with these headers, too; their names in lower case."""
    return structs.replace(delivery, headers={**delivery.headers, **headers})


def signed(delivery: Delivery, key: bytes) -> Delivery:
    """The delivery as Standard Webhooks has it signed, when it arrives; without an id it is given a made-up one."""
    id, timestamp = delivery.headers.get("webhook-id") or _MADE_UP, str(delivery.received_at_ms // 1000)
    made = signature(key, id, timestamp, delivery.body)
    return with_headers(delivery, {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": made})


def refusal(delivery: Delivery, keys: Iterable[bytes]) -> str | None:
    """Why a delivery is not signed with one of the keys as Standard Webhooks has it; None: it is."""
    id, timestamp = delivery.headers.get("webhook-id", ""), delivery.headers.get("webhook-timestamp", "")
    seconds = seconds_of(timestamp)
    if not _ID.fullmatch(id):
        return "`webhook-id` is missing or not of 1 to 64 letters, digits, `_` or `-`"
    if seconds is None:
        return "`webhook-timestamp` is missing or not in whole seconds"
    if is_stale(seconds, delivery.received_at_ms):
        return "it was signed more than five minutes ago, or the clocks differ"
    expected = [signature(key, id, timestamp, delivery.body) for key in keys if key]
    given = delivery.headers.get("webhook-signature", "").split(" ")[:_SIGNATURES_MAX]
    # All of them, whichever is right.
    is_signed = [is_one_of(one, expected) for one in given]
    return None if any(is_signed) else "no signature is right"
