"""What is remembered beside positions and views, checked: each record is what the newest entry that names it set.

One rule for all tables. Dedupe records are checked by the entries they point to, and by those that must have one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from hub.domain.entry import Entry, Seq
from hub.domain.expected import ExpectedLine
from hub.domain.remembering import DAY_MS
from hub.domain.verifying import Finding, readable
from hub.domain.verifying_order import read_entry

EXPECTED, TRANSFERS, VOIDS, COUNTS, SERIALS, CATALOGUE, ALIASES, VOIDED, CLOSED = (
    *("expected", "transfers", "voids", "counts", "serials", "catalogue", "aliases"),
    *("voided", "closed_transfers"),
)
HOLDS, OWNERS, ORDERS, SHORTFALLS, ENDED_HOLDS, ENDED_ORDERS = (
    *("holds", "owners", "orders", "shortfalls"),
    *("ended_holds", "ended_orders"),
)
# Of a reservation that was denied; it lies among the dedupe records of its day.
DENIED = "denied"
# These are forgotten with the day they were booked on.
OF_THE_DAY = frozenset((VOIDED, CLOSED, ENDED_HOLDS, ENDED_ORDERS))
TABLES = (
    *(EXPECTED, TRANSFERS, VOIDS, COUNTS, SERIALS, CATALOGUE, ALIASES, VOIDED, CLOSED),
    *(HOLDS, OWNERS, ORDERS, SHORTFALLS, ENDED_HOLDS, ENDED_ORDERS),
)
# The kinds of entry of which an id is remembered.
REMEMBERED_KINDS = frozenset(("fact", "alert", "reversal", "parked", "conflict"))
_TOLD_CHARACTERS_MAX = 200

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode = msgspec.msgpack.Decoder().decode
_decode_lines = msgspec.msgpack.Decoder(list[ExpectedLine]).decode

# Table and field.
Name = tuple[str, str]


class Remembered(msgspec.Struct, frozen=True):
    """A record as an entry set it."""

    table: str
    field: str
    # None: it is not remembered any more.
    value: Any
    seq: Seq
    # UTC day of booking since 1970.
    day: int

    @property
    def name(self) -> Name:
        """Which record it is."""
        return self.table, self.field


class Seen(msgspec.Struct, frozen=True):
    """A dedupe record of one day, or what lies among them, byte for byte."""

    field: bytes
    packed: bytes


def records_in(seq: Seq, entry: Entry) -> list[Remembered]:
    """What an entry set of the tables that are checked."""
    day = entry.booked_at_ms // DAY_MS
    return [Remembered(each.table, each.field, each.value, seq, day) for each in entry.records if each.table in TABLES]


def value_of(packed: bytes | None) -> Any:
    """What is stored, read; None is nothing.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        return None if packed is None else _decode(packed)
    except _UNREADABLE as error:
        raise ValueError("the record cannot be read") from error


def check_record(wanted: Remembered, packed: bytes | None) -> list[Finding]:
    """Compare what Redis has with what the newest entry set."""
    try:
        has = value_of(packed)
    except ValueError:
        return [unreadable_record(wanted.name)]
    value = wanted.value
    if wanted.table in OF_THE_DAY:
        value = [wanted.table, "", wanted.seq.epoch, wanted.seq.number, value]
    if has == value:
        return []
    if has is None:
        detail = f"{_named(wanted.name)}: Redis has nothing, but {wanted.seq} set {_told(value)}"
        return [_finding("record_not_in_redis", wanted.name, detail)]
    detail = f"{_named(wanted.name)}: Redis has {_told(has)}, but {wanted.seq} set {_told(value)}"
    return [_finding("record_differs", wanted.name, detail)]


def check_unknown(name: Name, packed: bytes | None) -> list[Finding]:
    """What no entry ever set must not be there."""
    if packed is None:
        return []
    try:
        has = value_of(packed)
    except ValueError:
        return [unreadable_record(name)]
    return [_finding("record_not_in_ledger", name, f"{_named(name)}: Redis has {_told(has)}, but no entry set it")]


def unreadable_record(name: Name) -> Finding:
    """A record of other bytes."""
    return _finding("malformed", name, f"{_named(name)}: the record cannot be read")


def check_alias(alias: str, owner: str, listed: Iterable[str], revision: bytes | None) -> list[Finding]:
    """Compare an alias with the description of its owner (`listed`: the aliases it has), and with its own hash."""
    if alias not in listed:
        return [Finding("alias_differs", f"{alias} is said to be a name of it, but its description lacks it", owner)]
    if revision != b"-1":
        return [Finding("alias_differs", f"{alias} is a name of it, but its own hash does not say so", owner)]
    return []


