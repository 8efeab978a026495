"""What a pool shows of a SKU.

part(g)      = Σ over l in g of  max(0, free[l] − buffer) + ring_fenced[l, p]
part'(g)     = 0 if part(g) < threshold(p, g) else max(0, part(g) − safety(p, g))
supply(p)    = Σ over the pool's groups of part'(g)
available(p) = 0 if supply(p) < threshold(p) else max(0, supply(p) − safety(p))

What a pool may promise of units that are still to come is `hub.domain.promising`.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Protocol

import msgspec

from hub.domain.position import Position

# `rev` = epoch × REVS_PER_EPOCH + how often the shown value changed.
REVS_PER_EPOCH = 2**32


class Status(IntEnum):
    """The shown status, as stored; `word` is how it is told."""

    out_of_stock = 0
    low_stock = 1
    in_stock = 2
    # Nothing was ever in stock, and more is expected; nothing is in stock any more, and more is expected.
    preorder = 3
    backorder = 4
    # Out of stock like any other, but it was in stock once: what is promised from here on is a backorder.
    emptied = 5

    @property
    def word(self) -> str:
        """Its word on the wire."""
        return Status.out_of_stock.name if self == Status.emptied else self.name


class News(IntEnum):
    """What a change of a view means for its watchers, as stored beside it; `News(n).name` is the alert's type."""

    none = 0
    changed = 1
    sold_out = 2
    back_in_stock = 3
    low_stock = 4


