"""How units go from bucket to bucket of one position.

Every function takes a position and gives a `Change`: the new position, the movements that lead to it and what
a person should know. A position is the sum of its movements; only a fence's target is set beside them.
Buckets are named as in the journal: `free`, `reserved`, `ring_fenced:<pool>`, `aside:<status>`, the account
`deficit`, and outside the shelf `supplier`, `customer`, `adjustment`, `written_off` and others named below. The account
`variance` is where a count's differences and what it has seen already meet.
"""

from collections.abc import Iterable, Sequence

import msgspec

from hub.domain.position import Fence, Position

FREE = "free"
RESERVED = "reserved"
DEFICIT = "deficit"
SUPPLIER = "supplier"
CUSTOMER = "customer"
ADJUSTMENT = "adjustment"
WRITTEN_OFF = "written_off"
# Of transfers: units that the final arrival lacked, and units that arrived before anybody said they were sent.
LOST = "lost"
UNANNOUNCED = "unannounced"
VARIANCE = "variance"
# Between two buckets: what was taken and is not yet where it goes.
HAND = "hand"
_FENCE = "ring_fenced:"
_ASIDE = "aside:"


class Move(msgspec.Struct, frozen=True):
    """Units that went from one bucket to another."""

    from_bucket: str
    to_bucket: str
    quantity: int


class Alert(msgspec.Struct, frozen=True):
    """What a person should know: `discrepancy` or `fence_broken`."""

    type: str
    quantity: int
    # The pool whose fence was broken, else empty.
    pool: str = ""


class Change(msgspec.Struct, frozen=True):
    """A position after something happened, and how it came to be."""

    position: Position
    moves: tuple[Move, ...] = ()
    alerts: tuple[Alert, ...] = ()


def is_shelf(bucket: str) -> bool:
    """Whether units in the bucket lie on the shelf, or are owed by it."""
    return bucket in (FREE, RESERVED, DEFICIT) or bucket.startswith((_FENCE, _ASIDE))


def fence_bucket(pool: str) -> str:
    """Name the bucket of units set aside for a pool."""
    return _FENCE + pool


def fence_of_bucket(bucket: str) -> str:
    """Say whose fence a bucket is; empty where it is none."""
    return bucket.removeprefix(_FENCE) if bucket.startswith(_FENCE) else ""


def status_of_bucket(bucket: str) -> str:
    """Say why units in a bucket are not for sale; empty where it is no such bucket."""
    return bucket.removeprefix(_ASIDE) if bucket.startswith(_ASIDE) else ""


def aside_bucket(status: str) -> str:
    """Name the bucket of units on the shelf that are not for sale."""
    return _ASIDE + status


def transit_bucket(transfer: str) -> str:
    """Name the account of units between two locations."""
    return "in_transit:" + transfer


def arrive(position: Position, quantity: int, *, source: str, pools: Sequence[str]) -> Change:
    """Bring units into `free`, after what they owe: the deficit first, then fences up to their targets.

    `pools` is the configuration's order of pools.
    """
    moves: list[Move] = []
    left = quantity
    wants = [(DEFICIT, position.deficit)]
    wants += [(fence_bucket(f.pool), f.lacking) for f in _fences_in_order(position, pools)]
    wants.append((FREE, quantity))
    for bucket, wanted in wants:
        units = min(left, max(0, wanted))
        position = move(position, Move(source, bucket, units), moves)
        left -= units
    return Change(position, tuple(moves))


def put_aside(position: Position, quantity: int, status: str, *, source: str) -> Change:
    """Bring units onto the shelf that are not for sale; they repay no deficit and fill no fence."""
    moves: list[Move] = []
    position = move(position, Move(source, aside_bucket(status), quantity), moves)
    return Change(position, tuple(moves))


