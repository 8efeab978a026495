"""What Shopify answers when it is asked: orders that changed, with their refunds and fulfilments, and its levels.

https://shopify.dev/docs/api/admin-rest/latest/resources/order (`GET /orders.json`), …/inventorylevel
(`GET /inventory_levels.json`, at most 50 locations), https://shopify.dev/docs/api/admin-rest/usage/pagination (`link`).
A later page is asked for by `page_info`, and `limit` and `fields` beside it, nothing else. An order's `updated_at` also
moves with its refunds and fulfilments; that is how the documents use it, and was not tried. Orders of the last 60 days
are told unless the app has `read_all_orders`. An order that was deleted is not told any more.
"""

import msgspec
from msgspec import Raw, Struct

from adapters.contract import Account, Answer, Delivery, Need, Page, Question
from adapters.paging import after, in_utc, next_in_link, places_in, turn_of

ORDERS, LEVELS = "orders", "levels"
_ORDERS_PER_PAGE, _LEVELS_PER_PAGE = "50", "250"
# The vendor's limit.
_LOCATIONS_MAX = 50
# All that is read of an order, so that a page of long ones stays small.
_FIELDS = (
    "id,admin_graphql_api_id,created_at,updated_at,cancelled_at,source_name,location_id,line_items,shipping_lines,"
    "fulfillments,refunds,test"
)


class _Orders(Struct):
    orders: tuple[Raw, ...]


class _Order(Struct):
    test: bool | None = False


class _Levels(Struct):
    inventory_levels: tuple[Raw, ...]


_orders = msgspec.json.Decoder(_Orders).decode
_order = msgspec.json.Decoder(_Order).decode
_levels = msgspec.json.Decoder(_Levels).decode


def orders_need(question: Question) -> Need:
    """Orders that were changed since, the earliest change first."""
    query = {"limit": _ORDERS_PER_PAGE, "fields": _FIELDS}
    if question.cursor:
        query["page_info"] = question.cursor
    else:
        query |= {"status": "any", "order": "updated_at asc", "updated_at_min": in_utc(question.since_ms)}
    return Need(name=ORDERS, path="/orders.json", query=query)


def orders_page(question: Question, answer: Answer) -> Page:
    """Each order as if it had just been updated; one of a trial as a trial.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    deliveries: list[Delivery] = []
    for raw in _orders(answer.body).orders:
        headers = {"x-shopify-topic": "orders/updated"}
        if _order(raw).test:
            headers["x-shopify-test"] = "true"
        deliveries.append(Delivery(body=bytes(raw), headers=headers, received_at_ms=question.now_ms))
    return Page(deliveries=tuple(deliveries), cursor=next_in_link(answer, "page_info"))


def levels_need(question: Question, account: Account) -> Need | None:
    """The levels of all items at the places that are mapped."""
    turn = turn_of(question.cursor)
    places = places_in(account, turn, _LOCATIONS_MAX)
    if not places:
        return None
    which = {"page_info": turn.cursor} if turn.cursor else {"location_ids": ",".join(places)}
    return Need(name=LEVELS, path="/inventory_levels.json", query={**which, "limit": _LEVELS_PER_PAGE})


def levels_page(question: Question, account: Account, answer: Answer) -> Page:
    """Each level as if it had just changed.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    headers, now_ms = {"x-shopify-topic": "inventory_levels/update"}, question.now_ms
    found = _levels(answer.body).inventory_levels
    deliveries = tuple(Delivery(body=bytes(raw), headers=headers, received_at_ms=now_ms) for raw in found)
    cursor = after(turn_of(question.cursor), next_in_link(answer, "page_info"), account, _LOCATIONS_MAX)
    return Page(deliveries=deliveries, cursor=cursor)
