"""Telling others of the feed: how a message is signed, when it is tried again, and what an answer means. Pure.

Messages and signatures are those of Standard Webhooks (https://www.standardwebhooks.com).
"""

from base64 import b64decode
from binascii import Error as NotBase64
from email.utils import parsedate_to_datetime
from enum import Enum

import msgspec

from hub.domain.feed import Place
from protocol import signing

KEY_BYTES_MIN, KEY_BYTES_MAX = 24, 64
# The one in use, the one before, and some that somebody forgot to take out.
SECRETS_MAX = 5

# How long after an attempt the next one comes, as Standard Webhooks recommends it; the last stands for all after it.
SCHEDULE_SECONDS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0)
# The last attempt is made so long after the first one.
TRIED_FOR_SECONDS = 48 * 3_600.0
# Each delay is longer or shorter by up to so much of it, so that what failed together does not come back together.
JITTER = 0.1
# The longest `Retry-After` that is heeded.
RETRY_AFTER_SECONDS_MAX = 3_600.0
# Nobody answered, or what stands before the receiver says that it is away: any message would have fared alike.
AWAY_STATUSES = frozenset({0, 502, 503, 504})
# What is kept of why an attempt failed.
PROBLEM_CHARS_MAX = 200


class Verdict(Enum):
    """What an attempt means for its message."""

    DELIVERED = "delivered"
    FAILED = "failed"
    # The receiver wants nothing more at this address.
    GONE = "gone"


class Attempt(msgspec.Struct, frozen=True):
    """How one attempt ended."""

    verdict: Verdict
    # The HTTP status; 0 where nobody answered.
    status: int = 0
    # Why it failed, for a person; never any part of the address but its host.
    problem: str = ""
    # How long the receiver asks to be left alone.
    retry_after_seconds: float = 0.0


def attempt_of(status: int, retry_after: str | None = None, now: float = 0.0) -> Attempt:
    """What an answer with this status means; `now` is in seconds since 1970."""
    if 200 <= status < 300:
        return Attempt(Verdict.DELIVERED, status)
    if status == 410:
        return Attempt(Verdict.GONE, status, "it answers 410: it wants nothing more")
    problem = f"it answers {status}"
    if 300 <= status < 400:
        problem += "; redirects are not followed"
    pause = _seconds_in(retry_after or "", now) if status in (429, 503) else 0.0
    return Attempt(Verdict.FAILED, status, problem, pause)


def _seconds_in(retry_after: str, now: float) -> float:
    """The seconds that `Retry-After` asks for, as a number or a date, as far as they are heeded."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        # Digits without an end must not become a number without an end.
        return min(float(text[:20]), RETRY_AFTER_SECONDS_MAX)
    try:
        asked = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, min(asked, RETRY_AFTER_SECONDS_MAX))


def next_attempt_at(first_at: float, now: float, attempts: int, jitter: float, pause_seconds: float = 0.0) -> float:
    """When the next attempt comes, by the clock of `first_at` and `now`; 0 where there is none any more.

    `attempts` have been made, the last one now. `jitter` is drawn from 0 to 1.
    """
    last_at = first_at + TRIED_FOR_SECONDS
    if now >= last_at:
        return 0.0
    delay = SCHEDULE_SECONDS[min(attempts, len(SCHEDULE_SECONDS)) - 1]
    delay *= 1 + JITTER * (2 * jitter - 1)
    return min(now + max(delay, min(pause_seconds, RETRY_AFTER_SECONDS_MAX)), last_at)


def keys_in(text: str) -> tuple[bytes, ...]:
    """The keys of a text of secrets with spaces between them.

    Raises:
        ValueError: there is none, too many, or one is no secret; its text quotes none.
    """
    words = text.split()
    if not 1 <= len(words) <= SECRETS_MAX:
        raise ValueError(f"holds {len(words)} secrets; give it 1 to {SECRETS_MAX}, with spaces between them")
    return tuple(_key_of(word) for word in words)


def _key_of(word: str) -> bytes:
    wanted = f"must hold {signing.SECRET_PREFIX} and the base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes"
    if not word.startswith(signing.SECRET_PREFIX):
        raise ValueError(wanted)
    try:
        key = b64decode(word.removeprefix(signing.SECRET_PREFIX), validate=True)
    except (NotBase64, ValueError):
        raise ValueError(wanted) from None
    if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise ValueError(wanted)
    return key


def signature(keys: tuple[bytes, ...], id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each key; `timestamp` is in seconds since 1970."""
    assert "." not in id
    return " ".join(signing.signature(key, id, str(timestamp), body) for key in keys)


class Late(msgspec.Struct, frozen=True):
    """A message that was tried and not taken yet; times are seconds since 1970."""

    place: Place
    first_at: float
    attempts: int
    # 0: it is tried no more.
    next_at: float
    # Of the last attempt; 0: nobody answered.
    status: int = 0
    problem: str = ""


class Progress(msgspec.Struct, frozen=True):
    """How far a sender came with a hook."""

    # Everything up to here was delivered or is late.
    place: Place
    # Behind the first place, up to the second: what is still to be told again.
    replay: tuple[Place, Place] | None
    # Its receiver wants nothing more.
    is_gone: bool
    # Late ones that are late no more, and those that are late now.
    taken: tuple[Place, ...] = ()
    late: tuple[Late, ...] = ()


class HookState(msgspec.Struct, frozen=True):
    """What the ledger knows of a hook; times are seconds since 1970."""

    id: str
    place: Place
    replay: tuple[Place, Place] | None
    is_gone: bool
    # Another one each time that an operator changed something.
    version: int
    # Late messages that are tried again, and those that are tried no more.
    pending: int
    dead: int
    # When the first of the late ones is due; 0: none is.
    due_at: float
    # When the first entry behind `place` was booked; 0: there is none.
    behind_since: float
    # Why one of the late ones was not taken.
    problem: str
