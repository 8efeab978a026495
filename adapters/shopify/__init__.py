"""Shopify: web orders, sales at its own tills, refunds, fulfilments, levels and variants.

https://shopify.dev/docs/api/webhooks (topics), https://shopify.dev/docs/api/admin-rest (the payloads: REST resources)
Signature: `x-shopify-hmac-sha256`, base64 of HMAC-SHA256 over the body by the app's client secret. Neither a time nor
the topic is signed. `x-shopify-webhook-id` is the same over retries. Fetching: `api_url` is
`https://SHOP.myshopify.com/admin/api/VERSION`, the token goes into `x-shopify-access-token`.

| topic | says |
|---|---|
| orders/create, /updated, /paid, /edited, /fulfilled, /partially_fulfilled, /cancelled | an order as it stands |
| orders/delete | cancelled |
| refunds/create | units that were put back after they had left |
| fulfillments/create, /update | units of an order that left, or did not after all |
| inventory_levels/update, /connect, /disconnect | what Shopify has of an item at a location |
| inventory_items/create, /update, products/create, /update | names of SKUs |

An order of `source_name` pos with a location and nothing to ship is a sale of each of its lines, all others are orders.
Of a line are kept the units that left and those to be sent. Units put back are a `return` where they had left; of those
that had not, `no_restock` ones are gone for good (they leave the order as if sent), all others are free again.
Gift cards, tips and lines without a product are no stock. A delivery with `x-shopify-test: true` is a trial.

All from the documents; nothing was tried in a shop. Assumed: what is paid back without being put back had left first,
as far as any had; the header of a trial. Known gaps: an order of more than 100 SKUs; a fulfilment that fails after its
success; the same article again in an order of which everything was taken out before.
"""

from collections.abc import Callable, Mapping

import msgspec

from adapters.contract import Account, Adapter, Delivery, Level, Maturity, Need, Reading, Reply
from adapters.shopify.offering import ShopifyOffering
from adapters.shopify.orders import Telling, fulfilment_events, order_events, refund_events
from adapters.shopify.payloads import (
    Edited,
    FetchedOrder,
    Fulfilment,
    Item,
    LevelNow,
    Named,
    Order,
    Product,
    Refund,
)
from adapters.signatures import hmac_sha256, in_base64, is_one_of
from adapters.telling import (
    Unmapped,
    alias_of,
    cancelled,
    described,
    digest,
    place_of,
    said_by,
    segment,
    told,
    whole,
    word,
)

_order = msgspec.json.Decoder(Order).decode
_fetched = msgspec.json.Decoder(FetchedOrder).decode
_edited = msgspec.json.Decoder(Edited).decode
_named = msgspec.json.Decoder(Named).decode
_fulfilment = msgspec.json.Decoder(Fulfilment).decode
_refund = msgspec.json.Decoder(Refund).decode
_level = msgspec.json.Decoder(LevelNow).decode
_item = msgspec.json.Decoder(Item).decode
_product = msgspec.json.Decoder(Product).decode


def _changed_order(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    return Reading(events=tuple(order_events(telling, _order(delivery.body))))


def _edited_order(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    """An edit names lines, not SKUs."""
    if "order" in fetched:
        return Reading(events=tuple(order_events(telling, _fetched(fetched["order"]).order)))
    order = _edited(delivery.body).order_edit.order_id
    return Reading(needs=(Need(name="order", path=f"/orders/{segment(order)}.json"),))


def _deleted_order(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    return Reading(events=(cancelled(telling.account, _named(delivery.body).exact, telling.time()),))


def _new_refund(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    refund = _refund(delivery.body)
    if refund.order_id is None:
        raise Unmapped(f"Refund {refund.exact} names no order.")
    return Reading(events=tuple(refund_events(telling, refund, refund.order_id)))


def _changed_fulfilment(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    fulfilment = _fulfilment(delivery.body)
    if fulfilment.order_id is None:
        raise Unmapped(f"Fulfilment {fulfilment.exact} names no order.")
    return Reading(events=tuple(fulfilment_events(telling, fulfilment, fulfilment.order_id)))


def _changed_level(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    """One that is disconnected has no number and no time."""
    now = _level(delivery.body)
    alias = telling.alias("inventory_item", now.item)
    location = place_of(telling.account, now.location_id)
    available = None if now.available is None else whole(now.available)
    version = digest(now.updated_at or delivery.headers.get("x-shopify-webhook-id", ""), available)
    id = f"level:{now.item}:{now.location_id}:{version}"
    level = Level(sku=alias, location=location, available=available, time=telling.time(now.updated_at), id=id)
    return Reading(levels=(level,))


def _changed_item(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    item = _item(delivery.body)
    aliases = [alias_of(telling.account, "inventory_item", item.exact)]
    return Reading(descriptions=described({item.sku: aliases} if item.sku and item.sku.strip() else {}))


def _changed_product(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    names: dict[str, list[str]] = {}
    for variant in _product(delivery.body).variants:
        if not variant.sku or not variant.sku.strip():
            continue
        aliases = names.setdefault(variant.sku, [])
        aliases.append(alias_of(telling.account, "variant", variant.exact))
        if variant.inventory_item_id is not None:
            aliases.append(alias_of(telling.account, "inventory_item", variant.inventory_item_id))
    return Reading(descriptions=described(names))


_Reader = Callable[[Telling, Delivery, Mapping[str, bytes]], Reading]
_WHOLE_ORDER = ("create", "updated", "paid", "fulfilled", "partially_fulfilled", "cancelled")
TOPICS: dict[str, _Reader] = {
    **{f"orders/{happened}": _changed_order for happened in _WHOLE_ORDER},
    "orders/edited": _edited_order,
    "orders/delete": _deleted_order,
    "refunds/create": _new_refund,
    **dict.fromkeys(("fulfillments/create", "fulfillments/update"), _changed_fulfilment),
    **{f"inventory_levels/{happened}": _changed_level for happened in ("update", "connect", "disconnect")},
    **dict.fromkeys(("inventory_items/create", "inventory_items/update"), _changed_item),
    **dict.fromkeys(("products/create", "products/update"), _changed_product),
}


class Shopify(ShopifyOffering):
    """The adapter."""

    name = "shopify"
    documentation = "https://shopify.dev/docs/api/webhooks"
    maturity: Maturity = "recorded"
    topics = tuple(TOPICS)

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """Nobody looks before."""
        return None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """By the body alone."""
        expected = [in_base64(hmac_sha256(secret.encode(), delivery.body)) for secret in account.secrets if secret]
        given = delivery.headers.get("x-shopify-hmac-sha256", "")
        return None if is_one_of(given, expected) else "`x-shopify-hmac-sha256` is missing or wrong"

    def delivery_id(self, delivery: Delivery) -> str:
        """The same over retries."""
        return word(delivery.headers.get("x-shopify-webhook-id")) or said_by(delivery.body)

    def topic(self, delivery: Delivery) -> str:
        """As it was subscribed to."""
        return word(delivery.headers.get("x-shopify-topic"))

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """By its topic."""
        read = TOPICS.get(self.topic(delivery))
        if read is None or delivery.headers.get("x-shopify-test") == "true":
            return Reading()
        telling = Telling(account, delivery.received_at_ms, {})
        return told(lambda: read(telling, delivery, fetched), telling.aliases)

    def credentials(self, token: str) -> Mapping[str, str]:
        """An access token of the Admin API."""
        return {"x-shopify-access-token": token}


ADAPTER: Adapter = Shopify()
