"""Zettle (PayPal POS): sales and refunds at its tills, what it has of its variants, and their names.

https://github.com/iZettle/api-documentation/blob/master/pusher-api/concept/event-payloads.md
Signature: `x-izettle-signature`, hexadecimal HMAC-SHA256 over `timestamp.payload`, both as they stand in the body; the
name of the event is not signed, and retries over three days may carry an old time, so that is not looked at.
`messageUuid` is the same over retries. Fetching: `api_url` is `https://purchase.izettle.com`, the token goes into
`authorization`.

| topic | says |
|---|---|
| PurchaseCreated | a sale, or with negative quantities a return |
| InventoryBalanceChanged | what Zettle has of variants at the locations that the file maps |
| ProductCreated, ProductUpdated | names of SKUs |

A purchase never changes, and a refund is a purchase of its own. It is sold from `fromLocationUuid` and comes back to
`toLocationUuid`, or where the file maps only the other one, there; a purchase without either is at `*`. Levels are only
of locations that are mapped by their own id, since Zettle also counts what was sold, binned and supplied as places.
Lines without SKU and variant (typed amounts) and gift cards are no stock. Quantities are decimal texts.

Asked: `GET /purchases/v2` by `startDate` (UTC, to the minute) and then by `lastPurchaseHash`; see
https://github.com/iZettle/api-documentation/blob/master/purchase.adoc. Its levels cannot be asked for there.

All from the documents; nothing was tried at a till. Not documented: to which place a refund goes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from adapters.contract import Account, Adapter, Answer, Delivery, Level, Maturity, Need, Page, Question, Reading, Reply
from adapters.one_delivery import Telling, readable, unread
from adapters.paging import in_utc, paged
from adapters.signatures import hmac_sha256, is_one_of, with_headers
from adapters.telling import (
    Number,
    Unmapped,
    alias_of,
    described,
    digest,
    instant,
    place_of,
    returns,
    said_by,
    sales,
    summed,
    told,
    whole,
    word,
)
from protocol.events import Event

_SIGNATURE = "x-izettle-signature"
_GIFT_CARD = "GIFTCARD"
_PURCHASES, _PURCHASES_PER_PAGE = "orders", 100


class _Message(Struct, rename="camel"):
    event_name: str = ""
    message_uuid: str = ""
    timestamp: str = ""
    # JSON in a text, as it was signed.
    payload: str = ""


class _Sold(Struct, rename="camel"):
    quantity: Number = 0
    sku: str | None = None
    variant_uuid: str | None = None
    type: str | None = None
    from_location_uuid: str | None = None
    to_location_uuid: str | None = None


class _Purchase(Struct, rename="camel"):
    # The same in a delivery and on a page.
    purchase_uuid: str | None = None
    purchase_uuid_1: str | None = msgspec.field(default=None, name="purchaseUUID1")
    created: str | None = None
    # Milliseconds in a delivery, a text on a page.
    timestamp: int | str | None = None
    products: tuple[_Sold, ...] = ()


class _Balance(Struct, rename="camel"):
    location_uuid: str
    variant_uuid: str
    balance: Number
    created: str | None = None


class _Balances(Struct, rename="camel"):
    balance_after: tuple[_Balance, ...] = ()


class _Variant(Struct, rename="camel"):
    uuid: str
    sku: str | None = None


class _Product(Struct, rename="camel"):
    variants: tuple[_Variant, ...] = ()


class _Updated(Struct, rename="camel"):
    new_entity: _Product


class _Purchases(Struct, rename="camel"):
    purchases: tuple[msgspec.Raw, ...] = ()
    last_purchase_hash: str | None = None


_message = msgspec.json.Decoder(_Message).decode
_purchase = msgspec.json.Decoder(_Purchase).decode
_balances = msgspec.json.Decoder(_Balances).decode
_product = msgspec.json.Decoder(_Product).decode
_updated = msgspec.json.Decoder(_Updated).decode
_purchases = msgspec.json.Decoder(_Purchases).decode


def _new_purchase(telling: Telling, payload: str) -> Reading:
    purchase = _purchase(payload)
    # On a page the one without number is another, deprecated id.
    id = purchase.purchase_uuid_1 or purchase.purchase_uuid
    if not id:
        raise Unmapped("The purchase has no id.")
    stated = purchase.timestamp if isinstance(purchase.timestamp, str) else None
    otherwise_ms = purchase.timestamp if isinstance(purchase.timestamp, int) else telling.received_at_ms
    time = instant(purchase.created or stated, otherwise_ms)
    moved: dict[tuple[str, tuple[str | None, ...]], list[tuple[str, int]]] = {}
    for line in [each for each in purchase.products if (each.sku or each.variant_uuid) and each.type != _GIFT_CARD]:
        units, sku = whole(line.quantity), line.sku or telling.alias("variant", line.variant_uuid or "")
        here, there = line.from_location_uuid, line.to_location_uuid
        key = ("sale", (here,)) if units > 0 else ("return", (there, here))
        moved.setdefault(key, []).append((sku, abs(units)))
    events: list[Event] = []
    for (kind, theirs), lines in moved.items():
        book = sales if kind == "sale" else returns
        # By their place, not ours: told again after the file was mended it is the same.
        event_id = f"purchase:{id}:{kind}:{next((each for each in theirs if each), '*')}"
        events += book(telling.account, event_id, time, _place(telling, *theirs), summed(lines))
    return Reading(events=tuple(events))


def _place(telling: Telling, *theirs: str | None) -> str:
    """The first of theirs that is mapped by itself, else what is mapped for all."""
    named = [each for each in theirs if each in telling.account.locations]
    return place_of(telling.account, named[0] if named else next((each for each in theirs if each), None))


def _changed_balance(telling: Telling, payload: str) -> Reading:
    levels: list[Level] = []
    for balance in _balances(payload).balance_after:
        location = telling.account.locations.get(balance.location_uuid)
        if location is None:
            continue
        available = whole(balance.balance)
        id = f"level:{balance.variant_uuid}:{balance.location_uuid}:{digest(balance.created, available)}"
        time, sku = instant(balance.created, telling.received_at_ms), telling.alias("variant", balance.variant_uuid)
        levels.append(Level(sku=sku, location=location, available=available, time=time, id=id))
    return Reading(levels=tuple(levels))


def _new_product(telling: Telling, payload: str) -> Reading:
    return _names(telling, _product(payload))


def _changed_product(telling: Telling, payload: str) -> Reading:
    return _names(telling, _updated(payload).new_entity)


def _names(telling: Telling, product: _Product) -> Reading:
    names: dict[str, list[str]] = {}
    for variant in product.variants:
        if variant.sku:
            names.setdefault(variant.sku, []).append(alias_of(telling.account, "variant", variant.uuid))
    return Reading(descriptions=described(names))


TOPICS: dict[str, Callable[[Telling, str], Reading]] = {
    "PurchaseCreated": _new_purchase,
    "InventoryBalanceChanged": _changed_balance,
    "ProductCreated": _new_product,
    "ProductUpdated": _changed_product,
}


def _signature(secret: str, message: _Message) -> str:
    signed = f"{message.timestamp}.{message.payload}".encode(errors="surrogatepass")
    return hmac_sha256(secret.encode(), signed).hex()


class Zettle:
    """The adapter."""

    name = "zettle"
    documentation = "https://github.com/iZettle/api-documentation/blob/master/pusher-api/overview.md"
    maturity: Maturity = "recorded"
    topics = tuple(TOPICS)
    streams = (_PURCHASES,)
    # It does, but tries again over three days under the old one.
    signs_time = False

    def greet(self, delivery: Delivery, account: Account) -> Reply | None:
        """Nobody looks before: a trial is a delivery of its own topic."""
        return None

    def verify(self, delivery: Delivery, account: Account) -> str | None:
        """By the time and the payload as it stands in the body."""
        message = readable(_message, delivery.body)
        if message is None or not message.timestamp or not message.payload:
            return "the body has no `timestamp` and `payload`"
        expected = [_signature(secret, message) for secret in account.secrets if secret]
        given = delivery.headers.get(_SIGNATURE, "")
        return None if is_one_of(given, expected) else f"`{_SIGNATURE}` is missing or wrong"

    def sign(self, delivery: Delivery, account: Account) -> Delivery:
        """By what the body says of its time and payload; a body that is no message is signed as an empty one."""
        message = readable(_message, delivery.body) or _Message()
        return with_headers(delivery, {_SIGNATURE: _signature(account.secrets[0], message)})

    def delivery_id(self, delivery: Delivery) -> str:
        """The same over retries."""
        message = readable(_message, delivery.body)
        return word(message.message_uuid if message else "") or said_by(delivery.body)

    def topic(self, delivery: Delivery) -> str:
        """The name of the event."""
        message = readable(_message, delivery.body)
        return word(message.event_name if message else "")

    def translate(self, delivery: Delivery, account: Account, fetched: Mapping[str, bytes]) -> Reading:
        """By its topic."""
        message, read = readable(_message, delivery.body), TOPICS.get(self.topic(delivery))
        if read is None or message is None:
            return unread(_message, delivery.body) if message is None else Reading()
        telling = Telling(account, delivery.received_at_ms, {})
        return told(lambda: read(telling, message.payload), telling.aliases)

    def credentials(self, token: str) -> Mapping[str, str]:
        """An access token of the Purchase API."""
        return {"authorization": f"Bearer {token}"}

    def poll(self, question: Question, account: Account) -> Need | None:
        """Purchases from a time on, or behind the last one of the page before."""
        query = (
            {"lastPurchaseHash": question.cursor} if question.cursor else {"startDate": in_utc(question.since_ms)[:16]}
        )
        return Need(name=_PURCHASES, path="/purchases/v2", query={**query, "limit": str(_PURCHASES_PER_PAGE)})

    def polled(self, question: Question, account: Account, answer: Answer) -> Page | None:
        """Each purchase as if it had just been made."""
        return paged(lambda: _page_of(question, answer))


def _page_of(question: Question, answer: Answer) -> Page:
    page = _purchases(answer.body)
    messages: list[Any] = [{"eventName": "PurchaseCreated", "payload": bytes(raw).decode()} for raw in page.purchases]
    deliveries = [Delivery(body=msgspec.json.encode(each), received_at_ms=question.now_ms) for each in messages]
    has_more = bool(page.purchases) and page.last_purchase_hash != question.cursor
    return Page(deliveries=tuple(deliveries), cursor=(page.last_purchase_hash or "") if has_more else "")


ADAPTER: Adapter = Zettle()
