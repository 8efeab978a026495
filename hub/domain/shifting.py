"""Units that go from one bucket to another by way of the hand: first taken, then given.

What was taken and where it went are joined in order, so that an inspected bag becomes free by one movement.
"""

from collections.abc import Iterable, Iterator, Sequence

from hub.domain.buckets import (
    FREE,
    HAND,
    WRITTEN_OFF,
    Alert,
    Change,
    Move,
    arrive,
    everywhere,
    fence_of_bucket,
    put_aside,
    take,
)
from hub.domain.position import Position


def shift(
    position: Position, quantity: int, bucket: str, to: str, *, pools: Sequence[str], statuses: Sequence[str]
) -> Change:
    """Move units on the shelf: out of `free` or a status, into `free` as an arrival, into a status, or written off.

    What the bucket lacks is found where an adjustment finds it, at last in the deficit. What ends where it came from
    did not move, and breaks no fence.
    """
    taken = take(position, quantity, everywhere(position, bucket, pools, statuses), own="", to=HAND)
    if to == WRITTEN_OFF:
        change = Change(taken.position, (Move(HAND, WRITTEN_OFF, quantity),))
    elif to == FREE:
        change = arrive(taken.position, quantity, source=HAND, pools=pools)
    else:
        change = put_aside(taken.position, quantity, to, source=HAND)
    moves = paired(taken.moves, change.moves)
    return Change(change.position, moves, tuple(_losses(moves, taken.alerts)))


def paired(taken: Iterable[Move], given: Iterable[Move]) -> tuple[Move, ...]:
    """Join what was taken with where it went, both in order; what ends where it came from did not move."""
    moves: list[Move] = []
    targets = iter(given)
    to, room = "", 0
    for move in taken:
        left = move.quantity
        while left:
            if not room:
                target = next(targets)
                to, room = target.to_bucket, target.quantity
            units = min(left, room)
            if units and move.from_bucket != to:
                moves.append(Move(move.from_bucket, to, units))
            left, room = left - units, room - units
    return tuple(moves)


def _losses(moves: Iterable[Move], alerts: Iterable[Alert]) -> Iterator[Alert]:
    """The alerts of the movements: fences that lost units, and what the book did not have."""
    for move in moves:
        pool = fence_of_bucket(move.from_bucket)
        if pool:
            yield Alert("fence_broken", move.quantity, pool)
    yield from (alert for alert in alerts if alert.type == "discrepancy")
