"""What WooCommerce's orders and their refunds say, in the hub's words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from adapters import one_delivery
from adapters.contract import Need, Reading
from adapters.telling import (
    Id,
    Number,
    cancelled,
    fulfilments,
    instant,
    place_of,
    placed_and_set,
    returns,
    segment,
    summed,
    taken_out,
    units_of,
    whole,
)
from protocol.events import Event

_PLACED, _CANCELLED, _REFUNDED = ("on-hold", "processing", "completed"), ("cancelled", "trash"), "refunded"
_PUT_BACK = "_restock_refunded_items"


class _Meta(Struct):
    key: str = ""
    value: Any = None


class _Line(Struct):
    id: Id
    product_id: Id = 0
    variation_id: Id = 0
    quantity: Number = 0
    sku: str | None = None
    meta_data: tuple[_Meta, ...] = ()

    def meta(self, key: str) -> Any:
        return next((meta.value for meta in self.meta_data if meta.key == key), None)


class _Order(Struct):
    id: Id
    status: str = ""
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    date_completed_gmt: str | None = None
    line_items: tuple[_Line, ...] = ()
    # Only their ids and amounts.
    refunds: tuple[msgspec.Raw, ...] = ()


class _Refund(Struct):
    id: Id
    date_created_gmt: str | None = None
    # Their quantities are negative, their ids their own; `_refunded_item_id` is the order's line.
    line_items: tuple[_Line, ...] = ()


class Telling(one_delivery.Telling):
    """One delivery of WooCommerce while it is told."""

    def time(self, *texts: str | None) -> datetime:
        """The first of the times that there is, else when it arrived; all of them are UTC."""
        return instant(one_delivery.first_of(*texts), self.received_at_ms, in_utc=True)

    def sku(self, line: _Line) -> str:
        """What the line is of, by the shop's SKU or its variation or product."""
        if line.sku and line.sku.strip():
            return line.sku
        kind, theirs = ("variation", line.variation_id) if line.variation_id else ("product", line.product_id)
        return self.alias(kind, theirs)


_order = msgspec.json.Decoder(_Order).decode
_refunds = msgspec.json.Decoder(tuple[_Refund, ...]).decode


def order_reading(telling: Telling, body: bytes, fetched: Mapping[str, bytes]) -> Reading:
    """Everything that an order as it stands says, also what was told before."""
    order = _order(body)
    was_sent = order.status in (*_PLACED, _REFUNDED) and order.date_completed_gmt is not None
    if order.status in _CANCELLED or (order.status == _REFUNDED and not was_sent):
        time = telling.time(order.date_modified_gmt, order.date_created_gmt)
        return Reading(events=(cancelled(telling.account, order.id, time),))
    if order.status not in _PLACED and not was_sent:
        return Reading()
    if order.refunds and "refunds" not in fetched:
        path = f"/orders/{segment(order.id)}/refunds"
        return Reading(needs=(Need(name="refunds", path=path, query={"per_page": "100"}),))
    refunds = _refunds(fetched["refunds"]) if order.refunds else ()
    in_order = sorted(refunds, key=lambda refund: telling.time(refund.date_created_gmt))
    return Reading(events=tuple(_order_events(telling, order, in_order)))


def _order_events(telling: Telling, order: _Order, refunds: list[_Refund]) -> list[Event]:
    account = telling.account
    created = telling.time(order.date_created_gmt, order.date_modified_gmt)
    updated = telling.time(order.date_modified_gmt, order.date_created_gmt)
    if not order.line_items and updated > created:
        # A line that is deleted is told no more, so nothing else says that its units are free.
        return [cancelled(account, order.id, updated)]
    completed = telling.time(order.date_completed_gmt) if order.date_completed_gmt else None
    # A line without a product was typed.
    lines = [line for line in order.line_items if line.product_id or (line.sku or "").strip()]
    before = [each for each in refunds if completed is None or telling.time(each.date_created_gmt) <= completed]
    never_sent = summed(refunded for refund in before for refunded in _refunded(refund))
    kept = [(telling.sku(line), max(0, units_of(line.quantity) - never_sent.get(str(line.id), 0))) for line in lines]
    units = summed(kept)
    events = placed_and_set(account, order.id, created, updated, units)
    if completed is not None:
        place = account.place(None)
        events += fulfilments(account, order.id, f"order:{order.id}:completed", completed, place, units)
        events += _return_events(telling, order, lines, refunds, len(before))
    elif not units:
        for line in lines:
            all_of_it = summed([(telling.sku(line), units_of(line.quantity))])
            events += taken_out(account, order.id, line.id, updated, all_of_it)
    return events


def _return_events(
    telling: Telling, order: _Order, lines: list[_Line], refunds: list[_Refund], before: int
) -> list[Event]:
    """What was put back, told by refund, the earliest first: the shop tells only how much it is of each line."""
    put_back = {str(line.id): units_of(line.meta(_PUT_BACK) or 0) for line in lines}
    skus = {str(line.id): telling.sku(line) for line in lines}
    events: list[Event] = []
    for number, refund in enumerate(refunds):
        back: list[tuple[str, int]] = []
        for line, refunded in _refunded(refund):
            units = min(refunded, put_back.get(line, 0))
            put_back[line] = put_back.get(line, 0) - units
            if line in skus:
                back.append((skus[line], units))
        if number >= before and (came_back := summed(back)):
            place, time = place_of(telling.account, None), telling.time(refund.date_created_gmt)
            events += returns(telling.account, f"refund:{refund.id}:return", time, place, came_back, order=order.id)
    return events


def _refunded(refund: _Refund) -> list[tuple[str, int]]:
    return [(str(line.meta("_refunded_item_id")), abs(whole(line.quantity))) for line in refund.line_items]
