"""What Square answers when it is asked: orders that changed, and its counts.

https://developer.squareup.com/reference/square/orders-api/search-orders (at most 10 locations; a filter by `updated_at`
must be sorted by it; a cursor goes with the same query),
https://developer.squareup.com/reference/square/inventory-api/batch-retrieve-inventory-counts. Only the places that the
file maps are asked. Refunds and payments need no stream of their own: what came back is in orders. How late the search
is with an order is not documented.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from adapters.contract import Account, Answer, Delivery, Need, Page, Question
from adapters.paging import after, in_utc, places_in, turn_of

ORDERS, LEVELS = "orders", "levels"
_ORDERS_PER_PAGE, _COUNTS_PER_PAGE = 100, 500
# The vendor's limit; that of the counts is larger.
_LOCATIONS_MAX = 10
_IN_STOCK = "IN_STOCK"


class _Orders(Struct):
    orders: tuple[Raw, ...] = ()
    cursor: str | None = None


class _Id(Struct):
    id: str


class _Counts(Struct):
    counts: tuple[Raw, ...] = ()
    cursor: str | None = None


_orders = msgspec.json.Decoder(_Orders).decode
_id = msgspec.json.Decoder(_Id).decode
_counts = msgspec.json.Decoder(_Counts).decode


def need_of(question: Question, account: Account) -> Need | None:
    """Orders that were changed since, the earliest change first; or what is in stock of all variations."""
    turn = turn_of(question.cursor)
    places = places_in(account, turn, _LOCATIONS_MAX)
    if not places:
        return None
    asked, path = _counts_asked(places), "/inventory/counts/batch-retrieve"
    if question.stream == ORDERS:
        asked, path = _orders_asked(places, question.since_ms), "/orders/search"
    if turn.cursor:
        asked["cursor"] = turn.cursor
    return Need(name=question.stream, path=path, body=msgspec.json.encode(asked))


def page_of(question: Question, account: Account, answer: Answer) -> Page:
    """Each order as a message that holds it whole, or each count as one that just changed.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    if question.stream == ORDERS:
        orders = _orders(answer.body)
        told, cursor = [_message("order.updated", _id(raw).id, {"order": raw}) for raw in orders.orders], orders.cursor
    else:
        counts = _counts(answer.body)
        told = [_message("inventory.count.updated", "", {"inventory_counts": [raw]}) for raw in counts.counts]
        cursor = counts.cursor
    deliveries = tuple(Delivery(body=body, received_at_ms=question.now_ms) for body in told)
    following = after(turn_of(question.cursor), cursor or "", account, _LOCATIONS_MAX)
    return Page(deliveries=deliveries, cursor=following)


def _orders_asked(places: Sequence[str], since_ms: int) -> dict[str, Any]:
    changed = {"date_time_filter": {"updated_at": {"start_at": in_utc(since_ms)}}}
    sort = {"sort_field": "UPDATED_AT", "sort_order": "ASC"}
    return {"location_ids": places, "query": {"filter": changed, "sort": sort}, "limit": _ORDERS_PER_PAGE}


def _counts_asked(places: Sequence[str]) -> dict[str, Any]:
    return {"location_ids": places, "states": [_IN_STOCK], "limit": _COUNTS_PER_PAGE}


def _message(type: str, id: str, object: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"type": type, "data": {"id": id, "object": object}})
