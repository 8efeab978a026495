"""How units of a position become reserved, and what becomes of them: given back, or gone to the customer.

A fence counts the units that its own pool holds out of it as filled (`Fence.held`), so arrivals do not take their
place; only when they leave does its target fall, unless it is standing.
"""

import msgspec

from hub.domain.buckets import CUSTOMER, FREE, RESERVED, Change, Move, bought, fence_bucket, fence_of, move, with_fence
from hub.domain.position import Position


def hold(position: Position, quantity: int, pool: str) -> tuple[Change, int]:
    """Reserve units out of the pool's own fence, then out of `free`; also says how many came out of the fence.

    The position must have them.
    """
    moves: list[Move] = []
    fence = fence_of(position, pool)
    fenced = min(quantity, fence.quantity) if fence is not None else 0
    position = _with_held(position, pool, fenced)
    position = move(position, Move(fence_bucket(pool), RESERVED, fenced), moves)
    position = move(position, Move(FREE, RESERVED, quantity - fenced), moves)
    return Change(position, tuple(moves)), fenced


def let_go(position: Position, quantity: int, fenced: int, pool: str) -> Change:
    """Give reserved units back: first to the own fence as far as it lacks any of its target, then to `free`."""
    moves: list[Move] = []
    position = _with_held(position, pool, -fenced)
    fence = fence_of(position, pool)
    lacking = max(0, fence.lacking) if fence is not None else 0
    filled = min(quantity, lacking)
    position = move(position, Move(RESERVED, fence_bucket(pool), filled), moves)
    position = move(position, Move(RESERVED, FREE, quantity - filled), moves)
    return Change(position, tuple(moves))


def leave(position: Position, quantity: int, fenced: int, pool: str, *, to: str = CUSTOMER) -> Change:
    """Reserved units left the shelf; the target of the fence they came out of falls, unless it is standing."""
    moves: list[Move] = []
    position = move(position, Move(RESERVED, to, quantity), moves)
    return Change(bought(_with_held(position, pool, -fenced), fenced, pool), tuple(moves))


def forget(position: Position, fenced: int, pool: str) -> Change:
    """Units out of the fence are not held any more, because something else took them; the target stays."""
    return Change(_with_held(position, pool, -fenced))


def _with_held(position: Position, pool: str, units: int) -> Position:
    fence = fence_of(position, pool)
    if fence is None or not units:
        return position
    return with_fence(position, msgspec.structs.replace(fence, held=fence.held + units))
