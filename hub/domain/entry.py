"""A journal entry: one change, the command that made it and every value it set.

Redis rebuilt from entries is last-value-wins on `positions` and `views`: no business code is needed to read
them, by any version. On the stream an entry is one field `e` holding a msgpack array in the order of the
fields below; a field may be added at the end, never moved. The stream's id is `<epoch>-<number>`, gapless.
"""

from typing import Any

import msgspec

from hub.domain.pools import View
from hub.domain.position import Position

# The only field of a stream entry.
FIELD = b"e"
FORMAT = 1
PARTITION = 0
# More entries than an epoch has; 131,072 epochs of so many are whole numbers in Lua.
NUMBERS_PER_EPOCH = 2**36


class Seq(msgspec.Struct, frozen=True, order=True, gc=False):
    """The place of a change in its partition; `str()` is its form on the wire, `0-3-1041`."""

    epoch: int
    number: int
    partition: int = PARTITION

    def __str__(self) -> str:
        return f"{self.partition}-{self.epoch}-{self.number}"

    @property
    def stream_id(self) -> str:
        """The id of the entry in the Redis stream."""
        return f"{self.epoch}-{self.number}"

    @property
    def rank(self) -> int:
        """A whole number that orders entries of all epochs: in the first epoch it is the number itself."""
        return (self.epoch - 1) * NUMBERS_PER_EPOCH + self.number

    @classmethod
    def from_stream_id(cls, stream_id: bytes) -> "Seq":
        """Read `b"3-1041"`."""
        epoch, number = stream_id.split(b"-")
        return cls(int(epoch), int(number))


class SetPosition(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The new value of a position."""

    # Index into `Entry.skus`.
    sku: int
    location: str
    position: Position


class SetView(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The new value of what a pool keeps about a SKU."""

    # Index into `Entry.skus`.
    sku: int
    pool: str
    view: View
    # A `hub.domain.pools.News`; only where it is not 0 did the shown value change, and may a screen hear of it.
    changed: int


class Movement(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Units that went from one bucket to another.

    Buckets on the shelf: `free`, `ring_fenced:<pool>`, `reserved`, `aside:<status>`; the account `deficit`;
    beside it: `in_transit:<transfer>`; outside: `supplier`, `customer`, `adjustment`, `written_off`, `unannounced`,
    `lost`; the account `variance`, where a count's differences and what it has seen already meet.
    """

    # Index into `Entry.skus`.
    sku: int
    location: str
    from_bucket: str
    to_bucket: str
    quantity: int
    # When it happened, UTC milliseconds, where that is not the entry's time or more is said behind it.
    time_ms: int | None = None
    # The serial numbers of its units, as far as the event says; empty where the units of its line went several ways.
    serials: tuple[str, ...] = ()


class EntryAlert(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Something a person should know; the types are in docs/protocol.md."""

    type: str
    # Index into `Entry.skus`; -1 where it is about the event as a whole.
    sku: int
    location: str
    # Units; in a `clock_skew` the seconds, in a `conflict` 1.
    quantity: int
    # The pool whose fence was broken, that promised the units, else empty.
    pool: str = ""
    # Name of the hold whose units it is about, `reservation:<id>` or `order:<id>`, else empty.
    hold: str = ""


class SetRecord(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The new value of what is remembered beside positions and views; `hub.stock.keys` says where it lies."""

    # `expected`, `transfers`, `voids`, `voided`, `counts`, `serials`, `catalogue`, `aliases`.
    table: str
    field: str
    # As stored; None: it is not remembered any more.
    value: Any = None


class Counted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A count of one position, closed: what lay there and what the book said for that time."""

    # Index into `Entry.skus`.
    sku: int
    location: str
    counted_at_ms: int
    # `physical` or `system`; `unlisted` where a complete count does not list what the book does not have.
    kind: str
    counted: int
    # on_hand - deficit, by the facts journalled before the count was opened that had happened by then.
    book: int
    # 0 when a newer count stood already: the shelf was left alone.
    is_newest: int
    # The event that counted, as it was booked.
    opened_by: int


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One change, as the kernel wrote it."""

    format: int
    # `fact`, `parked`, `dismissed` (not waited for any more), `conflict`, `closed` (a count), `refresh` (views
    # recomputed), `sku` (described), `alert` (raised by the hub itself), `reversal` (of what was applied twice),
    # `repair` (set to what the ledger says), `lapsed` (forgotten, for it had waited too long), `request` (about a
    # reservation) or `rules` (the house changed).
    kind: str
    # The event's type; empty for those of the hub's own.
    type: str
    source: str
    id: str
    # Hash of the event's content in canonical form.
    hash: str
    # When it happened, UTC milliseconds: the source's clock, corrected, never later than arrival.
    time_ms: int
    # When the kernel booked it, by Redis's clock, UTC milliseconds, never going back.
    booked_at_ms: int
    rules_version: int
    # The event as sent, canonical JSON.
    payload: str
    skus: tuple[str, ...] = ()
    # (index into skus, quantity) for each line of the event, in its order.
    lines: tuple[tuple[int, int], ...] = ()
    positions: tuple[SetPosition, ...] = ()
    views: tuple[SetView, ...] = ()
    movements: tuple[Movement, ...] = ()
    alerts: tuple[EntryAlert, ...] = ()
    records: tuple[SetRecord, ...] = ()
    counted: tuple[Counted, ...] = ()
    # What the event is about, where another may name the same: the event id of the sale that is voided, the transfer,
    # the purchase order; the SKU in a `refresh`, `repair` or `sku`; in a `closed` the entry that opened the count; in a
    # `reversal` the entry that is taken back; in a `lapsed` the field of the record.
    about: str = ""
    # Of `parked`, where all names are known: what there is no room for, and the locations that the sender may touch
    # where another event says which one it is; empty: all.
    why: str = ""
    reach: tuple[str, ...] = ()


decode_entry = msgspec.msgpack.Decoder(Entry).decode
encode_entry = msgspec.msgpack.Encoder().encode
