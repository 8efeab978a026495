"""What BigCommerce's orders and shipments say, in the hub's words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from adapters import one_delivery
from adapters.contract import Need, Reading
from adapters.telling import (
    Id,
    Number,
    Units,
    Unmapped,
    cancelled,
    fulfilments,
    placed_and_set,
    segment,
    summed,
    taken_out,
    units_of,
)
from protocol.events import Event

# Ids of statuses: the customer is not through; nothing will be sent; paid back; all of it was sent.
_NOT_YET, _CANCELLED, _REFUNDED, _SENT = (0, 1), (5, 6), 4, (2, 10)
_PHYSICAL = "physical"


class _Order(Struct):
    id: Id
    status_id: int
    # As in e-mails: `Mon, 04 May 2026 12:00:00 +0000`.
    date_created: str | None = None
    date_modified: str | None = None


class _Product(Struct):
    id: Id
    quantity: Number
    quantity_refunded: Number = 0
    product_id: Id = 0
    variant_id: Id | None = None
    sku: str | None = None
    type: str = _PHYSICAL


class _Shipped(Struct):
    order_product_id: Id
    quantity: Number


class _Shipment(Struct):
    id: Id
    date_created: str | None = None
    items: tuple[_Shipped, ...] = ()


class Telling(one_delivery.Telling):
    """One delivery of BigCommerce while it is told."""

    def at(self, seconds: int | None) -> datetime:
        """A time in seconds, else when it arrived."""
        return datetime.fromtimestamp(self.received_at_ms / 1000 if seconds is None else seconds, UTC)

    def time(self, *texts: str | None) -> datetime:
        """The first of the times that there is, else when it arrived."""
        text = one_delivery.first_of(*texts)
        if text is None:
            return self.at(None)
        try:
            return parsedate_to_datetime(text).astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            raise Unmapped(f"`{text[:40]}` is no time.") from None

    def sku(self, product: _Product) -> str:
        """What was ordered, by its SKU or its variant."""
        if product.sku and product.sku.strip():
            return product.sku
        if product.variant_id:
            return self.alias("variant", product.variant_id)
        return self.alias("product", product.product_id)


_order = msgspec.json.Decoder(_Order).decode
_products = msgspec.json.Decoder(tuple[_Product, ...]).decode
_shipments = msgspec.json.Decoder(tuple[_Shipment, ...]).decode


def order_reading(telling: Telling, id: Id, fetched: Mapping[str, bytes]) -> Reading:
    """Everything that an order says once it is fetched, also what was told before."""
    path, query = f"/v2/orders/{segment(id)}", {"limit": "250"}
    needs = (
        Need(name="order", path=path),
        Need(name="products", path=f"{path}/products", query=query),
        Need(name="shipments", path=f"{path}/shipments", query=query),
    )
    missing = tuple(need for need in needs if need.name not in fetched)
    if missing:
        return Reading(needs=missing)
    order = _order(fetched["order"])
    # The older resources answer nothing at all where there is none.
    products, shipments = _products(fetched["products"] or b"[]"), _shipments(fetched["shipments"] or b"[]")
    return Reading(events=tuple(_order_events(telling, order, products, shipments)))


def _order_events(
    telling: Telling, order: _Order, products: tuple[_Product, ...], shipments: tuple[_Shipment, ...]
) -> list[Event]:
    account, status = telling.account, order.status_id
    created, updated = telling.time(order.date_created, order.date_modified), telling.time(order.date_modified)
    if status in _NOT_YET:
        return []
    if status in _CANCELLED or (status == _REFUNDED and not shipments):
        return [cancelled(account, order.id, updated)]
    stock = {str(each.id): each for each in products if each.type == _PHYSICAL}
    sent = summed((str(item.order_product_id), units_of(item.quantity)) for each in shipments for item in each.items)
    to_send = {of: _to_send(product, sent.get(of, 0)) for of, product in stock.items()}
    units = summed((telling.sku(product), sent.get(of, 0) + to_send[of]) for of, product in stock.items())
    events = placed_and_set(account, order.id, created, updated, units)
    for shipment in shipments:
        left = _by_sku(telling, stock, {str(item.order_product_id): units_of(item.quantity) for item in shipment.items})
        time = telling.time(shipment.date_created)
        events += fulfilments(account, order.id, f"shipment:{shipment.id}", time, account.place(None), left)
    if status in _SENT:
        rest = _by_sku(telling, stock, to_send)
        events += fulfilments(account, order.id, f"order:{order.id}:completed", updated, account.place(None), rest)
    if not units:
        for of, product in stock.items():
            all_of_it = summed([(telling.sku(product), units_of(product.quantity))])
            events += taken_out(account, order.id, of, updated, all_of_it)
    return events


def _to_send(product: _Product, sent: int) -> int:
    return max(0, units_of(product.quantity) - sent - units_of(product.quantity_refunded))


def _by_sku(telling: Telling, stock: Mapping[str, _Product], units: Units) -> Units:
    return summed((telling.sku(stock[of]), number) for of, number in units.items() if of in stock)
