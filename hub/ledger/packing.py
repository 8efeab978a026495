"""Entries as rows in the binary form of COPY, for a ledger that catches up. Pure: bytes in, bytes out.

It makes the rows that `hub.ledger.rows` describes, without making values of them first: what an entry's rows have in
common is made once, and all of it before their turn comes, while Postgres works on the entries before them. Entries
that are not as usual are left to that module.

The form is that of the manual's chapter on COPY: for each row the number of its columns, for each column the length of
its bytes (-1 is null) and the bytes.
"""

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from hub.domain.answer import answer_of
from hub.domain.entry import Entry, Seq, decode_entry
from hub.ledger.rows import (
    EVENT_COLUMNS,
    MOVEMENT_COLUMNS,
    SHOWN_COLUMNS,
    STATUS_WORDS,
    TIME_MS_MAX,
    TIME_MS_MIN,
    Booking,
    booking_of,
    encode_answer,
    reason_of,
)

# The tables that nearly every entry adds to.
PACKED: Mapping[str, Mapping[str, str]] = {
    "event": EVENT_COLUMNS,
    "movement": MOVEMENT_COLUMNS,
    "shown": SHOWN_COLUMNS,
}
# What is said of an entry that has no such rows, by an error of one of these kinds.
NOT_PACKED = (msgspec.MsgspecError, RecursionError, OverflowError, IndexError, ValueError, struct.error)

# Before the first row: a signature, no flags, no extension. Behind the last: no row has -1 columns.
_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
# Milliseconds from 1970 to 2000, from where Postgres counts microseconds.
_POSTGRES_EPOCH_MS = 946_684_800_000
# Names repeat from row to row.
_NAMES_KEPT = 8_192

_length = struct.Struct("!i").pack
_bigint = struct.Struct("!iq").pack
# Number of columns, then partition, epoch and seq with their lengths; then the line.
_place = struct.Struct("!hiiiiiq").pack
_place_and_line = struct.Struct("!hiiiiiqii").pack
# Of an event: time, booked_at, rules_version.
_times = struct.Struct("!iqiqiq").pack
# Of a shown value: booked_at, changes, available, capped.
_value = struct.Struct("!iqiqiqi?").pack
_answer_length = struct.Struct("!ib").pack
_JSONB_VERSION = 1
_NULL = _length(-1)


class Packer:
    """The rows of consecutive entries; used once. A few entries are not worth it, they only pass through."""

    def __init__(self, *, is_worth_it: bool = True) -> None:
        # False: some entry is not packed, so that all are to be posted in the ordinary way.
        self.is_whole = is_worth_it
        self._parts: dict[str, list[bytes]] = {table: [_BEGIN] for table in PACKED}

    def take(self, found: Sequence[tuple[Seq, bytes]]) -> list[Booking]:
        """Take the next entries; those that were packed are answered without rows of their own."""
        return [self._take(seq, raw) if self.is_whole else booking_of(seq, raw) for seq, raw in found]

    def data(self, table: str) -> bytes:
        """What goes into one table by one COPY; empty for no row."""
        parts = self._parts[table]
        return b"".join((*parts, _END)) if len(parts) > 1 else b""

    def _take(self, seq: Seq, raw: bytes) -> Booking:
        try:
            entry = decode_entry(raw)
            self._add(seq, raw, entry)
        except NOT_PACKED:
            self.is_whole = False
            return booking_of(seq, raw)
        return Booking(seq, raw, entry)

    def _add(self, seq: Seq, raw: bytes, entry: Entry) -> None:
        if entry.counted:
            raise ValueError("Rows of counts are not packed.")
        place = (4, seq.partition, 4, seq.epoch, 8, seq.number)
        booked_at = _micros(entry.booked_at_ms)
        time = booked_at if entry.time_ms == entry.booked_at_ms else _micros(entry.time_ms)
        self._parts["event"].append(_event(place, raw, entry, time, booked_at))
        if entry.movements:
            self._parts["movement"] += _movements(place, entry, time, booked_at)
        if entry.views:
            self._parts["shown"] += _shown(place, entry, booked_at)


# As in the head of a row.
_Place = tuple[int, int, int, int, int, int]


def _event(place: _Place, raw: bytes, entry: Entry, time: int, booked_at: int) -> bytes:
    answer = encode_answer(answer_of(entry))
    return b"".join(
        (
            _place(len(EVENT_COLUMNS), *place),
            _name(entry.kind),
            _name(entry.type),
            _name(entry.source),
            _text(entry.id),
            _text(entry.hash),
            _times(8, time, 8, booked_at, 8, entry.rules_version),
            _text(entry.payload),
            _answer_length(len(answer) + 1, _JSONB_VERSION),
            answer,
            _length(len(raw)),
            raw,
            _text(entry.about) if entry.about else _NULL,
        )
    )


def _movements(place: _Place, entry: Entry, time: int, booked_at: int) -> list[bytes]:
    reason = reason_of(entry)
    named = b"".join(
        (_name(entry.source), _text(entry.id), _name(entry.type), _NULL if reason is None else _text(reason))
    )
    return [
        b"".join(
            (
                _place_and_line(len(MOVEMENT_COLUMNS), *place, 4, line),
                _name(entry.skus[moved.sku]),
                _name(moved.location),
                _name(moved.from_bucket),
                _name(moved.to_bucket),
                _bigint(8, moved.quantity),
                named,
                _bigint(8, time if moved.time_ms is None else _micros(moved.time_ms)),
                _bigint(8, booked_at),
            )
        )
        for line, moved in enumerate(entry.movements)
    ]


def _shown(place: _Place, entry: Entry, booked_at: int) -> list[bytes]:
    head = _place(len(SHOWN_COLUMNS), *place)
    heads = [head + _name(sku) for sku in entry.skus]
    return [
        b"".join(
            (
                heads[changed.sku],
                _name(changed.pool),
                _value(8, booked_at, 8, changed.view.changes, 8, changed.view.available, 1, changed.view.capped == 1),
                _name(STATUS_WORDS[changed.view.status]),
                _bigint(8, _micros(changed.view.eta_ms)) if changed.view.eta_ms else _NULL,
            )
        )
        for changed in entry.views
        if changed.changed
    ]


def _micros(ms: int) -> int:
    """A time as Postgres has it; one that a `datetime` cannot hold could not be read again."""
    if not TIME_MS_MIN <= ms <= TIME_MS_MAX:
        raise OverflowError("The time lies beyond the years 1 to 9999.")
    return (ms - _POSTGRES_EPOCH_MS) * 1000


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _length(len(encoded)) + encoded


_name = lru_cache(_NAMES_KEPT)(_text)
