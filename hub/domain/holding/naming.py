"""A till sale that names what its units were held as: they leave from there, and are held no more."""

import msgspec

from hub.domain.command import Line, Selling
from hub.domain.draft import Draft, House
from hub.domain.holding.account import Account
from hub.domain.holding.hold import KEPT, Hold, Part, State, detach, of_allocation, over, units_of, without
from hub.domain.holding.keeping import keep_hold, known_hold, leave, let_go
from hub.domain.holding.orders import order_name


def sell_held(draft: Draft, selling: Selling, line: Line, house: House) -> tuple[int, int]:
    """Take what a line sold out of what was held for it: (units that leave, those of them that the shelf still owes).

    What a fulfilment of the same order has seen leave already leaves no second time. What is held elsewhere is given
    back there, for the customer got it here.
    """
    draft.touch(line)
    hold = known_hold(draft, selling.name) if selling.name else None
    id = selling.order or (hold.order if hold is not None and hold.is_taken_over else "")
    draft.about = order_name(id) if id else selling.name
    if not id:
        return line.quantity, _of_reservation(draft, selling.name, hold, line, line.quantity, "")
    account = Account(draft, house, id)
    out = account.sell(line)
    if account.hold is not None:
        left = account.bring(line, out)
    else:
        # The order is still to come, and then takes over what is left of the reservation.
        left = _of_reservation(draft, selling.name, hold, line, out, id)
    account.keep()
    return out, left


def _of_reservation(draft: Draft, name: str, hold: Hold | None, line: Line, out: int, order_id: str) -> int:
    """Take the line's units out of a reservation, `out` of them leaving; how many of these the shelf still owes."""
    if hold is None:
        return out
    gone, rest = detach(hold.parts, line.sku, line.quantity, KEPT, at=line.location)
    # A count that has seen the sale has seen the piece gone: what it was held for is all that ends.
    is_counted = bool(gone) and draft.has_counted(line)
    left = out
    for each in (each for part in gone for each in part.allocations):
        is_here = each.is_placed and each.location == line.location and not is_counted
        leaving = of_allocation(each, min(left, each.quantity) if is_here else 0)
        if leaving.quantity:
            serials = line.serials if leaving.quantity == line.quantity else ()
            here = msgspec.structs.replace(line, quantity=leaving.quantity, serials=serials)
            leave(draft, hold.pool, here, leaving)
            left -= leaving.quantity
        if leaving.quantity < each.quantity:
            let_go(draft, hold.pool, line.sku, without(each, leaving))
    # Also what it had no more, or never: the order that takes it over must know that these units left.
    beside = line.quantity - units_of(gone)
    state = State.ordered if order_id else State.fulfilled
    more = [Part(line.sku, beside, state)] if beside else []
    parts = (*rest, *(over(part, state) for part in gone), *more)
    keep_hold(draft, name, msgspec.structs.replace(hold, parts=parts, order=order_id or hold.order))
    return left
