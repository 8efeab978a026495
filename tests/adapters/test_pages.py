"""Where a vendor sends nothing, pages say the same as deliveries would, and none is left out."""

import msgspec
import pytest

from adapters.contract import Account, Delivery, Polled
from adapters.discovery import adapter_named, names
from adapters.woocommerce import WooCommerce
from adapters.zettle import Zettle
from tests.adapters.cases import case_of

NOW_MS = 1_777_896_000_000
ACCOUNT = Account("acc")


def orders(*modified: str) -> bytes:
    return msgspec.json.encode([{"id": number, "date_modified_gmt": time} for number, time in enumerate(modified)])


def second(number: int) -> str:
    return f"2026-05-04T12:{number // 60:02}:{number % 60:02}"


def test_only_these_can_be_asked() -> None:
    assert [name for name in names() if isinstance(adapter_named(name), Polled)] == ["woocommerce", "zettle"]


def test_the_first_page_is_from_now_on() -> None:
    need = WooCommerce().poll("", NOW_MS, ACCOUNT)
    assert (need.query["modified_after"], need.query["page"]) == ("2026-05-04T12:00:00", "1")
    assert Zettle().poll("", NOW_MS, ACCOUNT).query["startDate"] == "2026-05-04T12:00"


def test_the_last_second_of_a_page_is_asked_for_again() -> None:
    page = WooCommerce().polled(orders(second(1), second(9)), "", NOW_MS)
    assert page is not None
    assert page.is_last
    assert WooCommerce().poll(page.cursor, NOW_MS, ACCOUNT).query["modified_after"] == second(8)


def test_a_second_of_more_orders_than_a_page_is_read_page_by_page() -> None:
    shop, cursor, asked = WooCommerce(), "2026-05-04T12:00:04 1", []
    for _ in range(3):
        page = shop.polled(orders(*[second(5)] * 100), cursor, NOW_MS)
        assert page is not None
        assert not page.is_last
        cursor = page.cursor
        query = shop.poll(cursor, NOW_MS, ACCOUNT).query
        asked.append((query["modified_after"], query["page"]))
    assert asked == [(second(4), "2"), (second(4), "3"), (second(4), "4")]


def test_a_page_of_nothing_leaves_the_cursor() -> None:
    page = WooCommerce().polled(b"[]", "2026-05-04T12:00:04 1", NOW_MS)
    assert page is not None
    assert (page.cursor, page.is_last) == ("2026-05-04T12:00:04 1", True)


def test_an_order_on_a_page_says_what_its_delivery_would() -> None:
    case = case_of("woocommerce")
    recording = next(each for each in case.recordings if each.name == "order-updated")
    page = WooCommerce().polled(b"[" + recording.delivery.body + b"]", "", NOW_MS)
    assert page is not None

    told = case.adapter.translate(page.deliveries[0], recording.of_account, {})

    assert [event.id for event in told.events] == [event.id for event in case.reading(recording).events]


def test_a_purchase_on_a_page_says_what_its_delivery_would() -> None:
    case = case_of("zettle")
    recording = next(each for each in case.recordings if each.name == "purchase")
    purchase = msgspec.json.decode(msgspec.json.decode(recording.delivery.body)["payload"])
    purchase["purchaseUUID1"] = purchase.pop("purchaseUuid")
    purchase["purchaseUUID"] = "an16nO_YSpOw_0XVXSEndA"
    body = msgspec.json.encode({"purchases": [purchase], "lastPurchaseHash": "1614"})

    page = Zettle().polled(body, "", NOW_MS)
    assert page is not None

    told = case.adapter.translate(page.deliveries[0], recording.of_account, {})
    assert told == case.reading(recording)
    assert Zettle().poll(page.cursor, NOW_MS, ACCOUNT).query["lastPurchaseHash"] == "1614"


@pytest.mark.parametrize("adapter", [WooCommerce(), Zettle()])
@pytest.mark.parametrize("body", [b"", b"null", b"\xff", b"[1]", b"{}x", b'[{"date_modified_gmt": "soon"}]'])
def test_a_page_that_cannot_be_read_is_none(adapter: Polled, body: bytes) -> None:
    assert adapter.polled(body, "", NOW_MS) is None


@pytest.mark.parametrize("body", [b"webhook_id=142", b"webhook_id=1"])
def test_woocommerce_is_answered_when_it_tries_the_address(body: bytes) -> None:
    reply = WooCommerce().greet(Delivery(body=body), ACCOUNT)
    assert reply is not None
    assert reply.status == 200
    assert WooCommerce().greet(Delivery(body=body + b"&id=1"), ACCOUNT) is None
