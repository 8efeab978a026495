"""What is remembered of what is between two locations.

Of s units sent and r received of a SKU, and once the last arrival was told (final):

    in_transit  = max(0, s - r), after the final arrival 0
    lost        = 0, after the final arrival max(0, s - r)
    unannounced = max(0, r - s)

So it does not matter in which order the parts of a transfer are told.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from hub.domain.command import Reach
from hub.domain.draft import Draft

# Under way, and final: then nothing is between the two any more, and late parts find it for as long as ids are known.
OPEN, CLOSED = "transfers", "closed_transfers"


class Early(msgspec.Struct, frozen=True, array_like=True):
    """What was received before anything was dispatched."""

    # UTC milliseconds.
    time_ms: int
    is_final: int
    # (SKU, units), perhaps with the serials of some or all of them.
    units: tuple[tuple[Any, ...], ...]
    # Where it may take effect: 0 everywhere, else the place in `Record.reaches`, counted from 1. What waits since
    # before those were kept once has its own here.
    reach: int | Reach = 0
    # By the kernel's clock, UTC milliseconds; 0 in what waits since before it was kept.
    booked_at_ms: int = 0

    @property
    def since_ms(self) -> int:
        """Since when it waits, UTC milliseconds."""
        return self.booked_at_ms or self.time_ms


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a transfer."""

    # Rises with whatever a command is made from: an early receipt is kept or forgotten, the destination becomes known.
    version: int = 0
    # Empty while nothing was dispatched.
    to: str = ""
    is_final: int = 0
    # (SKU, sent, received).
    sums: tuple[tuple[str, int, int], ...] = ()
    early: tuple[Early, ...] = ()
    # The distinct reaches of what was received early.
    reaches: tuple[Reach, ...] = ()
    # (SKU, location) where units left without their serials: a piece that lay there may be one of them.
    unnamed: tuple[tuple[str, str], ...] = ()
    # When its first part was booked, UTC milliseconds; 0 in one from before that was kept.
    since_ms: int = 0
    # (SKU, name of a hold, units) of what is under way and kept for somebody. Follows from the holds.
    held: tuple[tuple[str, str, int], ...] = ()

    def reach_of(self, each: Early) -> Reach:
        """Where what was received early may take effect."""
        if isinstance(each.reach, int):
            return self.reaches[each.reach - 1] if each.reach else ()
        return each.reach


_encode = msgspec.msgpack.Encoder().encode


def record_from(value: Any) -> Record:
    """Read a record as it is stored."""
    return msgspec.convert(value, Record)


def known_transfer(draft: Draft, id: str) -> Record:
    """What is remembered of the transfer; a new one was never written down."""
    value = draft.record(OPEN, id) or draft.record(CLOSED, id)
    return record_from(value) if value is not None else Record()


def keep_waiting(draft: Draft, id: str, known: Record, early: Iterable[tuple[Early, Reach]]) -> None:
    """Remember what was received early, each with its reach; of none of it nothing is left."""
    reaches: dict[Reach, int] = {}
    kept: list[Early] = []
    for each, reach in early:
        number = reaches.setdefault(reach, len(reaches) + 1) if reach else 0
        kept.append(msgspec.structs.replace(each, reach=number))
    since_ms = known.since_ms if known.version else draft.now_ms
    record = Record(known.version + 1, early=tuple(kept), reaches=tuple(reaches), since_ms=since_ms)
    draft.set_record(OPEN, id, stored_transfer(record) if kept else None)


def stored_transfer(record: Record) -> Any:
    """As the journal has it."""
    return msgspec.msgpack.decode(_encode(record))
