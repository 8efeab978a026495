"""What BigCommerce answers when it is asked: orders that changed, and its levels.

https://developer.bigcommerce.com/docs/rest-management/orders (`GET /v2/orders`, 204 where there are none) and
https://developer.bigcommerce.com/docs/rest-management/inventory/items. Orders are asked for by their ids, so that none
is passed over when another is changed meanwhile; what each says is fetched, as after any delivery. Not documented:
whether a shipment or a refund moves the order's `date_modified`. Levels are those of the places that are mapped by
their ids.
"""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from adapters.contract import Account, Answer, Delivery, Need, Page, Question
from adapters.paging import Turn, in_utc, page_number, places_in
from adapters.telling import Id, Number, digest

ORDERS, LEVELS = "orders", "levels"
_PER_PAGE = 100
_PLACES_MAX = 10_000


class _Order(Struct):
    id: Id
    status_id: Id = 0
    date_modified: str | None = None


class _At(Struct):
    location_id: Id
    available_to_sell: Number | None = None


class _Identity(Struct):
    variant_id: Id | None = None


class _Item(Struct):
    identity: _Identity
    locations: tuple[_At, ...] = ()


class _Pagination(Struct):
    current_page: int = 1
    total_pages: int = 1


class _Meta(Struct):
    pagination: _Pagination = msgspec.field(default_factory=_Pagination)


class _Items(Struct):
    data: tuple[Raw, ...]
    meta: _Meta = msgspec.field(default_factory=_Meta)


_orders = msgspec.json.Decoder(tuple[_Order, ...]).decode
_items = msgspec.json.Decoder(_Items).decode
_item = msgspec.json.Decoder(_Item).decode


def need_of(question: Question, account: Account) -> Need | None:
    """Orders that were changed since, or what there is of all variants."""
    query = {"page": str(page_number(question.cursor)), "limit": str(_PER_PAGE)}
    if question.stream == LEVELS:
        has_places = bool(places_in(account, Turn(), _PLACES_MAX))
        return Need(name=LEVELS, path="/v3/inventory/items", query=query) if has_places else None
    since = in_utc(question.since_ms).replace("Z", "+00:00")
    return Need(name=ORDERS, path="/v2/orders", query={**query, "min_date_modified": since, "sort": "id:asc"})


def page_of(question: Question, account: Account, answer: Answer) -> Page:
    """A message about each of them; the order's id and when it was changed make it the same when it is told again.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    page = page_number(question.cursor)
    if question.stream == LEVELS:
        items = _items(answer.body)
        told = [each for raw in items.data for each in _levels(_item(raw), account)]
        has_more = bool(items.data) and page < items.meta.pagination.total_pages
    else:
        orders = _orders(answer.body or b"[]")
        told = [_changed(order) for order in orders]
        # Until a page is empty, since a store may give fewer to each than it was asked for.
        has_more = bool(orders)
    deliveries = tuple(Delivery(body=msgspec.json.encode(each), received_at_ms=question.now_ms) for each in told)
    return Page(deliveries=deliveries, cursor=str(page + 1) if has_more else "")


def _changed(order: _Order) -> dict[str, Any]:
    version = digest(order.id, order.status_id, order.date_modified)
    return {"scope": "store/order/updated", "hash": version, "data": {"type": "order", "id": order.id}}


def _levels(item: _Item, account: Account) -> list[dict[str, Any]]:
    variant, scope = item.identity.variant_id, "store/channel/*/inventory/product/stock_changed"
    return [
        {
            "scope": scope,
            "hash": digest(variant, at.location_id, at.available_to_sell),
            "data": {"variant_id": variant, "location_id": at.location_id, "available_to_sell": at.available_to_sell},
        }
        for at in item.locations
        # What has no variants is told by its deliveries alone.
        if variant and str(at.location_id) in account.locations
    ]
