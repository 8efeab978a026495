"""What Shopify's orders, fulfilments and refunds say, in the hub's words."""

from collections.abc import Container, Iterable, Iterator, Mapping

from msgspec import Struct

from adapters import one_delivery
from adapters.shopify.payloads import Fulfilment, Order, OrderLine, Refund, RefundLine
from adapters.telling import (
    Id,
    Unmapped,
    cancelled,
    fulfilments,
    place_of,
    placed_and_set,
    returns,
    sales,
    summed,
    taken_out,
    units_of,
)
from protocol.events import FREE, Event

# States of a fulfilment: its units left; they are under way to that; they are with the shop after all.
_LEFT, _IN_WORK, _UNDONE = ("success", None), ("success", None, "pending", "open"), "cancelled"
# Why units were put back: they had left; they had not.
_CAME_BACK, _STAYED, _NOT_PUT_BACK = "return", ("cancel", "legacy_restock"), "no_restock"


class Telling(one_delivery.Telling):
    """One delivery of Shopify while it is told."""

    def sku(self, line: OrderLine) -> str:
        """What the line is of, by the vendor's SKU or its variant."""
        if line.sku and line.sku.strip():
            return line.sku
        if line.variant_id is None:
            raise Unmapped(f"Line {line.exact} has neither a SKU nor a variant.")
        return self.alias("variant", line.variant_id)


class _Standing(Struct):
    """How one line of an order stands, in units; see `_standing`."""

    line: OrderLine
    ordered: int
    # In fulfilments that were undone.
    undone: int
    # Left or under way.
    sent: int
    to_send: int
    # Paid back and not put back, though they had never left.
    gone: int

    @property
    def kept(self) -> int:
        """What the hub shall know as ordered: what leaves by its events, and what is still to come."""
        return self.sent + self.undone + self.to_send + self.gone


def order_events(telling: Telling, order: Order) -> list[Event]:
    """Everything that an order as it stands says, also what was told before."""
    if order.source_name == "pos" and order.location_id is not None and not order.shipping_lines:
        return _till_events(telling, order)
    account, id = telling.account, order.exact
    created, updated = (
        telling.time(order.created_at, order.updated_at),
        telling.time(order.updated_at, order.created_at),
    )
    sums = _sums(order)
    standing = [_standing(line, sums) for line in order.line_items if line.is_stock]
    units = summed((telling.sku(each.line), each.kept) for each in standing)
    events = placed_and_set(account, id, created, updated, units)
    events += _gone_events(telling, order, standing)
    for fulfilment in order.fulfillments:
        events += fulfilment_events(telling, fulfilment, id)
    for refund in order.refunds:
        events += refund_events(telling, refund, id)
    if order.cancelled_at:
        return [*events, cancelled(account, id, telling.time(order.cancelled_at))]
    if not units:
        for each in standing:
            all_of_it = summed([(telling.sku(each.line), each.ordered)])
            events += taken_out(account, id, each.line.exact, updated, all_of_it)
    return events


def fulfilment_events(telling: Telling, fulfilment: Fulfilment, order: Id) -> list[Event]:
    """Units that left; of one that was undone, that they left and are there again, whatever was told of it before."""
    if fulfilment.status not in _LEFT and fulfilment.status != _UNDONE:
        return []
    account, id = telling.account, f"fulfilment:{fulfilment.exact}"
    time = telling.time(fulfilment.created_at)
    place = None if fulfilment.location_id is None else place_of(account, fulfilment.location_id)
    lines = [line for line in fulfilment.line_items if line.is_stock]
    units = summed((telling.sku(line), units_of(line.quantity)) for line in lines)
    events = fulfilments(account, order, id, time, place, units)
    if fulfilment.status == _UNDONE:
        undone, there = (
            telling.time(fulfilment.updated_at, fulfilment.created_at),
            place_of(account, fulfilment.location_id),
        )
        events += returns(account, f"{id}:undone", undone, there, units, to=FREE, order=order)
    return events


