"""What Square's orders say, in the hub's words."""

from collections.abc import Iterable

from msgspec import Struct

from adapters import one_delivery
from adapters.telling import (
    Number,
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
from protocol.events import Event

_DRAFT, _COMPLETED, _CANCELLED = "DRAFT", "COMPLETED", "CANCELED"
# Fulfilments that will not be sent.
_NEVER_SENT = ("CANCELED", "FAILED")
_ARTICLE, _SOME_LINES = "ITEM", "ENTRY_LIST"


class Line(Struct):
    """Units of a variation that were sold or came back."""

    quantity: Number
    uid: str = ""
    catalog_object_id: str | None = None
    item_type: str = _ARTICLE
    source_line_item_uid: str | None = None

    @property
    def is_stock(self) -> bool:
        """Whether it is an article of the catalogue."""
        return self.item_type == _ARTICLE and bool(self.catalog_object_id)


class Entry(Struct):
    """Units of a line in a fulfilment."""

    line_item_uid: str
    quantity: Number


class Fulfilment(Struct):
    """A parcel, or what is picked up."""

    uid: str = ""
    state: str = ""
    line_item_application: str = "ALL"
    entries: tuple[Entry, ...] = ()


class Returned(Struct):
    """What came back with the order."""

    uid: str = ""
    source_order_id: str | None = None
    return_line_items: tuple[Line, ...] = ()


class Order(Struct):
    """An order as it stands."""

    id: str
    state: str = ""
    location_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    closed_at: str | None = None
    line_items: tuple[Line, ...] = ()
    fulfillments: tuple[Fulfilment, ...] = ()
    returns: tuple[Returned, ...] = ()


class Telling(one_delivery.Telling):
    """One delivery of Square while it is told."""

    def variation(self, theirs: str | None) -> str:
        """An article, by its variation."""
        if not theirs:
            raise Unmapped("A line names no variation.")
        return self.alias("variation", theirs)


def needed_source(order: Order) -> str | None:
    """The order of which lines came back with this one.

    Raises:
        Unmapped: there are several.
    """
    sources = {each.source_order_id for each in order.returns if each.source_order_id} - {order.id}
    if len(sources) > 1:
        raise Unmapped(f"With order {order.id} came back what {len(sources)} others sold; one is looked at.")
    return next(iter(sources), None)


def order_events(telling: Telling, order: Order, source: Order | None) -> list[Event]:
    """Everything that an order as it stands says, also what was told before."""
    if order.state == _DRAFT:
        return []
    events = _order_events(telling, order) if order.fulfillments else _till_events(telling, order)
    if order.state == _COMPLETED:
        for back in order.returns:
            events += _return_events(telling, order, back, order if back.source_order_id == order.id else source)
    return events


def _till_events(telling: Telling, order: Order) -> list[Event]:
    if order.state != _COMPLETED:
        return []
    lines = [line for line in order.line_items if line.is_stock]
    units = summed((telling.variation(line.catalog_object_id), units_of(line.quantity)) for line in lines)
    time = telling.time(order.closed_at, order.updated_at, order.created_at)
    place = place_of(telling.account, order.location_id) if units else ""
    return sales(telling.account, f"order:{order.id}:sale", time, place, units)


def _order_events(telling: Telling, order: Order) -> list[Event]:
    account = telling.account
    created, updated = (
        telling.time(order.created_at, order.updated_at),
        telling.time(order.updated_at, order.created_at),
    )
    # A line that is taken out is told no more; of an order without any nothing will be sent.
    is_emptied = not order.line_items and updated > created
    if order.state == _CANCELLED or is_emptied:
        return [cancelled(account, order.id, telling.time(order.closed_at, order.updated_at))]
    lines = [line for line in order.line_items if line.is_stock]
    by_uid = {line.uid: line for line in lines}
    never_sent = _in(order, [each for each in order.fulfillments if each.state in _NEVER_SENT])
    to_send = _in(order, [each for each in order.fulfillments if each.state not in _NEVER_SENT])
    kept: list[tuple[str, int]] = []
    for line in lines:
        ordered, of = units_of(line.quantity), line.uid
        # What only fulfilments hold that will not be sent is free; in no fulfilment it is not planned yet.
        units = min(ordered, max(to_send.get(of, 0), ordered - never_sent.get(of, 0)))
        kept.append((telling.variation(line.catalog_object_id), units))
    units_kept = summed(kept)
    events = placed_and_set(account, order.id, created, updated, units_kept)
    place = place_of(account, order.location_id)
    for fulfilment in [each for each in order.fulfillments if each.state == _COMPLETED]:
        sent = [(by_uid[of], units) for of, units in _in(order, [fulfilment]).items() if of in by_uid]
        units_sent = summed((telling.variation(line.catalog_object_id), units) for line, units in sent)
        id = f"order:{order.id}:fulfilment:{fulfilment.uid}"
        events += fulfilments(account, order.id, id, updated, place, units_sent)
    if not units_kept:
        for line in lines:
            all_of_it = summed([(telling.variation(line.catalog_object_id), units_of(line.quantity))])
            events += taken_out(account, order.id, line.uid, updated, all_of_it)
    return events


def _return_events(telling: Telling, order: Order, back: Returned, source: Order | None) -> list[Event]:
    """Lines that came back; what was never sent cannot."""
    came_back: list[tuple[str, int]] = []
    left = _left(source) if source else None
    for line in [each for each in back.return_line_items if each.is_stock]:
        units = units_of(line.quantity)
        if left is not None and line.source_line_item_uid is not None:
            units = min(units, left.get(line.source_line_item_uid, 0))
        came_back.append((telling.variation(line.catalog_object_id), units))
    units_back = summed(came_back)
    if not units_back:
        return []
    time, place = telling.time(order.closed_at, order.created_at), place_of(telling.account, order.location_id)
    id = f"order:{order.id}:return:{back.uid}"
    return returns(telling.account, id, time, place, units_back, order=back.source_order_id)


def _left(source: Order) -> dict[str, int]:
    """Units by line that were sold at a till or sent."""
    if not source.fulfillments:
        return {line.uid: units_of(line.quantity) for line in source.line_items} if source.state == _COMPLETED else {}
    return _in(source, [each for each in source.fulfillments if each.state == _COMPLETED])


def _in(order: Order, fulfilled: Iterable[Fulfilment]) -> dict[str, int]:
    """Units by line in fulfilments."""
    pairs: list[tuple[str, int]] = []
    for each in fulfilled:
        if each.line_item_application == _SOME_LINES:
            pairs += [(entry.line_item_uid, units_of(entry.quantity)) for entry in each.entries]
        else:
            pairs += [(line.uid, units_of(line.quantity)) for line in order.line_items]
    return summed(pairs)
