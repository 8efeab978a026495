"""A journal entry: one change, the command that made it and every value it set.

Redis rebuilt from entries is last-value-wins on `positions` and `views`: no business code is needed to read
them, by any version. On the stream an entry is one field `e` holding a msgpack array in the order of the
fields below; a field may be added at the end, never moved. The stream's id is `<epoch>-<number>`, gapless.
"""

import msgspec

from hub.domain.pools import View
from hub.domain.position import Position

# The only field of a stream entry.
FIELD = b"e"
FORMAT = 1
PARTITION = 0


class Seq(msgspec.Struct, frozen=True, order=True):
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

    @classmethod
    def from_stream_id(cls, stream_id: bytes) -> "Seq":
        """Read `b"3-1041"`."""
        epoch, number = stream_id.split(b"-")
        return cls(int(epoch), int(number))


class SetPosition(msgspec.Struct, array_like=True, frozen=True):
    """The new value of a position."""

    # Index into `Entry.skus`.
    sku: int
    location: str
    position: Position


class SetView(msgspec.Struct, array_like=True, frozen=True):
    """The new value of what a pool keeps about a SKU."""

    # Index into `Entry.skus`.
    sku: int
    pool: str
    view: View
    # 1 when the shown value changed; only then may a screen hear of it.
    changed: int


class Movement(msgspec.Struct, array_like=True, frozen=True):
    """Units that went from one bucket to another.

    Buckets on the shelf: `free`, `ring_fenced:<pool>`, `reserved`, `aside:<status>`; the account `deficit`;
    outside: `supplier`, `customer`, `adjustment`.
    """

    # Index into `Entry.skus`.
    sku: int
    location: str
    from_bucket: str
    to_bucket: str
    quantity: int


class EntryAlert(msgspec.Struct, array_like=True, frozen=True):
    """Something a person should know: `discrepancy`, `fence_broken`, `reservation_broken`."""

    type: str
    # Index into `Entry.skus`.
    sku: int
    location: str
    quantity: int
    # The pool whose fence was broken, else empty.
    pool: str = ""


class Entry(msgspec.Struct, array_like=True, frozen=True):
    """One change, as the kernel wrote it."""

    format: int
    # `fact`, `parked`, `conflict`, `refresh` (views recomputed) or `rules` (the house changed).
    kind: str
    # The event's type; empty for `refresh` and `rules`.
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


decode_entry = msgspec.msgpack.Decoder(Entry).decode
encode_entry = msgspec.msgpack.Encoder().encode
