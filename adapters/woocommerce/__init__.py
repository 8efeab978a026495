"""WooCommerce: orders of one WordPress shop, its refunds, and what it has of its products.

https://woocommerce.github.io/woocommerce-rest-api-docs/ (payloads: the REST resources of version 3)
Signature: `x-wc-webhook-signature`, base64 of HMAC-SHA256 over the body by the webhook's secret; no time is signed.
When a webhook is saved, its address is tried with the form `webhook_id=…`, unsigned. A webhook that fails five times
is switched off and nothing is sent again, hence the pages. Fetching: `api_url` is `https://SHOP/wp-json/wc/v3`, the
token is `ck_…:cs_…`.

| topic | says |
|---|---|
| order.created, order.updated, order.restored | the order as it stands, by its status |
| order.deleted | cancelled |
| product.created, product.updated, product.restored | names of the SKU, and what the shop has of it |

Statuses: `on-hold`, `processing` and `completed` orders are placed; `completed` ones were sent; `cancelled` and `trash`
ones are cancelled, `refunded` ones where they were not completed. All others, also those of plugins, say nothing, since
the shop keeps no stock for them. What was refunded before the completion is free again. After it, units come back as
far as the line's `_restock_refunded_items` says: that is from WooCommerce's source, its documents do not tell.
The shop names no places: `*` is where it sends from, gets back, and what its stock is compared with. Without it the hub
takes what was sent from where it keeps it, compares nothing, and sets returns aside.

All from the documents; nothing was tried in a shop. Known gaps: a cancelled order that is opened again stays cancelled;
units of a completed order that is cancelled do not come back; refunds beyond the first 100 of an order.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from adapters.contract import Account, Adapter, Delivery, Level, Maturity, Need, Page, Reading, Reply
from adapters.signatures import TOLERANCE_SECONDS, hmac_sha256, in_base64, is_one_of
from adapters.telling import Id, Number, alias_of, cancelled, described, digest, said_by, told, whole, word
from adapters.woocommerce.offering import WooCommerceOffering
from adapters.woocommerce.orders import Telling, order_reading

# Products that are one article; the others only group some.
_ARTICLES = ("simple", "variation")
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")
_ORDERS_PER_PAGE = 100


class _Product(Struct):
    id: Id
    type: str = "simple"
    sku: str | None = None
    date_modified_gmt: str | None = None
    # `parent` of a variation that shares its product's stock.
    manage_stock: bool | str = False
    stock_quantity: Number | None = None


class _Deleted(Struct):
    id: Id


_product = msgspec.json.Decoder(_Product).decode
_deleted = msgspec.json.Decoder(_Deleted).decode
_orders = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _changed_order(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    return order_reading(telling, delivery.body, fetched)


def _deleted_order(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    return Reading(events=(cancelled(telling.account, _deleted(delivery.body).id, telling.time()),))


def _changed_product(telling: Telling, delivery: Delivery, fetched: Mapping[str, bytes]) -> Reading:
    product = _product(delivery.body)
    if product.type not in _ARTICLES:
        return Reading()
    kind = "variation" if product.type == "variation" else "product"
    alias, sku = alias_of(telling.account, kind, product.id), (product.sku or "").strip() and product.sku
    descriptions = described({sku: [alias]} if sku else {})
    place = telling.account.place(None)
    if place is None:
        return Reading(descriptions=descriptions)
    is_counted = product.manage_stock is True and product.stock_quantity is not None
    available = whole(product.stock_quantity or 0) if is_counted else None
    version = digest(product.date_modified_gmt, available)
    time = telling.time(product.date_modified_gmt)
    if not sku:
        telling.aliases[alias] = None
    id = f"level:{product.id}:{version}"
    level = Level(sku=sku or alias, location=place, available=available, time=time, id=id)
    return Reading(levels=(level,), descriptions=descriptions)


_Reader = Callable[[Telling, Delivery, Mapping[str, bytes]], Reading]
TOPICS: dict[str, _Reader] = {
    **{f"order.{happened}": _changed_order for happened in ("created", "updated", "restored")},
    "order.deleted": _deleted_order,
    **{f"product.{happened}": _changed_product for happened in ("created", "updated", "restored")},
}


class WooCommerce(WooCommerceOffering):
    """The adapter."""

    name = "woocommerce"
    documentation = "https://woocommerce.github.io/woocommerce-rest-api-docs/"
    maturity: Maturity = "recorded"
    topics = tuple(TOPICS)

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """A webhook that was just saved."""
        return Reply() if _PING.fullmatch(delivery.body) else None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """By the body alone."""
        expected = [in_base64(hmac_sha256(secret.encode(), delivery.body)) for secret in account.secrets if secret]
        given = delivery.headers.get("x-wc-webhook-signature", "")
        return None if is_one_of(given, expected) else "`x-wc-webhook-signature` is missing or wrong"

    def delivery_id(self, delivery: Delivery) -> str:
        """Of this delivery only: one that somebody sends again by hand has another."""
        return word(delivery.headers.get("x-wc-webhook-delivery-id")) or said_by(delivery.body)

    def topic(self, delivery: Delivery) -> str:
        """Resource and event."""
        return word(delivery.headers.get("x-wc-webhook-topic"))

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """By its topic."""
        read = TOPICS.get(self.topic(delivery))
        if read is None:
            return Reading()
        telling = Telling(account, delivery.received_at_ms, {})
        return told(lambda: read(telling, delivery, fetched), telling.aliases)

    def credentials(self, token: str) -> Mapping[str, str]:
        """Consumer key and secret."""
        return {"authorization": f"Basic {in_base64(token.encode())}"}

    def poll(self, cursor: str, now_ms: int, account: Account) -> Need:
        """Orders that were modified since, by their ids, so that none is passed over when another is modified."""
        since, _, page = _cursor(cursor, now_ms)
        query = {"modified_after": since, "dates_are_gmt": "true", "orderby": "id", "order": "asc", "page": str(page)}
        return Need(name="orders", path="/orders", query={**query, "per_page": str(_ORDERS_PER_PAGE)})

    def polled(self, body: bytes, cursor: str, now_ms: int) -> Page | None:
        """Each order as if it had just been updated."""
        try:
            orders = _orders(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        since, begun, page = _cursor(cursor, now_ms)
        topic = {"x-wc-webhook-topic": "order.updated"}
        deliveries = tuple(
            Delivery(body=bytes(raw), headers=topic, received_at_ms=now_ms) for raw in orders[:_ORDERS_PER_PAGE]
        )
        is_last = len(orders) < _ORDERS_PER_PAGE
        return Page(deliveries=deliveries, cursor=begun if is_last else f"{since} {begun} {page + 1}", is_last=is_last)


def _cursor(cursor: str, now_ms: int) -> tuple[str, str, int]:
    """Since when orders are asked for, since when they will be after the last page, and the page."""
    since, _, rest = cursor.partition(" ")
    begun, _, page = rest.partition(" ")
    # Both clocks, and what it takes to fetch a page.
    now = datetime.fromtimestamp(now_ms // 1000, UTC) - timedelta(seconds=TOLERANCE_SECONDS)
    asked = now.replace(tzinfo=None).isoformat()
    return since or asked, begun or asked, int(page) if page.isdigit() else 1


ADAPTER: Adapter = WooCommerce()