class View(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one pool shows of one SKU, and the parts it is computed from.

    Stored in Redis and in the journal exactly as it stands here (a msgpack array).
    """

    # How often the shown value (available, capped, status, eta) has changed; 0 is "never shown".
    changes: int = 0
    # When it last changed, by the kernel's clock, in UTC milliseconds; 0 is never.
    at_ms: int = 0
    # The number shown, after `cap`; -1 where the pool shows only a status.
    available: int = 0
    status: int = 0
    capped: int = 0
    # When more is expected, in UTC milliseconds; 0 is unknown.
    eta_ms: int = 0
    # part(g) per group: first the locations in no group, then the groups in configuration order.
    parts: tuple[int, ...] = ()

    def rev(self, epoch: int, lost_epoch: int = 0) -> int:
        """The revision on the wire: rises when, and only when, the shown value changes.

        `lost_epoch` is the last epoch that was begun with a Redis that lacked something, 0 for none: what was never
        shown since has that one's first rev, for an entry that was lost may have shown it.
        """
        return epoch * REVS_PER_EPOCH + self.changes if self.changes else lost_epoch * REVS_PER_EPOCH


class Terms(Protocol):
    """One pool's resolved rules for one SKU; `hub.domain.rules.PoolTerms` is one."""

    @property
    def pool(self) -> str:
        """The pool's id."""

    @property
    def sell(self) -> int:
        """1 when the pool sells this SKU at all."""

    @property
    def threshold(self) -> int:
        """Below this supply nothing is available."""

    @property
    def safety(self) -> int:
        """Held back from the supply."""

    @property
    def low(self) -> int:
        """At or under this the status is `low_stock`."""

    @property
    def cap(self) -> int:
        """The highest number shown; -1 is none."""

    @property
    def show_status(self) -> int:
        """1 when no number is shown."""

    @property
    def groups(self) -> Sequence[tuple[int, int]]:
        """(threshold, safety) per group: first the locations in no group, then the pool's groups."""

    @property
    def preorder_limit(self) -> int:
        """The most units that may be promised before they arrive."""


# How a pool sees a location: (number of its group from 1, or 0 when it does not see it, buffer).
Sight = tuple[int, int]


class Profile(Protocol):
    """All pools' resolved rules for one SKU; `hub.domain.rules.Profile` is one."""

    @property
    def terms(self) -> Sequence[Terms]:
        """One per pool, in configuration order."""

    def sight(self, location: str) -> Sequence[Sight]:
        """Say how each pool sees a location, in configuration order."""


class Shown(msgspec.Struct, frozen=True):
    """The shown value: `rev` rises when, and only when, this changes."""

    available: int = 0
    capped: int = 0
    status: int = Status.out_of_stock
    eta_ms: int = 0


def contribution(position: Position, pool: str, sight: Sight) -> int:
    """Count the units of one position that stand behind what a pool shows."""
    group, buffer = sight
    seen = max(0, position.free - buffer) if group else 0
    if not position.fences:
        return seen
    return seen + sum(fence.quantity for fence in position.fences if fence.pool == pool)


def parts_of(positions: Mapping[str, Position], profile: Profile, pool_number: int) -> tuple[int, ...]:
    """Compute part(g) for each group of a pool from all positions of a SKU, by location."""
    terms = profile.terms[pool_number]
    parts = [0] * len(terms.groups)
    for location, position in positions.items():
        sight = profile.sight(location)[pool_number]
        # A fence at a location the pool does not see counts among the locations in no group.
        parts[max(1, sight[0]) - 1] += contribution(position, terms.pool, sight)
    return tuple(parts)


def concerns(positions: Mapping[str, Position], profile: Profile, pool_number: int) -> bool:
    """Whether a pool sees any place where the SKU has a position, or has units fenced at one."""
    pool = profile.terms[pool_number].pool
    return any(
        profile.sight(location)[pool_number][0] > 0
        or any(fence.pool == pool and fence.quantity for fence in position.fences)
        for location, position in positions.items()
    )


def above(units: int, threshold: int, safety: int) -> int:
    """Apply a threshold and a safety: nothing below the one, and the other is held back."""
    return 0 if units < threshold else max(0, units - safety)


def supply(terms: Terms, parts: Sequence[int]) -> int:
    """Add up the groups of a pool, each after its own threshold and safety: supply(p) = Σ part'(g)."""
    return sum(above(part, *group) for part, group in zip(parts, terms.groups, strict=True))


def available(terms: Terms, parts: Sequence[int]) -> int:
    """Count what a pool may sell now."""
    return above(supply(terms, parts), terms.threshold, terms.safety) if terms.sell else 0


def shown(terms: Terms, parts: Sequence[int], eta_ms: int | None = None, *, was_in_stock: bool = False) -> Shown:
    """Say what a pool shows; the status comes from the number before `cap`.

    `eta_ms` is when the first unit that may be promised is expected; None: none may be.
    """
    units = available(terms, parts)
    if units == 0 and eta_ms is not None:
        return Shown(-terms.show_status, 0, Status.backorder if was_in_stock else Status.preorder, eta_ms)
    if units == 0:
        status = Status.emptied if was_in_stock else Status.out_of_stock
    elif units <= terms.low:
        status = Status.low_stock
    else:
        status = Status.in_stock
    if terms.show_status:
        return Shown(-1, 0, status)
    if 0 <= terms.cap < units:
        return Shown(terms.cap, 1, status)
    return Shown(units, 0, status)


def update_view(
    view: View | None, terms: Terms, parts: tuple[int, ...], eta_ms: int | None = None, *, booked_at_ms: int
) -> View:
    """Bring a view up to its parts and to what may be promised; `changes` and `at_ms` move only with the shown value.

    A SKU that was never shown counts as shown sold out.
    """
    old = view or View(available=-1 if terms.show_status else 0)
    new = shown(terms, parts, eta_ms, was_in_stock=was_in_stock(old))
    changed = new != Shown(old.available, old.capped, old.status, old.eta_ms)
    return View(
        changes=old.changes + changed,
        at_ms=booked_at_ms if changed else old.at_ms,
        available=new.available,
        status=new.status,
        capped=new.capped,
        eta_ms=new.eta_ms,
        parts=parts,
    )


def news(old: View | None, new: View) -> News:
    """What a change of a view means for its watchers; the first value that a pool ever shows is no return."""
    if old is None or old.changes == 0:
        return News(new.changes > 0)
    if new.changes == old.changes:
        return News.none
    if is_in_stock(old) != is_in_stock(new):
        return News.sold_out if is_in_stock(old) else News.back_in_stock
    became_low = new.status == Status.low_stock != old.status
    return News.low_stock if became_low else News.changed


def was_in_stock(view: View) -> bool:
    """Whether the pool shows units, or did once."""
    return view.status not in (Status.out_of_stock, Status.preorder)


def is_in_stock(view: View) -> bool:
    """Whether the pool shows units that can be had now."""
    return view.status in (Status.low_stock, Status.in_stock)
