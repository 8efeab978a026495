"""What WooCommerce answers when it is asked: orders that changed, those in the trash too, and its products' levels.

https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-orders, #list-all-products, #pagination
(`x-wp-totalpages`). Orders are asked for by their ids, so that none is passed over when another is changed meanwhile.
`any` leaves out what is in the trash, so that is asked for after it. Only products are listed: levels of variations are
told by deliveries alone. Not documented: whether a refund moves the order's `date_modified`.
"""

import msgspec
from msgspec import Raw

from adapters.contract import Account, Answer, Delivery, Need, Page, Question
from adapters.paging import in_utc, page_number

ORDERS, LEVELS = "orders", "levels"
PER_PAGE = 100
_TRASH = "trash"

_items = msgspec.json.Decoder(list[Raw]).decode


def need_of(question: Question, account: Account) -> Need | None:
    """Orders that were changed since, or all products where the file says at which place they are."""
    status, page = _where(question.cursor)
    query = {"orderby": "id", "order": "asc", "page": str(page), "per_page": str(PER_PAGE)}
    if question.stream == LEVELS:
        return Need(name=LEVELS, path="/products", query=query) if account.place(None) else None
    since = {"modified_after": in_utc(question.since_ms)[:-1], "dates_are_gmt": "true"}
    return Need(name=ORDERS, path="/orders", query={**query, **since, "status": status})


def page_of(question: Question, answer: Answer) -> Page:
    """Each of them as if it had just been updated.

    Raises:
        msgspec.MsgspecError: it cannot be read.
    """
    items, topic = _items(answer.body), "product.updated" if question.stream == LEVELS else "order.updated"
    headers, now_ms = {"x-wc-webhook-topic": topic}, question.now_ms
    deliveries = tuple(Delivery(body=bytes(raw), headers=headers, received_at_ms=now_ms) for raw in items)
    status, page = _where(question.cursor)
    pages = answer.headers.get("x-wp-totalpages", "")
    # A shop may give fewer to a page than it was asked for, and then says how many pages there are.
    has_more = page < page_number(pages) if pages else len(items) >= PER_PAGE
    if has_more:
        return Page(deliveries=deliveries, cursor=f"{status} {page + 1}")
    is_over = question.stream == LEVELS or status == _TRASH
    return Page(deliveries=deliveries, cursor="" if is_over else f"{_TRASH} 1")


def _where(cursor: str) -> tuple[str, int]:
    status, _, page = cursor.partition(" ")
    return (_TRASH if status == _TRASH else "any"), page_number(page)
