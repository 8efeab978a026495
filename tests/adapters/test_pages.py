"""Where a vendor is asked, pages say the same as deliveries would, and none is left out."""

import msgspec
import pytest

from adapters.bigcommerce import BigCommerce
from adapters.contract import Account, Answer, Delivery, Need, Page, Polled, Question
from adapters.discovery import adapter_named, names
from adapters.kit import pages
from adapters.kit.pages import PAGE_CHECKS, PageCheck, PagedCase
from adapters.shopify import Shopify
from adapters.square import Square
from adapters.woocommerce import WooCommerce
from adapters.zettle import Zettle
from tests.adapters.cases import case_of, paged_case_of

NOW_MS = 1_777_896_000_000
ACCOUNT = Account("acc", locations={"1": "LON-KNB", "2": "DC-LYON", "*": "DC-LYON"})
ASKED = [name for name in names() if isinstance(adapter_named(name), Polled)]


def question(cursor: str = "", stream: str = "orders") -> Question:
    return Question(stream=stream, since_ms=NOW_MS, cursor=cursor, now_ms=NOW_MS)


def test_only_these_can_be_asked() -> None:
    assert ASKED == ["bigcommerce", "shopify", "square", "woocommerce", "zettle"]


@pytest.mark.parametrize("check", PAGE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ASKED)
def test_an_adapter_that_can_be_asked_keeps_its_promises(name: str, check: PageCheck) -> None:
    check(paged_case_of(name))


class Still(Shopify):
    def polled(self, question: Question, account: Account, answer: Answer) -> Page | None:
        page = super().polled(question, account, answer)
        return (
            None if page is None else msgspec.structs.replace(page, cursor=question.cursor or (page.cursor and "same"))
        )

    def poll(self, question: Question, account: Account) -> Need | None:
        return super().poll(msgspec.structs.replace(question, cursor=""), account)


class Restless(Shopify):
    def polled(self, question: Question, account: Account, answer: Answer) -> Page | None:
        page = super().polled(question, account, answer)
        if page is None:
            return None
        stamped = [
            msgspec.structs.replace(each, body=each.body + b" " * (question.now_ms % 7 + 1)) for each in page.deliveries
        ]
        return msgspec.structs.replace(page, deliveries=tuple(stamped))


class Timeless(Shopify):
    def poll(self, question: Question, account: Account) -> Need | None:
        return super().poll(msgspec.structs.replace(question, since_ms=0), account)


class Fragile(Shopify):
    def polled(self, question: Question, account: Account, answer: Answer) -> Page | None:
        assert answer.body.endswith(b"}")
        return super().polled(question, account, answer)


class Forgetful(Shopify):
    def polled(self, question: Question, account: Account, answer: Answer) -> Page | None:
        page = super().polled(question, account, answer)
        return None if page is None else msgspec.structs.replace(page, deliveries=page.deliveries[1:])


class Boastful(Shopify):
    streams = ("orders", "levels", "tips")


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Still, pages.the_cursor_goes_forward),
        (Restless, pages.a_page_told_again_is_the_same),
        (Timeless, pages.the_first_page_is_from_the_time_that_is_asked_for),
        (Fragile, pages.whatever_is_answered_nothing_is_raised),
        (Forgetful, pages.every_page_means_exactly_what_is_expected),
        (Boastful, pages.every_stream_was_tried),
    ],
)
def test_a_broken_promise_is_noticed(broken: type[Shopify], check: PageCheck) -> None:
    recorded = paged_case_of("shopify").pages
    check(PagedCase(Shopify(), recorded))
    with pytest.raises(AssertionError):
        check(PagedCase(broken(), recorded))


def test_an_order_on_a_page_says_what_its_delivery_would() -> None:
    for name, recorded in (("woocommerce", "order-updated"), ("shopify", "order-updated")):
        case, adapter = case_of(name), adapter_named(name)
        recording = next(each for each in case.recordings if each.name == recorded)
        body = recording.delivery.body
        page = b"[" + body + b"]" if name == "woocommerce" else b'{"orders":[' + body + b"]}"
        assert isinstance(adapter, Polled)
        found = adapter.polled(question(), recording.of_account, Answer(page))
        assert found is not None

        told = case.adapter.translate(found.deliveries[0], recording.of_account, {})

        assert [event.id for event in told.events] == [event.id for event in case.reading(recording).events]


def test_an_order_of_square_on_a_page_says_what_the_fetched_one_would() -> None:
    case = case_of("square")
    recording = next(each for each in case.recordings if each.name == "web-order")
    order = msgspec.json.decode(recording.answers["order"])["order"]
    page = Square().polled(question(), recording.of_account, Answer(msgspec.json.encode({"orders": [order]})))
    assert page is not None

    told = case.adapter.translate(page.deliveries[0], recording.of_account, {})

    assert told == case.reading(recording)


def test_a_purchase_on_a_page_says_what_its_delivery_would() -> None:
    case = case_of("zettle")
    recording = next(each for each in case.recordings if each.name == "purchase")
    purchase = msgspec.json.decode(msgspec.json.decode(recording.delivery.body)["payload"])
    purchase["purchaseUUID1"] = purchase.pop("purchaseUuid")
    purchase["purchaseUUID"] = "an16nO_YSpOw_0XVXSEndA"
    body = msgspec.json.encode({"purchases": [purchase], "lastPurchaseHash": "1614"})

    page = Zettle().polled(question(), ACCOUNT, Answer(body))
    assert page is not None

    told = case.adapter.translate(page.deliveries[0], recording.of_account, {})
    assert told == case.reading(recording)


def test_places_are_asked_some_at_a_time_where_the_vendor_limits_them() -> None:
    account = Account("acc", locations={f"L{number:02}": "LON-KNB" for number in range(23)})
    asked, cursor = list[int](), ""
    while True:
        need = Square().poll(question(cursor), account)
        assert need is not None
        assert need.body is not None
        asked.append(len(msgspec.json.decode(need.body)["location_ids"]))
        page = Square().polled(question(cursor), account, Answer(b"{}"))
        assert page is not None
        if not page.cursor:
            break
        cursor = page.cursor

    assert asked == [10, 10, 3]


@pytest.mark.parametrize(
    ("adapter", "stream"), [(Square(), "orders"), (Shopify(), "levels"), (BigCommerce(), "levels")]
)
def test_where_no_place_is_mapped_nothing_is_asked(adapter: Polled, stream: str) -> None:
    assert adapter.poll(question(stream=stream), Account("acc", locations={"*": "LON-KNB"})) is None


def test_a_shop_that_gives_fewer_to_a_page_is_asked_for_all_of_its_pages() -> None:
    answer = Answer(b'[{"id":1}]', {"x-wp-totalpages": "3"})
    page = WooCommerce().polled(question("any 2"), ACCOUNT, answer)
    assert page is not None
    assert page.cursor == "any 3"


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("body", [b"null", b"\xff", b"[1", b"{}x"])
def test_a_page_that_cannot_be_read_is_none(name: str, body: bytes) -> None:
    adapter = adapter_named(name)
    assert isinstance(adapter, Polled)
    assert adapter.polled(question(), ACCOUNT, Answer(body)) is None


@pytest.mark.parametrize("body", [b"webhook_id=142", b"webhook_id=1"])
def test_woocommerce_is_answered_when_it_tries_the_address(body: bytes) -> None:
    reply = WooCommerce().greet(Delivery(body=body), ACCOUNT)
    assert reply is not None
    assert reply.status == 200
    assert WooCommerce().greet(Delivery(body=body + b"&id=1"), ACCOUNT) is None
