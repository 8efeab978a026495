"""What each fact does to the books. What already happened is booked, whatever the book says."""

import msgspec

from hub.domain import buckets, serials
from hub.domain.buckets import FREE
from hub.domain.command import ORDER_VERBS, Fact, Line, Raising, Selling, Supply
from hub.domain.counts import close_count, open_count
from hub.domain.draft import NO_SKU, Draft, House
from hub.domain.expected import expect, note_received
from hub.domain.holding.naming import sell_held
from hub.domain.holding.ordering import book_order
from hub.domain.holding.settling import settle_holds
from hub.domain.reversing import book_reversal
from hub.domain.shifting import shift
from hub.domain.transfers import book_dispatch, book_receive
from hub.domain.voids import book_void, give_back_waiting


def book_fact(draft: Draft, fact: Fact, house: House) -> None:
    """Write into the draft what the fact does; the lines in order, each on what the ones before it left."""
    whole = _WHOLE.get(fact.verb)
    if whole is not None:
        whole(draft, fact, house)
        settle_holds(draft, house)
        return
    book_line = _BY_LINE[fact.verb]
    for line in fact.lines:
        draft.lines.append((draft.sku_number(line.sku), line.quantity))
        book_line(draft, fact, line, house)
    if fact.verb == "sale":
        give_back_waiting(draft, fact, house)
    settle_holds(draft, house)


def _sale(draft: Draft, fact: Fact, line: Line, house: House) -> None:
    serials.sold(draft, line)
    out = left = line.quantity
    if isinstance(fact.detail, Selling):
        out, left = sell_held(draft, fact.detail, line, house)
    if draft.has_counted(line):
        draft.pass_by(line, -out, buckets.CUSTOMER)
    elif left:
        rest = msgspec.structs.replace(line, quantity=left, serials=line.serials if left == line.quantity else ())
        position = draft.position(line.sku, line.location)
        draft.keep(rest, buckets.sell(position, left, fact.pool, pools=list(house.pool_index)))


def _receipt(draft: Draft, fact: Fact, line: Line, house: House) -> None:
    put_on_shelf(draft, line, FREE, buckets.SUPPLIER, house, suspects=serials.came_in(draft, line))
    if isinstance(fact.detail, Supply):
        note_received(draft, fact.detail, line)


def _return(draft: Draft, fact: Fact, line: Line, house: House) -> None:
    put_on_shelf(draft, line, line.bucket, buckets.CUSTOMER, house, suspects=serials.came_back(draft, line))


def _adjustment(draft: Draft, fact: Fact, line: Line, house: House) -> None:
    if line.quantity > 0:
        put_on_shelf(draft, line, line.bucket, buckets.ADJUSTMENT, house, suspects=serials.came_in(draft, line))
        return
    serials.gone(draft, line)
    if draft.has_counted(line):
        draft.pass_by(line, line.quantity, buckets.ADJUSTMENT)
    else:
        position, quantity = draft.position(line.sku, line.location), -line.quantity
        pools, statuses = list(house.pool_index), house.statuses
        draft.keep(line, buckets.remove(position, quantity, line.bucket, pools=pools, statuses=statuses))


def _moved(draft: Draft, fact: Fact, line: Line, house: House) -> None:
    # A count says how much lies there, not in which state; only what left the shelf it has seen leaving.
    if line.to == buckets.WRITTEN_OFF:
        serials.gone(draft, line)
    if line.to == buckets.WRITTEN_OFF and draft.has_counted(line):
        draft.pass_by(line, -line.quantity, buckets.WRITTEN_OFF)
        return
    position = draft.position(line.sku, line.location)
    pools, statuses = list(house.pool_index), house.statuses
    draft.keep(line, shift(position, line.quantity, line.bucket, line.to, pools=pools, statuses=statuses))


def _ring_fence(draft: Draft, fact: Fact, line: Line, house: House) -> None:
    # A count says how much lies there, not for whom, so a target is set whatever was counted since; it names no pieces.
    line = msgspec.structs.replace(line, serials=())
    position = draft.position(line.sku, line.location)
    standing, time_ms = fact.standing, draft.time_ms
    draft.keep(line, buckets.set_fence(position, fact.pool, line.quantity, standing=standing, time_ms=time_ms))


def _alert(draft: Draft, fact: Fact, house: House) -> None:
    assert isinstance(fact.detail, Raising)
    draft.about = fact.detail.about
    draft.alert(fact.type, NO_SKU, "", fact.detail.quantity)


def put_on_shelf(
    draft: Draft, line: Line, bucket: str, source: str, house: House, *, suspects: tuple[str, ...] = ()
) -> None:
    """Units came from outside, into `free` or a status; those with a suspect serial go where a person looks at them."""
    if draft.has_counted(line):
        draft.pass_by(line, line.quantity, source)
        return
    clean, doubtful = serials.parted(line, suspects)
    for part, where in ((clean, bucket), (doubtful, serials.INSPECTION)):
        position = draft.position(line.sku, line.location)
        if where == FREE:
            draft.keep(part, buckets.arrive(position, part.quantity, source=source, pools=list(house.pool_index)))
        else:
            draft.keep(part, buckets.put_aside(position, part.quantity, where, source=source))


# Facts whose lines cannot be told apart from each other.
_WHOLE = {
    "count": open_count,
    "close": close_count,
    "dispatch": book_dispatch,
    "receive": book_receive,
    "void": book_void,
    "alert": _alert,
    "reverse": book_reversal,
    "expected": expect,
}
_WHOLE |= dict.fromkeys(ORDER_VERBS, book_order)
_BY_LINE = {
    "sale": _sale,
    "receipt": _receipt,
    "return": _return,
    "moved": _moved,
    "adjustment": _adjustment,
    "ring_fence": _ring_fence,
}