def sell(position: Position, quantity: int, pool: str, *, pools: Sequence[str]) -> Change:
    """Take what a pool sold: its own fence, `free`, other fences, `reserved`, then `deficit`.

    Never from `aside`. The own fence's target falls by what is taken from it, unless it is standing; a fence
    broken for another pool keeps its target.
    """
    own = fence_bucket(pool)
    others = [fence_bucket(fence.pool) for fence in _fences_in_order(position, pools)]
    before = units_in(position, own)
    change = take(position, quantity, [own, FREE, *others, RESERVED], own=own, to=CUSTOMER)
    units = before - units_in(change.position, own)
    return msgspec.structs.replace(change, position=bought(change.position, units, pool))


def bought(position: Position, units: int, pool: str) -> Position:
    """Lower the target of the pool's fence by what the pool bought out of it, unless it is standing."""
    fence = fence_of(position, pool)
    if fence is None or fence.standing or not units:
        return position
    return with_fence(position, msgspec.structs.replace(fence, target=max(0, fence.target - units)))


def depart(position: Position, quantity: int, *, pools: Sequence[str]) -> Change:
    """Take what was sent elsewhere into the hand: `free`, fences, `reserved`, then `deficit`; never from `aside`."""
    fences = [fence_bucket(fence.pool) for fence in _fences_in_order(position, pools)]
    return take(position, quantity, [FREE, *fences, RESERVED], own="", to=HAND)


def remove(
    position: Position,
    quantity: int,
    bucket: str,
    *,
    pools: Sequence[str],
    statuses: Sequence[str],
    to: str = ADJUSTMENT,
) -> Change:
    """Take what an adjustment or count says is not there: its bucket, `free`, fences, aside, `reserved`, `deficit`.

    `bucket` is `free` or a status; `statuses` is the house's order of statuses.
    """
    return take(position, quantity, everywhere(position, bucket, pools, statuses), own="", to=to)


def settle(position: Position, difference: int, owed: int, *, pools: Sequence[str], statuses: Sequence[str]) -> Change:
    """Book the difference between a count and the book: a plus as an arrival, a minus from the whole shelf.

    `owed` is the deficit when the count was opened: the count has seen what those units were owed for, so it is
    repaid as far as there is anything on the shelf that it could have been taken from.
    """
    repaid = min(position.deficit, owed, max(0, position.on_hand + difference))
    moves: list[Move] = []
    position = move(position, Move(VARIANCE, DEFICIT, repaid), moves)
    left = difference - repaid
    if left > 0:
        change = arrive(position, left, source=VARIANCE, pools=pools)
    else:
        change = remove(position, -left, FREE, pools=pools, statuses=statuses, to=VARIANCE)
    # That the book was wrong is told once, for the difference as a whole.
    alerts = tuple(alert for alert in change.alerts if alert.type != "discrepancy")
    return Change(change.position, (*moves, *change.moves), alerts)


def set_fence(position: Position, pool: str, target: int, *, standing: int, time_ms: int) -> Change:
    """Set a pool's fence to a target, filled from `free` or its surplus given back to `free`.

    A fence that was set by a later stated time stays as it is; at the same time the later arrival wins.
    """
    fence = fence_of(position, pool)
    if fence is not None and fence.set_at_ms > time_ms:
        return Change(position)
    units, held = (fence.quantity, fence.held) if fence is not None else (0, 0)
    fence = Fence(pool, units, target, standing, time_ms, held)
    position = with_fence(position, fence)
    moves: list[Move] = []
    filled = min(position.free, max(0, fence.lacking))
    position = move(position, Move(FREE, fence_bucket(pool), filled), moves)
    position = move(position, Move(fence_bucket(pool), FREE, min(units, max(0, -fence.lacking))), moves)
    return Change(position, tuple(moves))


