"""BigCommerce: orders of one store, its parcels, what it has of its variants, and their SKUs.

https://developer.bigcommerce.com/docs/integrations/webhooks/events
Signature: as Standard Webhooks, but the key is the app's client secret as it stands. `webhook-id` is the same over
retries. A delivery only names things: all else is fetched. `api_url` is `https://api.bigcommerce.com/stores/HASH`, the
token goes into `x-auth-token`.

| topic | says |
|---|---|
| store/order/created, /updated, /statusUpdated, /refund/created | the order as it stands, with its shipments |
| store/shipment/created, /updated, /deleted | the order that it is of; a deleted one is set aside |
| store/product/inventory/*, store/sku/inventory/* | what the store has, where it says a number and not a difference |
| store/channel/*/inventory/product/stock_changed | what the store has at a location |
| store/product/created, /updated, store/sku/created, /updated | SKUs of the variants |

Statuses: incomplete and pending orders say nothing, cancelled and declined ones are cancelled, refunded ones where
nothing was shipped; all others are placed. Shipments are sent; in a shipped or completed order without them the rest
is, too. What was refunded counts as not sent yet, as far as anything was still to be sent. Whether refunded units are
put back is a setting of the store and not told: they come back by hand. Gift certificates and downloads are no stock.
The store sells from one place, `*`; without it the hub takes what was sent from where it keeps it.

All from the documents; nothing was tried in a store. Assumed: a retry states the time of the retry. Known gaps: more
than 250 products or shipments of an order; archived orders.
"""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct

from adapters.bigcommerce.offering import BigCommerceOffering
from adapters.bigcommerce.orders import Telling, order_reading
from adapters.contract import Account, Adapter, Delivery, Level, Maturity, Need, Reading, Reply
from adapters.one_delivery import readable
from adapters.signatures import refusal
from adapters.telling import (
    Id,
    Number,
    Unmapped,
    alias_of,
    described,
    digest,
    place_of,
    said_by,
    segment,
    told,
    whole,
    word,
)

_ABSOLUTE = "absolute"


class _Inventory(Struct):
    method: str
    value: Number
    variant_id: Id | None = None


class _OfSku(Struct):
    product_id: Id


class _Data(Struct):
    id: Id = 0
    # Of a shipment.
    order_id: Id | None = msgspec.field(default=None, name="orderId")
    inventory: _Inventory | None = None
    sku: _OfSku | None = None
    # Of a stock that changed.
    variant_id: Id | None = None
    location_id: Id | None = None


class _Message(Struct):
    scope: str = ""
    hash: str = ""
    created_at: int | None = None
    data: _Data = msgspec.field(default_factory=_Data)


class _Variant(Struct):
    id: Id
    product_id: Id
    sku: str | None = None


class _Variants(Struct):
    data: tuple[_Variant, ...] = ()


class _AtLocation(Struct):
    location_id: Id
    available_to_sell: Number | None = None


class _Identity(Struct):
    variant_id: Id


class _Item(Struct):
    identity: _Identity
    locations: tuple[_AtLocation, ...] = ()


class _Items(Struct):
    data: tuple[_Item, ...] = ()


_message = msgspec.json.Decoder(_Message).decode
_variants = msgspec.json.Decoder(_Variants).decode
_items = msgspec.json.Decoder(_Items).decode


