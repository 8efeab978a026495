"""What an entry set in Redis, byte for byte: folded in order, the last value winning, entries make the partition.

No business code is needed, and no value is read: positions, views and records stand in an entry exactly as Redis
holds them, so their bytes are passed on. What follows from other fields (the sets of SKUs at a location, the indexes of
holds) is made from them by whoever restores Redis.

A place is the key behind `hub:{0}:`; `hub.stock.keys` says what lies there. Two are no hash there: `house` (fields
`document`, `digest` and `rules`, the version) and `ahead` (a field for each member).
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from hub.domain.entry import Seq
from hub.domain.remembering import AHEAD_MS, DAY_MS
from protocol.answers import epoch_ms

HOUSE, AHEAD, SEEN, SKU = "house", "ahead", "seen:", "sku:"
DOCUMENT, DIGEST, RULES = b"document", b"digest", b"rules"

# Where, under which field, and what; None: nothing any more.
Setting = tuple[str, bytes, bytes | None]

_EXPECTED, _CATALOGUE, _ALIASES = "expected", "catalogue", "aliases"
# A place of their own each.
_TABLES = frozenset(
    (
        *("transfers", "voids", "counts", "serials", _CATALOGUE, _ALIASES),
        *("holds", "owners", "orders", "shortfalls"),
    )
)
# These lie among the dedupe records of the day they were booked on.
_OF_THE_DAY = frozenset(("voided", "closed_transfers", "ended_holds", "ended_orders"))
# Kind of an entry, or of the ledger's row → the kind of the dedupe record that it leaves.
_REMEMBERED = {
    "fact": "fact",
    "doubled": "fact",
    "alert": "alert",
    "reversal": "reversal",
    "parked": "parked",
    "conflict": "conflict",
}
_NIL = b"\xc0"
# The hash of an alias says that it is one.
_AN_ALIAS = b"-1"


class EntryNotFolded(ValueError):
    """An entry that this version cannot read; what it set is unknown."""


class _SetPosition(msgspec.Struct, array_like=True):
    sku: int
    location: str
    packed: msgspec.Raw


class _SetView(msgspec.Struct, array_like=True):
    sku: int
    pool: str
    packed: msgspec.Raw


class _SetRecord(msgspec.Struct, array_like=True):
    table: str
    field: str
    packed: msgspec.Raw = msgspec.Raw()


class _Entry(msgspec.Struct, array_like=True):
    """`hub.domain.entry.Entry`, its values unread."""

    format: int
    kind: str
    type: str
    source: str
    id: str
    hash: str
    time_ms: int
    booked_at_ms: int
    rules_version: int
    payload: str
    skus: tuple[str, ...] = ()
    lines: msgspec.Raw = msgspec.Raw()
    positions: tuple[_SetPosition, ...] = ()
    views: tuple[_SetView, ...] = ()
    movements: msgspec.Raw = msgspec.Raw()
    alerts: msgspec.Raw = msgspec.Raw()
    records: tuple[_SetRecord, ...] = ()
    counted: msgspec.Raw = msgspec.Raw()
    about: str = ""


class _Stated(msgspec.Struct):
    """The only part of an event as sent that is needed here."""

    time: datetime | None = None


_decode = msgspec.msgpack.Decoder(_Entry).decode
_decode_stated = msgspec.json.Decoder(_Stated).decode
_decode_article = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw, msgspec.Raw, msgspec.Raw, msgspec.Raw]).decode
_encode = msgspec.msgpack.Encoder().encode


def settings_in(seq: Seq, raw: bytes) -> list[Setting]:
    """What the entry at this place set, in order; dedupe records are in `remembered_in`.

    Raises:
        EntryNotFolded: it is no entry as this version knows it.
    """
    try:
        entry = _decode(raw)
        return [*_of_skus(entry), *_of_records(seq, entry), *_of_the_rest(entry)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError) as error:
        raise EntryNotFolded(f"the entry {seq} cannot be read") from error


def remembered_in(seq: Seq, raw: bytes) -> Setting | None:
    """The dedupe record that the entry left; None where it left none.

    Raises:
        EntryNotFolded: it is no entry as this version knows it.
    """
    try:
        entry = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EntryNotFolded(f"the entry {seq} cannot be read") from error
    return remembered(seq, entry.kind, entry.source, entry.id, entry.hash, entry.booked_at_ms)


def remembered(seq: Seq, kind: str, source: str, id: str, hash: str, booked_at_ms: int) -> Setting | None:
    """The dedupe record that an entry leaves, its kind as the ledger's row has it; None: it leaves none."""
    told = _REMEMBERED.get(kind)
    if told is None:
        return None
    field = f"{source}:{id}\0{hash}" if told == "conflict" else f"{source}:{id}"
    return seen(booked_at_ms // DAY_MS), field.encode(), _encode((told, hash, seq.epoch, seq.number))


def seen(day: int) -> str:
    """The place of the dedupe records of a UTC day since 1970."""
    return f"{SEEN}{day}"


def is_forgotten(place: str, field: bytes, seen_from: int) -> bool:
    """Whether this went with its day, `seen_from` being the first whose dedupe records are kept."""
    if place.startswith(SEEN):
        return int(place[len(SEEN) :]) < seen_from
    return place == AHEAD and int(field.rpartition(b":")[2]) < seen_from


def _of_skus(entry: _Entry) -> Iterator[Setting]:
    rules: dict[str, None] = {}
    for position in entry.positions:
        sku = entry.skus[position.sku]
        rules[sku] = None
        yield SKU + sku, b"l:" + position.location.encode(), bytes(position.packed)
    for view in entry.views:
        sku = entry.skus[view.sku]
        rules[sku] = None
        yield SKU + sku, b"p:" + view.pool.encode(), bytes(view.packed)
    for record in entry.records:
        if record.table == _EXPECTED:
            rules[record.field] = None
    # What was computed anew may have come out as it was; a description computes only what was booked before.
    if entry.kind in ("refresh", "repair") or (entry.kind == "sku" and entry.about in entry.skus):
        rules[entry.about] = None
    for sku in rules:
        yield SKU + sku, b"r", b"%d" % entry.rules_version


def _of_records(seq: Seq, entry: _Entry) -> Iterator[Setting]:
    for record in entry.records:
        table, field = record.table, record.field
        packed = bytes(record.packed)
        value = None if packed in (b"", _NIL) else packed
        if table == _EXPECTED:
            yield SKU + field, b"e", value
        elif table in _OF_THE_DAY:
            lies_in = seen(entry.booked_at_ms // DAY_MS)
            yield lies_in, f"{table}\0{field}".encode(), _among_the_seen(seq, table, value)
        elif table in _TABLES:
            yield table, field.encode(), value
        if table == _ALIASES:
            yield SKU + field, b"c", b"0" if value is None else _AN_ALIAS
        elif table == _CATALOGUE and value is not None:
            yield SKU + field, b"c", b"%d" % _decode_article(value)[0]


def _of_the_rest(entry: _Entry) -> Iterator[Setting]:
    if entry.kind == "rules":
        yield HOUSE, DOCUMENT, entry.payload.encode()
        yield HOUSE, DIGEST, entry.hash.encode()
        yield HOUSE, RULES, b"%d" % entry.rules_version
    elif entry.kind in ("fact", "alert", "reversal", "parked"):
        stated_ms = _stated_ms(entry.payload)
        if stated_ms is not None and stated_ms >= (entry.booked_at_ms // DAY_MS + 1) * DAY_MS + AHEAD_MS:
            yield AHEAD, f"{entry.source}:{stated_ms // DAY_MS}".encode(), b""


def _among_the_seen(seq: Seq, table: str, value: bytes | None) -> bytes:
    """As the kernel packs it: the table, no hash, the place, and the value where there is one."""
    head = _encode((table, "", seq.epoch, seq.number))[1:]
    return bytes((0x94,)) + head if value is None else bytes((0x95,)) + head + value


def _stated_ms(payload: str) -> int | None:
    """When the event says that it happened, by its source's own clock."""
    try:
        time = _decode_stated(payload).time
        return None if time is None or time.tzinfo is None else epoch_ms(time)
    except (msgspec.MsgspecError, RecursionError):
        return None