def check_voided(
    field: str, voided: Mapping[str, int], sale: Entry | None, house_name: Callable[[str], str]
) -> list[Finding]:
    """No unit of a sale is given back twice; a name of before it became an alias means the SKU it means now."""
    if sale is None:
        return [Finding("voided_over_sale", f"units of the sale {field} were given back, but there is no such sale")]
    took: dict[str, int] = {}
    for moved in sale.movements:
        if moved.to_bucket == "customer" and 0 <= moved.sku < len(sale.skus):
            sku = house_name(sale.skus[moved.sku])
            took[sku] = took.get(sku, 0) + moved.quantity
    given: dict[str, int] = {}
    for name, units in voided.items():
        given[house_name(name)] = given.get(house_name(name), 0) + units
    told = "{} units of the sale {} were given back, but it took {}"
    return [
        Finding("voided_over_sale", told.format(units, field, took.get(sku, 0)), sku)
        for sku, units in given.items()
        if units > took.get(sku, 0)
    ]


def voided_units(value: Any) -> dict[str, int]:
    """The units of each SKU that a record says were given back; nothing where it is no such record."""
    try:
        return dict(msgspec.convert(value, list[tuple[str, int]]))
    except msgspec.ValidationError:
        return {}


def check_expected(sku: str, packed: bytes, received: Mapping[tuple[str, str], int]) -> list[Finding]:
    """Compare what arrived of purchase orders with the ledger's receipts, by (location, purchase order).

    Fewer are said to have arrived where a line was forgotten meanwhile; never more.
    """
    try:
        lines = _decode_lines(packed)
    except _UNREADABLE:
        return [unreadable_record((EXPECTED, sku))]
    found: list[Finding] = []
    for line in lines:
        arrived = received.get((line.location, line.purchase_order), 0)
        if line.received > arrived:
            detail = (
                f"{line.received} of {line.purchase_order} are said to have arrived, but receipts brought {arrived}"
            )
            found.append(Finding("expected_over_receipts", detail, sku, line.location))
        if line.quantity < 0 or line.received < 0:
            detail = f"of {line.purchase_order} {line.quantity} are ordered and {line.received} arrived"
            found.append(Finding("negative", detail, sku, line.location))
    return found


class SeenRecord(msgspec.Struct, array_like=True, frozen=True):
    """What is remembered of an id, or lies beside those."""

    kind: str
    hash: str
    epoch: int
    number: int
    value: Any = None

    @property
    def seq(self) -> Seq:
        """The entry it points to."""
        return Seq(self.epoch, self.number)


_decode_seen = msgspec.msgpack.Decoder(SeenRecord).decode


def read_seen(packed: bytes) -> SeenRecord | None:
    """A dedupe record, None where it is none."""
    try:
        return _decode_seen(packed)
    except _UNREADABLE:
        return None


def check_seen(seen: Seen, raw: bytes | None) -> list[Finding]:
    """Compare a dedupe record with the entry it points to."""
    field, record = readable(seen.field), read_seen(seen.packed)
    if record is None:
        return [Finding("malformed", f"the dedupe record of {_plain(field)} cannot be read")]
    if record.kind == DENIED and field.startswith(f"{DENIED}\0"):
        return []  # a reservation that was denied leaves no entry
    entry = read_entry(raw) if raw is not None else None
    if raw is not None and entry is None:
        return []  # told where entries are checked
    if entry is not None and _says(entry, field, record):
        return []
    detail = f"the dedupe record of {_plain(field)} points to {record.seq}, which is another entry or none"
    return [Finding("seen_differs", detail)]


def check_forgotten(entry: Entry, seq: Seq, packed: bytes | None) -> list[Finding]:
    """The id of a young entry must be remembered, by this entry or by a newer one of the same id."""
    detail = f"the {entry.kind} {entry.source} {entry.id} at {seq} is not remembered: it may take effect again"
    if packed is None:
        return [Finding("seen_missing", detail)]
    record = read_seen(packed)
    return [Finding("seen_missing", detail)] if record is not None and record.seq < seq else []


def seen_field(entry: Entry) -> str:
    """The field of the dedupe record that an entry leaves."""
    field = f"{entry.source}:{entry.id}"
    return f"{field}\0{entry.hash}" if entry.kind == "conflict" else field


def _says(entry: Entry, field: str, record: SeenRecord) -> bool:
    table, _, name = field.partition("\0")
    if table in OF_THE_DAY:
        return any((each.table, each.field, each.value) == (table, name, record.value) for each in entry.records)
    return (entry.kind, entry.hash, seen_field(entry)) == (record.kind, record.hash, field)


def _finding(kind: str, name: Name, detail: str) -> Finding:
    table, field = name
    return Finding(kind, detail, field.partition("\0")[0] if table in (EXPECTED, SERIALS, CATALOGUE) else "")


def _named(name: Name) -> str:
    return f"`{name[0]}` of {_plain(name[1])}"


def _plain(field: str) -> str:
    return field.replace("\0", " ")


def _told(value: Any) -> str:
    told = str(value)
    return told if len(told) <= _TOLD_CHARACTERS_MAX else told[:_TOLD_CHARACTERS_MAX] + "…"