def _order(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    return order_reading(telling, message.data.id, fetched)


def _shipment(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    if message.data.order_id is None:
        raise Unmapped(f"Shipment {message.data.id} names no order.")
    return order_reading(telling, message.data.order_id, fetched)


def _deleted_shipment(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    order = message.data.order_id
    raise Unmapped(f"Shipment {message.data.id} of order {order} was deleted: say by hand what did not leave.")


def _inventory(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    """Of a product without variants, or of a variant."""
    inventory, place = message.data.inventory, telling.account.place(None)
    if inventory is None or inventory.method != _ABSOLUTE or place is None:
        return Reading()
    kind, theirs = ("variant", inventory.variant_id) if inventory.variant_id else ("product", message.data.id)
    return Reading(levels=(_level(telling, message, telling.alias(kind, theirs), place, whole(inventory.value)),))


def _stock_changed(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    variant, location = message.data.variant_id, message.data.location_id
    if variant is None or location is None:
        raise Unmapped("It names no variant and location.")
    place = place_of(telling.account, location)
    if "inventory" not in fetched:
        query = {"variant_id:in": segment(variant)}
        return Reading(needs=(Need(name="inventory", path="/v3/inventory/items", query=query),))
    levels: list[Level] = []
    for item in [each for each in _items(fetched["inventory"]).data if str(each.identity.variant_id) == str(variant)]:
        for at in [each for each in item.locations if str(each.location_id) == str(location)]:
            available = None if at.available_to_sell is None else whole(at.available_to_sell)
            levels.append(_level(telling, message, telling.alias("variant", variant), place, available))
    return Reading(levels=tuple(levels))


def _level(telling: Telling, message: _Message, sku: str, place: str, available: int | None) -> Level:
    id = f"level:{digest(sku, message.hash, message.created_at, available)}"
    return Level(sku=sku, location=place, available=available, time=telling.at(message.created_at), id=id)


def _product(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    return _names(telling, message.data.id, fetched)


def _sku(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    return Reading() if message.data.sku is None else _names(telling, message.data.sku.product_id, fetched)


def _names(telling: Telling, product: Id, fetched: Mapping[str, bytes]) -> Reading:
    if "variants" not in fetched:
        path = f"/v3/catalog/products/{segment(product)}/variants"
        return Reading(needs=(Need(name="variants", path=path, query={"limit": "250"}),))
    variants = _variants(fetched["variants"]).data
    names: dict[str, list[str]] = {}
    for variant in [each for each in variants if each.sku]:
        aliases = names.setdefault(variant.sku or "", [])
        aliases.append(alias_of(telling.account, "variant", variant.id))
        if len(variants) == 1:
            aliases.append(alias_of(telling.account, "product", variant.product_id))
    return Reading(descriptions=described(names))


TOPICS: dict[str, Callable[[Telling, _Message, Mapping[str, bytes]], Reading]] = {
    **{f"store/order/{happened}": _order for happened in ("created", "updated", "statusUpdated", "refund/created")},
    **dict.fromkeys(("store/shipment/created", "store/shipment/updated"), _shipment),
    "store/shipment/deleted": _deleted_shipment,
    **{f"store/{of}/inventory/{why}updated": _inventory for of in ("product", "sku") for why in ("", "order/")},
    "store/channel/*/inventory/product/stock_changed": _stock_changed,
    **dict.fromkeys(("store/product/created", "store/product/updated"), _product),
    **dict.fromkeys(("store/sku/created", "store/sku/updated"), _sku),
}


class BigCommerce(BigCommerceOffering):
    """The adapter."""

    name = "bigcommerce"
    documentation = "https://developer.bigcommerce.com/docs/integrations/webhooks/events"
    maturity: Maturity = "recorded"
    topics = tuple(TOPICS)

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """Nobody looks before."""
        return None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """By id, time and body."""
        return refusal(delivery, [secret.encode() for secret in account.secrets])

    def delivery_id(self, delivery: Delivery) -> str:
        """The same over retries."""
        return word(delivery.headers.get("webhook-id")) or said_by(delivery.body)

    def topic(self, delivery: Delivery) -> str:
        """The scope."""
        message = readable(_message, delivery.body)
        return word(message.scope if message else "")

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """By its topic."""
        message, read = readable(_message, delivery.body), TOPICS.get(self.topic(delivery))
        if read is None or message is None:
            return Reading(unmapped="The body is no event of BigCommerce.") if message is None else Reading()
        telling = Telling(account, delivery.received_at_ms, {})
        return told(lambda: read(telling, message, fetched), telling.aliases)

    def credentials(self, token: str) -> Mapping[str, str]:
        """An access token of the store; the older resources answer in XML unless asked not to."""
        return {"x-auth-token": token, "accept": "application/json"}


ADAPTER: Adapter = BigCommerce()
