"""A position: one SKU at one location, and the buckets its units lie in.

    on_hand = free + Σ ring_fenced[pool] + reserved + Σ aside[status]

No bucket is ever negative. `deficit` counts units that facts took although the book did not have them.
The structs are stored in Redis and in the journal exactly as they stand here (msgpack arrays), so a field may
be added at the end, never moved.
"""

import msgspec


class Fence(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Units of one position set aside for one pool."""

    pool: str
    # Units set aside now.
    quantity: int
    # What arrivals fill the fence up to.
    target: int
    # 1 keeps the target when the pool's own sales take from the fence; 0 lowers it by as many.
    standing: int
    # The stated time of the fact that set the target, in UTC milliseconds; an older fact changes nothing.
    set_at_ms: int
    # Units that the pool's own holds took out of it; they count as filled.
    held: int = 0

    @property
    def lacking(self) -> int:
        """What arrivals fill it by; below 0 it has more than its target."""
        return self.target - self.quantity - self.held


class Position(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The buckets of one SKU at one location."""

    free: int = 0
    reserved: int = 0
    deficit: int = 0
    fences: tuple[Fence, ...] = ()
    # (status, units), only statuses that hold units.
    aside: tuple[tuple[str, int], ...] = ()
    # The time of the newest count of the shelf, in UTC milliseconds: what happened at or before it the count has
    # seen. None: never counted.
    counted_at_ms: int | None = None
    # The number of the journal entry that opened that count.
    counted_by: int | None = None

    @property
    def on_hand(self) -> int:
        """Units on the shelf."""
        fenced = sum(fence.quantity for fence in self.fences)
        return self.free + self.reserved + fenced + sum(units for _, units in self.aside)

    def has_counted(self, time_ms: int) -> bool:
        """Whether what happened then was seen by the newest count, so that it leaves the shelf alone."""
        return self.counted_at_ms is not None and time_ms <= self.counted_at_ms
