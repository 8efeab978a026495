"""What follows for holds when a command took units that somebody held, or left units free that are owed to an order.

The newest hold loses first, one that nobody confirmed before one that somebody did. Its units are held elsewhere at
once where its pool has others; else that part of it is broken.
"""

import msgspec

from hub.domain.buckets import Change
from hub.domain.command import Line
from hub.domain.draft import Draft, House
from hub.domain.holding import reserving
from hub.domain.holding.account import Account
from hub.domain.holding.hold import LIVE, State, detach, hold_from
from hub.domain.holding.keeping import keep_hold
from hub.domain.holding.orders import id_of, is_order
from hub.domain.holding.owing import LINE_UP
from hub.domain.holding.redeeming import mend_promises, promise_owed, serve_promises, tell_delays
from hub.domain.holding.replacing import replaced


def settle_holds(draft: Draft, house: House) -> None:
    """Bring the holds into line with what the command left on the shelves."""
    for sku, location in draft.touched():
        left = draft.lost.get((sku, location), 0)
        for state in (State.held, State.confirmed):
            for name in _holders(draft, sku):
                if left:
                    left -= _break(draft, house, name, (sku, location), left, state)
    serve_promises(draft, house)
    for sku, location in draft.touched():
        for name in draft.record(LINE_UP, sku) or ():
            Account(draft, house, id_of(name)).serve(sku, location)
    mend_promises(draft, house)
    tell_delays(draft)
    promise_owed(draft, house)


def _holders(draft: Draft, sku: str) -> list[str]:
    """The holds that keep units of a SKU, the newest first."""
    holds = {name: hold_from(value) for name, value in draft.records_of(LIVE).items()}
    names = [name for name, hold in holds.items() if any(part.sku == sku and part.allocations for part in hold.parts)]
    return sorted(names, key=lambda name: (-holds[name].number, name))


def _break(draft: Draft, house: House, name: str, place: tuple[str, str], units: int, state: State) -> int:
    """Take up to so many units of the place out of a hold; how many it had."""
    sku, location = place
    if is_order(name):
        return Account(draft, house, id_of(name)).lose(sku, location, units) if state == State.confirmed else 0
    hold = hold_from(draft.record(LIVE, name))
    there = sum(
        each.quantity
        for part in hold.parts
        if (part.sku, part.state) == (sku, state)
        for each in part.allocations
        if each.is_placed and each.location == location
    )
    if not there:
        return 0
    broken, rest = detach(hold.parts, sku, min(units, there), (state,), at=location)
    for part in broken:
        fenced = sum(each.fenced for each in part.allocations)
        position = reserving.forget(draft.position(sku, location), fenced, hold.pool).position
        draft.keep_held(Line(sku, location, part.quantity), Change(position))
        rest += replaced(draft, house, (name, hold), part, location)
    keep_hold(draft, name, msgspec.structs.replace(hold, parts=tuple(rest)))
    return min(units, there)
