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


def test_only_these_can_be_asked() -> None:
    assert [name for name in names() if isinstance(adapter_named(name), Polled)] == ["woocommerce", "zettle"]


def test_the_first_page_is_from_now_on() -> None:
    need = WooCommerce().poll("", NOW_MS, ACCOUNT)
    # Less what the clocks may differ by.
    assert (need.query["modified_after"], need.query["page"]) == ("2026-05-04T11:55:00", "1")
    assert Zettle().poll("", NOW_MS, ACCOUNT).query["startDate"] == "2026-05-04T12:00"


def test_after_the_last_page_it_goes_on_from_when_the_first_was_asked_for() -> None:
    shop, cursor, asked, now_ms = WooCommerce(), "2026-05-04T09:00:00", list[tuple[str, str]](), NOW_MS
    for orders in (100, 100, 3, 0):
        query = shop.poll(cursor, now_ms, ACCOUNT).query
        asked.append((query["modified_after"], query["page"]))
        page = shop.polled(msgspec.json.encode([{"id": each} for each in range(orders)]), cursor, now_ms)
        assert page is not None
        assert (len(page.deliveries), page.is_last) == (orders, orders < 100)
        cursor, now_ms = page.cursor, now_ms + 60_000

    assert asked == [
        ("2026-05-04T09:00:00", "1"),
        ("2026-05-04T09:00:00", "2"),
        ("2026-05-04T09:00:00", "3"),
        ("2026-05-04T11:55:00", "1"),
    ]
    assert cursor == "2026-05-04T11:58:00"


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
@pytest.mark.parametrize("body", [b"", b"null", b"\xff", b"[1", b"{}x"])
def test_a_page_that_cannot_be_read_is_none(adapter: Polled, body: bytes) -> None:
    assert adapter.polled(body, "", NOW_MS) is None


@pytest.mark.parametrize("body", [b"webhook_id=142", b"webhook_id=1"])
def test_woocommerce_is_answered_when_it_tries_the_address(body: bytes) -> None:
    reply = WooCommerce().greet(Delivery(body=body), ACCOUNT)
    assert reply is not None
    assert reply.status == 200
    assert WooCommerce().greet(Delivery(body=body + b"&id=1"), ACCOUNT) is None
