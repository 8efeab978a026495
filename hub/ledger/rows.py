"""A journal entry as rows of the ledger. Pure: bytes in, rows out.

An entry that cannot be read becomes a `poison` row: kept byte for byte, and the ledger goes on.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hub.domain.answer import Answer, answer_of
from hub.domain.entry import Entry, Seq, decode_entry
from hub.domain.pools import Status

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
    "about": "text",
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
SHOWN_COLUMNS = {
    "partition": "integer",
    "epoch": "integer",
    "seq": "bigint",
    "sku": "text",
    "pool": "text",
    "booked_at": "timestamptz",
    "changes": "bigint",
    "available": "bigint",
    "capped": "boolean",
    "status": "text",
    "eta": "timestamptz",
}
COUNT_COLUMNS = {
    "partition": "integer",
    "epoch": "integer",
    "seq": "bigint",
    "line": "integer",
    "sku": "text",
    "location": "text",
    "counted_at": "timestamptz",
    "booked_at": "timestamptz",
    "kind": "text",
    "counted": "bigint",
    "book": "bigint",
    "is_newest": "boolean",
    "opened_by": "bigint",
    "source": "text",
    "event_id": "text",
}
POISON_COLUMNS = {
    "partition": "integer",
    "epoch": "integer",
    "seq": "bigint",
    "entry": "bytea",
    "problem": "text",
}

_KIND = list(EVENT_COLUMNS).index("kind")
STATUS_WORDS = tuple(status.name for status in Status)
# The years 1 to 9999.
TIME_MS_MIN, TIME_MS_MAX = -62_135_596_800_000, 253_402_300_799_999
_EPOCH_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_PROBLEM_CHARACTERS_MAX = 500


class _Reasoned(msgspec.Struct):
    """The only part of a payload that the ledger reads."""

    reason: str | None = None


# Where an entry lies: partition, epoch, number.
_Place = tuple[int, int, int]


class Booking(msgspec.Struct, gc=False):
    """One journal entry and its rows: an event with what it moved, showed and counted, or a poison row.

    One that was taken by a `Packer` has no rows here; `with_rows` makes them.
    """

    seq: Seq
    raw: bytes
    # None in a poison row.
    entry: Entry | None = None
    event: tuple[Any, ...] = ()
    movements: Sequence[tuple[Any, ...]] = ()
    shown: Sequence[tuple[Any, ...]] = ()
    counted: Sequence[tuple[Any, ...]] = ()
    poison: tuple[Any, ...] = ()
    doubled: bool = False

    @property
    def fact(self) -> tuple[str, str] | None:
        """(source, id) of a fact that was not booked before, else None."""
        entry = self.entry
        return (entry.source, entry.id) if entry is not None and entry.kind == FACT and not self.doubled else None

    @property
    def booked_at_ms(self) -> int:
        """When the kernel booked it; 0 in a poison row."""
        return self.entry.booked_at_ms if self.entry is not None else 0


encode_answer = msgspec.json.Encoder().encode
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
    booking.doubled = True


def with_rows(bookings: Iterable[Booking]) -> list[Booking]:
    """The same entries, each with its rows."""
    return [
        booking if booking.event or booking.poison else booking_of(booking.seq, booking.raw) for booking in bookings
    ]


def columns(values: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows turned into one list per column; `width` empty lists for no rows."""
    turned = [list(column) for column in zip(*values, strict=True)]
    return turned or [[] for _ in range(width)]


def _booking_of_entry(seq: Seq, raw: bytes, entry: Entry) -> Booking:
    booked_at = instant(entry.booked_at_ms)
    time = booked_at if entry.time_ms == entry.booked_at_ms else instant(entry.time_ms)
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
        encode_answer(answer_of(entry)).decode(),
        raw,
        entry.about or None,
    )
    return Booking(
        seq,
        raw,
        entry,
        event,
        _movements(place, entry, time, booked_at),
        _shown(place, entry, booked_at),
        _counted(place, entry, booked_at),
    )


def _movements(place: _Place, entry: Entry, time: datetime, booked_at: datetime) -> list[tuple[Any, ...]]:
    reason = reason_of(entry)
    return [
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
            time if moved.time_ms is None else instant(moved.time_ms),
            booked_at,
        )
        for line, moved in enumerate(entry.movements)
    ]


def _shown(place: _Place, entry: Entry, booked_at: datetime) -> list[tuple[Any, ...]]:
    """A row for each view whose shown value changed; what only moved inside leaves no trace."""
    return [
        (
            *place,
            entry.skus[changed.sku],
            changed.pool,
            booked_at,
            changed.view.changes,
            changed.view.available,
            changed.view.capped == 1,
            STATUS_WORDS[changed.view.status],
            instant(changed.view.eta_ms) if changed.view.eta_ms else None,
        )
        for changed in entry.views
        if changed.changed
    ]


def _counted(place: _Place, entry: Entry, booked_at: datetime) -> list[tuple[Any, ...]]:
    return [
        (
            *place,
            line,
            entry.skus[counted.sku],
            counted.location,
            instant(counted.counted_at_ms),
            booked_at,
            counted.kind,
            counted.counted,
            counted.book,
            counted.is_newest == 1,
            counted.opened_by,
            entry.source,
            entry.id,
        )
        for line, counted in enumerate(entry.counted)
    ]


def instant(ms: int) -> datetime:
    """UTC milliseconds since 1970 as Postgres takes them.

    Raises:
        OverflowError: it is no time of the years 1 to 9999.
    """
    # Named milliseconds would go through fractions, which takes eight times as long.
    return _EPOCH_OF_TIME + timedelta(0, ms // 1000, ms % 1000 * 1000)


def ms_of(instant: datetime) -> int:
    """The way back."""
    return (instant - _EPOCH_OF_TIME) // timedelta(milliseconds=1)


def reason_of(entry: Entry) -> str | None:
    """Why, where the event says it; Postgres keeps no NUL, so it becomes U+FFFD."""
    if entry.type != "adjustment" or not entry.movements:
        return None
    try:
        reason = _decode_reason(entry.payload).reason
    except msgspec.MsgspecError:
        return None
    return reason.replace("\x00", "\ufffd") if reason is not None else None
