"""A till sale that names a reservation: what was held leaves, and is held no more."""

import msgspec

from hub.domain.command import Line
from hub.domain.draft import Draft
from hub.domain.holding.hold import KEPT, Allocation, State, detach, over
from hub.domain.holding.keeping import keep_hold, known_hold, leave, let_go


def take_named(draft: Draft, name: str, line: Line) -> int:
    """Take what the line sold out of the hold; how many units are still to be taken from the shelf.

    What is held elsewhere is given back there, for the customer got it here.
    """
    hold = known_hold(draft, name)
    if hold is None:
        return line.quantity
    sold, rest = detach(hold.parts, line.sku, line.quantity, KEPT, at=line.location)
    if not sold:
        return line.quantity
    left = line.quantity
    # A count that has seen the sale has seen the piece gone: what it was held for is all that ends.
    is_counted = draft.has_counted(line)
    for each in (each for part in sold for each in part.allocations if each.is_placed):
        if each.location == line.location and not is_counted:
            leave(draft, hold.pool, _of(line, each), each)
            left -= each.quantity
        else:
            let_go(draft, hold.pool, line.sku, each)
    parts = (*rest, *(over(part, State.fulfilled) for part in sold))
    keep_hold(draft, name, msgspec.structs.replace(hold, parts=parts))
    return left


def _of(line: Line, allocation: Allocation) -> Line:
    """So much of the line as the allocation has; which pieces they were is known where they are all."""
    if allocation.quantity == line.quantity:
        return line
    return msgspec.structs.replace(line, quantity=allocation.quantity, serials=())