def refund_events(
    telling: Telling, refund: Refund, order: Id, kinds: Container[str] = (_CAME_BACK,), place: Id | None = None
) -> list[Event]:
    """Units that were put back after they had left, where Shopify says or else at `place`."""
    account, events = telling.account, list[Event]()
    grouped: dict[tuple[str, Id | None], list[RefundLine]] = {}
    for line in [each for each in refund.refund_line_items if each.restock_type in kinds]:
        grouped.setdefault((line.restock_type, line.location_id or place), []).append(line)
    for (kind, where), lines in grouped.items():
        id, time = f"refund:{refund.exact}:{kind}:{where or '*'}", telling.time(refund.created_at)
        if units := summed(_refunded(telling, lines)):
            events += returns(account, id, time, place_of(account, where), units, order=order)
    return events


def _refunded(telling: Telling, lines: Iterable[RefundLine]) -> Iterator[tuple[str, int]]:
    for line in lines:
        if line.line_item is None:
            raise Unmapped(f"The refund of line {line.of_line} does not say what it is of.")
        if line.line_item.is_stock:
            yield telling.sku(line.line_item), units_of(line.quantity)


def _till_events(telling: Telling, order: Order) -> list[Event]:
    """A sale at a till: each line by itself, since an exchange adds lines to the same order."""
    account, id, time = telling.account, order.exact, telling.time(order.created_at, order.updated_at)
    place, events = place_of(account, order.location_id), list[Event]()
    for line in [line for line in order.line_items if line.is_stock]:
        units = summed([(telling.sku(line), units_of(line.quantity))])
        events += sales(account, f"order:{id}:line:{line.exact}:sale", time, place, units, order=id)
    for refund in order.refunds:
        events += refund_events(telling, refund, id, (_CAME_BACK, *_STAYED), order.location_id)
    return events


class _Sums(Struct):
    """Units by line of an order, over its fulfilments and refunds."""

    sent: dict[str, int]
    undone: dict[str, int]
    stayed: dict[str, int]
    not_put_back: dict[str, int]


def _sums(order: Order) -> _Sums:
    sums = _Sums({}, {}, {}, {})
    for fulfilment in order.fulfillments:
        of = sums.sent if fulfilment.status in _IN_WORK else sums.undone if fulfilment.status == _UNDONE else {}
        for line in fulfilment.line_items:
            of[line.exact] = of.get(line.exact, 0) + units_of(line.quantity)
    for each in [each for refund in order.refunds for each in refund.refund_line_items]:
        kind = each.restock_type
        of = sums.stayed if kind in _STAYED else sums.not_put_back if kind == _NOT_PUT_BACK else {}
        of[each.of_line] = of.get(each.of_line, 0) + units_of(each.quantity)
    return sums


def _standing(line: OrderLine, sums: _Sums) -> _Standing:
    """How a line stands. Shopify counts refunded units out of `current_quantity` whether they had left or not, so what
    is to be sent is what it calls fulfillable, or what is left of the current ones if that is more."""
    sent, undone, stayed, not_put_back = (
        of.get(line.exact, 0) for of in (sums.sent, sums.undone, sums.stayed, sums.not_put_back)
    )
    ordered = units_of(line.quantity)
    current = ordered if line.current_quantity is None else units_of(line.current_quantity)
    fulfillable = current - sent if line.fulfillable_quantity is None else units_of(line.fulfillable_quantity)
    is_counted = line.current_quantity is not None or line.fulfillable_quantity is None
    to_send = max(0, fulfillable, current - sent if is_counted else 0)
    gone = min(not_put_back, max(0, ordered - sent - to_send - stayed))
    return _Standing(line, ordered, undone, sent, to_send, gone)


def _gone_events(telling: Telling, order: Order, standing: Iterable[_Standing]) -> list[Event]:
    """Units that nobody sent and nobody may sell: they leave the order for good, the earliest refund's first."""
    left: dict[str, int] = {each.line.exact: each.gone for each in standing}
    by_id: Mapping[str, OrderLine] = {each.line.exact: each.line for each in standing}
    events: list[Event] = []
    for refund in order.refunds:
        taken: list[tuple[str, int]] = []
        for line in [each for each in refund.refund_line_items if each.restock_type == _NOT_PUT_BACK]:
            units = min(left.get(line.of_line, 0), units_of(line.quantity))
            if units:
                left[line.of_line] -= units
                taken.append((telling.sku(by_id[line.of_line]), units))
        id, time = f"refund:{refund.exact}:gone", telling.time(refund.created_at)
        events += fulfilments(telling.account, order.exact, id, time, None, summed(taken))
    return events
