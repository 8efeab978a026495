"""What a pool may promise of units that are still to come (available to promise, ATP).

Of each line of a purchase order at a location the pool sees,

    spare(i) = outstanding(i) − promised(i), less what the location owes first

and a location owes its deficit and what fences of other pools lack, out of the earliest lines. Counted as free where
they arrive, the spare units due by a date go through the pool's own formula, `hub.domain.pools`, so what it holds back
now it holds back then:

    atp(p, date) = min(preorder_limit − promised(p), Σ spare(i), available(p) with those units)

A pool that has anything available promises nothing.
"""

from collections.abc import Mapping, Sequence

import msgspec

from hub.domain.expected import ExpectedLine
from hub.domain.pools import Profile, above, available, parts_of
from hub.domain.position import Position


class Spare(msgspec.Struct, frozen=True):
    """Units of one line of a purchase order that may be promised."""

    location: str
    purchase_order: str
    # UTC milliseconds.
    eta_ms: int
    quantity: int


class Promise(msgspec.Struct, frozen=True):
    """What a pool may promise of a SKU."""

    # Where it sees units coming, the earliest first.
    spare: tuple[Spare, ...]
    # (ETA in UTC milliseconds, units that may be promised of what is expected by then), where it grows.
    dates: tuple[tuple[int, int], ...]
    # part'(g) once all of them are there.
    rooms: tuple[int, ...]

    @property
    def units(self) -> int:
        """Units that may be promised in all."""
        return self.dates[-1][1] if self.dates else 0

    @property
    def eta_ms(self) -> int | None:
        """When the first of them is expected, UTC milliseconds; None: none may be promised."""
        return self.dates[0][0] if self.dates else None


def promise(
    positions: Mapping[str, Position],
    lines: Sequence[ExpectedLine],
    profile: Profile,
    number: int,
    *,
    is_bound: bool = True,
) -> Promise:
    """Compute what a pool may promise; without regard to what it has available.

    The limit does not bind units that are promised, or ordered, already and need a purchase order that brings them.
    """
    terms = profile.terms[number]
    spare = tuple(
        each for each in spare_units(positions, lines, terms.pool) if profile.sight(each.location)[number][0] > 0
    )
    room = terms.preorder_limit - sum(line.promised_by(terms.pool) for line in lines)
    later = dict(positions)
    units = 0
    dates: list[tuple[int, int]] = []
    for index, each in enumerate(spare):
        old = later.get(each.location, Position())
        later[each.location] = msgspec.structs.replace(old, free=old.free + each.quantity)
        units += each.quantity
        if index + 1 < len(spare) and spare[index + 1].eta_ms == each.eta_ms:
            continue
        by_then = min(room if is_bound else units, units, available(terms, parts_of(later, profile, number)))
        if by_then > (dates[-1][1] if dates else 0):
            dates.append((each.eta_ms, by_then))
    parts = parts_of(later, profile, number)
    rooms = tuple(above(part, *group) for part, group in zip(parts, terms.groups, strict=True))
    return Promise(spare, tuple(dates), rooms)


def next_eta_ms(
    positions: Mapping[str, Position], lines: Sequence[ExpectedLine], profile: Profile, number: int
) -> int | None:
    """When the first unit is expected that the pool may promise, UTC milliseconds; None: it may promise none."""
    if profile.terms[number].preorder_limit <= 0 or not lines:
        return None
    return promise(positions, lines, profile, number).eta_ms


def spare_units(positions: Mapping[str, Position], lines: Sequence[ExpectedLine], pool: str) -> list[Spare]:
    """What lines of purchase orders bring that is neither promised nor owed on arrival, the earliest first."""
    owed = {location: _owed_on_arrival(position, pool) for location, position in positions.items()}
    found = []
    for line in sorted(lines, key=lambda each: each.eta_ms):
        units = line.outstanding - line.promised
        if units > 0:
            taken = min(units, owed.get(line.location, 0))
            owed[line.location] = owed.get(line.location, 0) - taken
            if units > taken:
                found.append(Spare(line.location, line.purchase_order, line.eta_ms, units - taken))
    return found


def _owed_on_arrival(position: Position, pool: str) -> int:
    """Units that go elsewhere when they come: to the deficit, and to what others' fences lack of their target."""
    return position.deficit + sum(max(0, fence.lacking) for fence in position.fences if fence.pool != pool)
