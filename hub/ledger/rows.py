"""A journal entry as rows of the ledger. Pure: bytes in, rows out.

An entry that cannot be read becomes a `poison` row: kept byte for byte, and the ledger goes on.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hub.domain.answer import Answer, answer_of
from hub.domain.entry import Entry, Seq, decode_entry

FACT = "fact"
# A fact whose (source, id) was booked before under another seq: it took effect twice.
DOUBLED = "doubled"

EVENT_COLUMNS = {
    "partition": "integer",
    "epoch": "integer",
    "seq": "bigint",
    "kind": "text",
    "type": "text",
    "source": "text",
    "id": "text",
    "hash": "text",
    "time": "timestamptz",
    "booked_at": "timestamptz",
    "rules_version": "bigint",
    "payload": "text",
    "answer": "jsonb",
    "entry": "bytea",
}
MOVEMENT_COLUMNS = {
    "partition": "integer",
    "epoch": "integer",
    "seq": "bigint",
    "line": "integer",
    "sku": "text",
    "location": "text",
    "from_bucket": "text",
    "to_bucket": "text",
    "quantity": "bigint",
    "source": "text",
    "event_id": "text",
    "event_type": "text",
    "reason": "text",
    "time": "timestamptz",
    "booked_at": "timestamptz",
}
POISON_COLUMNS = {
    "partition": "integer",
    "epoch": "integer",
    "seq": "bigint",
    "entry": "bytea",
    "problem": "text",
}

_KIND = list(EVENT_COLUMNS).index("kind")
_EPOCH_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_PROBLEM_CHARACTERS_MAX = 500


class _Reasoned(msgspec.Struct):
    """The only part of a payload that the ledger reads."""

    reason: str | None = None


class Booking(msgspec.Struct):
    """One journal entry as rows: an event with its movements, or a poison row."""

    seq: Seq
    raw: bytes
    event: tuple[Any, ...] = ()
    movements: list[tuple[Any, ...]] = msgspec.field(default_factory=list)
    poison: tuple[Any, ...] = ()
    # (source, id) of a fact, else None.
    fact: tuple[str, str] | None = None
    # When the kernel booked it; None in a poison row.
    booked_at: datetime | None = None
    doubled: bool = False


_encode_answer = msgspec.json.Encoder().encode
decode_answer = msgspec.json.Decoder(Answer).decode
_decode_reason = msgspec.json.Decoder(_Reasoned).decode


def booking_of(seq: Seq, raw: bytes) -> Booking:
    """The rows of one entry; a poison row when it is no entry as this version knows it."""
    try:
        return _booking_of_entry(seq, raw, decode_entry(raw))
    except (msgspec.MsgspecError, RecursionError, OverflowError, IndexError) as error:
        return set_aside(seq, raw, f"{type(error).__name__}: {error}")


def set_aside(seq: Seq, raw: bytes, problem: str) -> Booking:
    """The poison row of an entry that cannot be booked, and why."""
    told = problem.replace("\x00", "\ufffd")[:_PROBLEM_CHARACTERS_MAX]
    return Booking(seq, raw, poison=(seq.partition, seq.epoch, seq.number, raw, told))


def mark_doubled(booking: Booking) -> None:
    """Keep a fact that was booked before as `doubled`; its movements stay, because stock did move twice."""
    event = list(booking.event)
    event[_KIND] = DOUBLED
    booking.event = tuple(event)
    booking.fact = None
    booking.doubled = True


def columns(values: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows turned into one list per column; `width` empty lists for no rows."""
    turned = [list(column) for column in zip(*values, strict=True)]
    return turned or [[] for _ in range(width)]


def _booking_of_entry(seq: Seq, raw: bytes, entry: Entry) -> Booking:
    time, booked_at = _instant(entry.time_ms), _instant(entry.booked_at_ms)
    reason = _reason_of(entry)
    place = (seq.partition, seq.epoch, seq.number)
    event = (
        *place,
        entry.kind,
        entry.type,
        entry.source,
        entry.id,
        entry.hash,
        time,
        booked_at,
        entry.rules_version,
        entry.payload,
        _encode_answer(answer_of(entry)).decode(),
        raw,
    )
    movements = [
        (
            *place,
            line,
            entry.skus[moved.sku],
            moved.location,
            moved.from_bucket,
            moved.to_bucket,
            moved.quantity,
            entry.source,
            entry.id,
            entry.type,
            reason,
            time,
            booked_at,
        )
        for line, moved in enumerate(entry.movements)
    ]
    fact = (entry.source, entry.id) if entry.kind == FACT else None
    return Booking(seq, raw, event, movements, fact=fact, booked_at=booked_at)


def _instant(ms: int) -> datetime:
    return _EPOCH_OF_TIME + timedelta(milliseconds=ms)


def _reason_of(entry: Entry) -> str | None:
    """Why, where the event says it; Postgres keeps no NUL, so it becomes U+FFFD."""
    if entry.type != "adjustment" or not entry.movements:
        return None
    try:
        reason = _decode_reason(entry.payload).reason
    except msgspec.MsgspecError:
        return None
    return reason.replace("\x00", "\ufffd") if reason is not None else None
