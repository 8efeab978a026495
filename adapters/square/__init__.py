"""Square: sales and returns at its tills, online orders, what it has of variations, and their SKUs.

https://developer.squareup.com/docs/webhooks/overview, https://developer.squareup.com/reference/square/orders-api
Signature: `x-square-hmacsha256-signature`, base64 of HMAC-SHA256 over the address as it was subscribed (`url`) and the
body. No time is signed. `event_id` is the same over retries. Fetching: `api_url` is `https://connect.squareup.com/v2`,
the token goes into `authorization`.

| topic | says |
|---|---|
| order.created, order.updated, order.fulfillment.updated | the order, which is fetched |
| payment.created, payment.updated, refund.created, refund.updated | the order that it names, which is fetched |
| inventory.count.updated | what Square has in stock of variations |
| catalog.version.updated | SKUs of the variations that changed, which are fetched |

An order without fulfilments is a sale at its location once it is completed. One with fulfilments is an order: placed
while it is no draft, sent as far as its fulfilments are completed, and what only cancelled or failed ones hold is free
again. Returned lines come back where the order that they are of was sold or sent, so that order is fetched, too.
Whether the seller put them back is not told, so they go where the source puts returns. Lines without a variation and
gift cards are no stock; articles are named by their variation.

All from the documents; nothing was tried in an account. Known gaps: several returns of one line of which only some were
sent; a catalogue change of more than four pages.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import ROUNDS_MAX, Account, Adapter, Delivery, Level, Maturity, Need, Reading, Reply
from adapters.one_delivery import readable
from adapters.signatures import hmac_sha256, in_base64, is_one_of
from adapters.square.offering import SquareOffering
from adapters.square.orders import Order, Telling, needed_source, order_events
from adapters.telling import Number, alias_of, described, digest, place_of, said_by, segment, told, whole, word

_IN_STOCK, _VARIATION = "IN_STOCK", "ITEM_VARIATION"


class _Data(Struct):
    id: str = ""
    object: dict[str, Any] = {}


class _Message(Struct):
    type: str = ""
    event_id: str = ""
    created_at: str | None = None
    data: _Data = msgspec.field(default_factory=_Data)


class _OfOrder(Struct):
    order_id: str | None = None


class _Version(Struct):
    updated_at: str | None = None


class _Count(Struct):
    catalog_object_id: str
    location_id: str
    state: str
    quantity: Number
    catalog_object_type: str = _VARIATION
    calculated_at: str | None = None


class _Fetched(Struct):
    order: Order


class _VariationData(Struct):
    sku: str | None = None


class _Object(Struct):
    id: str
    item_variation_data: _VariationData | None = None


class _Catalogue(Struct):
    objects: tuple[_Object, ...] = ()
    cursor: str | None = None


_message = msgspec.json.Decoder(_Message).decode
_fetched = msgspec.json.Decoder(_Fetched).decode
_catalogue = msgspec.json.Decoder(_Catalogue).decode


def _order(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    return _by_id(telling, message.data.id, fetched)


def _payment(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    return _by_id(telling, _order_id(message, "payment"), fetched)


def _refund(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    return _by_id(telling, _order_id(message, "refund"), fetched)


def _order_id(message: _Message, kind: str) -> str:
    """What a payment or refund is of; one may be of nothing."""
    return msgspec.convert(message.data.object.get(kind, {}), _OfOrder).order_id or ""


def _by_id(telling: Telling, id: str, fetched: Mapping[str, bytes]) -> Reading:
    """What an order says, and the one that its returned lines are of."""
    if not id:
        return Reading()
    if "order" not in fetched:
        return Reading(needs=(Need(name="order", path=f"/orders/{segment(id)}"),))
    order = _fetched(fetched["order"]).order
    source = needed_source(order)
    if source and "source" not in fetched:
        return Reading(needs=(Need(name="source", path=f"/orders/{segment(source)}"),))
    of = _fetched(fetched["source"]).order if source else None
    return Reading(events=tuple(order_events(telling, order, of)))


def _counts(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    counts = msgspec.convert(message.data.object.get("inventory_counts", ()), tuple[_Count, ...])
    levels: list[Level] = []
    for count in [each for each in counts if each.state == _IN_STOCK and each.catalog_object_type == _VARIATION]:
        available, theirs = whole(count.quantity), count.catalog_object_id
        id = f"level:{theirs}:{count.location_id}:{digest(count.calculated_at, available)}"
        time, place = (
            telling.time(count.calculated_at, message.created_at),
            place_of(telling.account, count.location_id),
        )
        levels.append(Level(sku=telling.variation(theirs), location=place, available=available, time=time, id=id))
    return Reading(levels=tuple(levels))


def _catalogue_change(telling: Telling, message: _Message, fetched: Mapping[str, bytes]) -> Reading:
    """Page by page: each names the next."""
    names: dict[str, list[str]] = {}
    version = msgspec.convert(message.data.object.get("catalog_version", {}), _Version)
    # Before the change that it tells of, in case that several are told by one.
    since = telling.time(version.updated_at, message.created_at) - timedelta(minutes=10)
    asked: dict[str, Any] = {"object_types": [_VARIATION], "begin_time": since.isoformat()}
    for page in range(1, ROUNDS_MAX):
        name = f"catalogue {page}"
        if name not in fetched:
            return Reading(needs=(Need(name=name, path="/catalog/search", body=msgspec.json.encode(asked)),))
        found = _catalogue(fetched[name])
        for each in found.objects:
            if each.item_variation_data and each.item_variation_data.sku:
                alias = alias_of(telling.account, "variation", each.id)
                names.setdefault(each.item_variation_data.sku, []).append(alias)
        if not found.cursor:
            break
        asked["cursor"] = found.cursor
    return Reading(descriptions=described(names))


_Reader = Callable[[Telling, _Message, Mapping[str, bytes]], Reading]
TOPICS: dict[str, _Reader] = {
    **dict.fromkeys(("order.created", "order.updated", "order.fulfillment.updated"), _order),
    **dict.fromkeys(("payment.created", "payment.updated"), _payment),
    **dict.fromkeys(("refund.created", "refund.updated"), _refund),
    "inventory.count.updated": _counts,
    "catalog.version.updated": _catalogue_change,
}


class Square(SquareOffering):
    """The adapter."""

    name = "square"
    documentation = "https://developer.squareup.com/docs/webhooks/overview"
    maturity: Maturity = "recorded"
    topics = tuple(TOPICS)

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """Nobody looks before: a trial is a delivery of its own topic."""
        return None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """By the address that Square was given, and the body."""
        if not account.url:
            return "the source has no `url`, which Square signs"
        url = account.url.encode()
        expected = [in_base64(hmac_sha256(secret.encode(), url, delivery.body)) for secret in account.secrets if secret]
        given = delivery.headers.get("x-square-hmacsha256-signature", "")
        return None if is_one_of(given, expected) else "`x-square-hmacsha256-signature` is missing or wrong"

    def delivery_id(self, delivery: Delivery) -> str:
        """The same over retries."""
        message = readable(_message, delivery.body)
        return word(message.event_id if message else "") or said_by(delivery.body)

    def topic(self, delivery: Delivery) -> str:
        """The type of the event."""
        message = readable(_message, delivery.body)
        return word(message.type if message else "")

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """By its topic."""
        message, read = readable(_message, delivery.body), TOPICS.get(self.topic(delivery))
        if read is None or message is None:
            return Reading(unmapped="The body is no event of Square.") if message is None else Reading()
        telling = Telling(account, delivery.received_at_ms, {})
        return told(lambda: read(telling, message, fetched), telling.aliases)

    def credentials(self, token: str) -> Mapping[str, str]:
        """An access token of the account."""
        return {"authorization": f"Bearer {token}"}


ADAPTER: Adapter = Square()
