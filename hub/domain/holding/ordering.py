"""What each fact about an order does. An order taken elsewhere cannot be refused, and its facts come in any order."""

from collections.abc import Callable

import msgspec

from hub.domain.command import Fact, Line, Ordering
from hub.domain.draft import Draft, House
from hub.domain.holding.account import Account
from hub.domain.holding.hold import KEPT, OWNERS, Hold, State, over, owners_field, owners_of_order
from hub.domain.holding.keeping import given_back, keep_hold, known_hold
from hub.domain.holding.orders import SKUS_MAX, Order, order_name, summed, with_ordered


def book_order(draft: Draft, fact: Fact, house: House) -> None:
    """Add the fact to what is known of its order, and bring about what follows."""
    ordering = fact.detail
    assert isinstance(ordering, Ordering)
    draft.about = order_name(ordering.order)
    account = Account(draft, house, ordering.order)
    reservations = _taken_over(draft, fact, ordering)
    touched = _touched(ordering, account.order, reservations)
    where = leaves_from(ordering, account.order)
    if not {line.sku for line in fact.lines if line.location == where} >= touched:
        draft.look_again()
        return
    if len(touched) > SKUS_MAX:
        draft.refuse(f"an order has at most {SKUS_MAX} SKUs")
        return
    if fact.verb == "order_place" and account.order.pool not in ("", fact.pool):
        draft.park(f"order {ordering.order} was placed in pool {account.order.pool}")
        return
    draft.lines.extend((draft.sku_number(sku), units) for sku, _, units in ordering.asked)
    if fact.verb == "order_place":
        _place(draft, fact, ordering, account, reservations)
    else:
        _VERBS[fact.verb](account, ordering, draft.time_ms)
    account.keep()


def _place(draft: Draft, fact: Fact, ordering: Ordering, account: Account, reservations: dict[str, Hold]) -> None:
    """The order takes over what was reserved for it, less what left of that already, and finds the rest."""
    wanted = summed((sku, units) for sku, _, units in ordering.asked)
    account.order = with_ordered(account.order, wanted, draft.time_ms)
    if not account.order.pool:
        account.order = msgspec.structs.replace(account.order, pool=fact.pool)
    hold = account.hold
    if hold is None:
        pins = tuple(dict.fromkeys(location for _, location, _ in ordering.asked if location))
        hold = Hold(
            number=draft.seq.rank,
            pool=account.order.pool,
            # Who reserved it sees the order too.
            owner=ordering.owner or next((reserved.owner for reserved in reservations.values()), ""),
            kind="",
            hash=fact.hash,
            made_at_ms=draft.now_ms,
            split=1,
            only=ordering.only,
            prefer=(*pins, *(each for each in ordering.prefer if each not in pins)),
            order=ordering.order,
        )
    for name, reserved in reservations.items():
        account.join(reserved)
        hold = _with_reserved(draft, hold, name, reserved)
    account.hold = hold
    if any(each.is_promised for part in hold.parts for each in part.allocations):
        # What was promised to a reservation is promised to the order before anything more is.
        keep_hold(draft, order_name(ordering.order), hold)
    _bring_all(account)


def _with_reserved(draft: Draft, hold: Hold, name: str, reserved: Hold) -> Hold:
    """The order's hold with what was reserved for it; what another pool held goes back first."""
    kept = [part for part in reserved.parts if part.state in KEPT]
    if reserved.pool != hold.pool:
        given_back(draft, reserved.pool, kept, State.released)
    else:
        parts = [msgspec.structs.replace(part, state=State.confirmed, expires_at_ms=0) for part in kept]
        hold = msgspec.structs.replace(hold, parts=(*hold.parts, *parts))
    # Also one that is over: whoever names it from now on means the order.
    ended = tuple(over(part, State.ordered) for part in reserved.parts)
    keep_hold(draft, name, msgspec.structs.replace(reserved, parts=ended, order=hold.order))
    return hold


def _bring_all(account: Account) -> None:
    """Keep what is due of every SKU, also of those that only were reserved, and let leave what waited for a place."""
    reserved = account.hold.skus if account.hold is not None else []
    for sku in dict.fromkeys([*(line.sku for line in account.order.lines), *reserved]):
        account.bring(Line(sku, "", 0), 0)
    if account.hold is not None and account.order.is_fulfilled:
        location = account.order.fulfilled_from
        account.order = msgspec.structs.replace(account.order, is_fulfilled=0, fulfilled_from="")
        for line in account.order.lines:
            account.fulfil(Line(line.sku, location, account.order.due(line.sku)))
    if account.hold is not None:
        for line in account.order.lines:
            account.fulfil_what_waited(line.sku)


def _change(account: Account, ordering: Ordering, time_ms: int) -> None:
    wanted = summed((sku, units) for sku, _, units in ordering.asked)
    account.order = with_ordered(account.order, wanted, time_ms)
    _bring_all(account)


def _cancel(account: Account, ordering: Ordering, time_ms: int) -> None:
    if not ordering.asked:
        account.order = msgspec.structs.replace(account.order, is_cancelled=1)
    for sku, units in summed((sku, units) for sku, _, units in ordering.asked).items():
        line = account.order.line(sku)
        account.order = account.order.with_line(msgspec.structs.replace(line, cancelled=line.cancelled + units))
    _bring_all(account)


def _fulfil(account: Account, ordering: Ordering, time_ms: int) -> None:
    asked = summed((sku, units) for sku, _, units in ordering.asked)
    if not asked and account.hold is None:
        replace = msgspec.structs.replace
        account.order = replace(account.order, is_fulfilled=1, fulfilled_from=ordering.location)
    elif not asked:
        asked = {line.sku: account.order.due(line.sku) for line in account.order.lines}
    for sku, units in asked.items():
        account.fulfil(Line(sku, ordering.location, units))


def _taken_over(draft: Draft, fact: Fact, ordering: Ordering) -> dict[str, Hold]:
    """The reservations that become the order's: the one it names, or those that were made for it or by its owner."""
    if fact.verb != "order_place":
        return {}
    names = [ordering.reservation]
    if not ordering.reservation:
        owners = owners_of_order(ordering.order, ordering.owner)
        entries = [draft.record(OWNERS, owners_field(owner, fact.pool)) or () for owner in owners]
        names = [name for some in entries for _, name, _ in some]
    holds = {name: known_hold(draft, name) for name in dict.fromkeys(names)}
    return {name: hold for name, hold in holds.items() if hold is not None and hold.is_open_for_an_order}


def leaves_from(ordering: Ordering, order: Order) -> str:
    """Where units leave by the fact: what it says, or what a fulfilment said that came before the order."""
    return ordering.location or order.fulfilled_from


def _touched(ordering: Ordering, order: Order, reservations: dict[str, Hold]) -> set[str]:
    skus = {sku for sku, _, _ in ordering.asked} | {line.sku for line in order.lines}
    return skus | {sku for hold in reservations.values() for sku in hold.skus}


_VERBS: dict[str, Callable[[Account, Ordering, int], None]] = {
    "order_change": _change,
    "order_cancel": _cancel,
    "order_fulfil": _fulfil,
}