def everywhere(position: Position, bucket: str, pools: Sequence[str], statuses: Sequence[str]) -> list[str]:
    """Where units are looked for that are said to be in a bucket: there, then wherever the shelf has some."""
    named = FREE if bucket == FREE else aside_bucket(bucket)
    fences = [fence_bucket(fence.pool) for fence in _fences_in_order(position, pools)]
    aside = [aside_bucket(status) for status in _statuses_in_order(position, statuses)]
    return [named, FREE, *fences, *aside, RESERVED]


def take(position: Position, quantity: int, buckets: Iterable[str], *, own: str, to: str) -> Change:
    """Take units from buckets in order; what none of them has is owed by the deficit."""
    moves: list[Move] = []
    alerts: list[Alert] = []
    left = quantity
    for bucket in buckets:
        units = min(left, units_in(position, bucket))
        position = move(position, Move(bucket, to, units), moves)
        left -= units
        if units and bucket.startswith(_FENCE) and bucket != own:
            alerts.append(Alert("fence_broken", units, bucket.removeprefix(_FENCE)))
    position = move(position, Move(DEFICIT, to, left), moves)
    if left:
        alerts.append(Alert("discrepancy", left))
    return Change(position, tuple(moves), tuple(alerts))


def units_in(position: Position, bucket: str) -> int:
    """Count the units in a bucket of the shelf; `deficit` and the outside hold none."""
    if bucket == FREE:
        return position.free
    if bucket == RESERVED:
        return position.reserved
    if bucket.startswith(_FENCE):
        fence = fence_of(position, bucket.removeprefix(_FENCE))
        return fence.quantity if fence is not None else 0
    if bucket.startswith(_ASIDE):
        return dict(position.aside).get(bucket.removeprefix(_ASIDE), 0)
    return 0


def move(position: Position, one: Move, moves: list[Move]) -> Position:
    """Book a movement; nothing moved is no movement."""
    if one.quantity == 0:
        return position
    moves.append(one)
    position = _credit(position, one.from_bucket, -one.quantity)
    return _credit(position, one.to_bucket, one.quantity)


def _credit(position: Position, bucket: str, units: int) -> Position:
    if bucket == FREE:
        return msgspec.structs.replace(position, free=position.free + units)
    if bucket == RESERVED:
        return msgspec.structs.replace(position, reserved=position.reserved + units)
    if bucket == DEFICIT:
        # The deficit is an account of units owed: giving raises it, being repaid lowers it.
        return msgspec.structs.replace(position, deficit=position.deficit - units)
    if bucket.startswith(_FENCE):
        fence = fence_of(position, bucket.removeprefix(_FENCE))
        assert fence is not None
        return with_fence(position, msgspec.structs.replace(fence, quantity=fence.quantity + units))
    if bucket.startswith(_ASIDE):
        aside = dict(position.aside)
        status = bucket.removeprefix(_ASIDE)
        aside[status] = aside.get(status, 0) + units
        return msgspec.structs.replace(position, aside=tuple((s, n) for s, n in aside.items() if n))
    return position


def fence_of(position: Position, pool: str) -> Fence | None:
    """The fence of a pool, perhaps an empty one; None where none was ever set."""
    return next((fence for fence in position.fences if fence.pool == pool), None)


def with_fence(position: Position, new: Fence) -> Position:
    """Replace the pool's fence where it stands; a new one is added at the end."""
    fences = {fence.pool: fence for fence in position.fences}
    fences[new.pool] = new
    return msgspec.structs.replace(position, fences=tuple(fences.values()))


def _fences_in_order(position: Position, pools: Sequence[str]) -> list[Fence]:
    """Order fences as the configuration does; those of pools it no longer has come last, as stored."""
    rank = {pool: place for place, pool in enumerate(pools)}
    return sorted(position.fences, key=lambda fence: rank.get(fence.pool, len(rank)))


def _statuses_in_order(position: Position, statuses: Sequence[str]) -> list[str]:
    rank = {status: place for place, status in enumerate(statuses)}
    return sorted((status for status, _ in position.aside), key=lambda status: rank.get(status, len(rank)))
