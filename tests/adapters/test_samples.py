"""The vendors' own samples and signatures, where they are at hand; they are not this project's to hand on."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.contract import Account, Delivery, Reading
from adapters.discovery import adapter_named

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "fixtures"
pytestmark = pytest.mark.skipif(not SAMPLES.exists(), reason="the vendors' samples are not at hand")

PLACES = ("*", "24826418", "YYQR03DGCTXA4", "fd4a39a0-e2ef-11e6-ba64-85247ae2a737")
ACCOUNT = Account("acc", pool="online", locations=dict.fromkeys(PLACES, "DC-LYON"))
NOW_MS = 1_795_000_000_000

# What each sample says: types of events, or what else it has.
SHOPIFY = {
    "checkouts_create": ("checkouts/create", []),
    "inventory_items_update": ("inventory_items/update", ["descriptions"]),
    "inventory_levels_disconnect": ("inventory_levels/disconnect", ["levels"]),
    "inventory_levels_update": ("inventory_levels/update", ["levels"]),
    # A trial order of the vendor's: cancelled as it is created.
    "orders_create": ("orders/create", ["order.placed", "order.changed", "order.cancelled"]),
    "orders_edited": ("orders/edited", ["needs"]),
    "products_update": ("products/update", ["descriptions"]),
    "refunds_create": ("refunds/create", []),
}
BY_BODY = {
    "bigcommerce/store_order_created": ["needs"],
    "bigcommerce/store_order_message_created": [],
    "bigcommerce/store_order_refund_created": ["needs"],
    # A hundred million pieces are more than the hub counts.
    "bigcommerce/store_product_inventory_updated": ["unmapped"],
    "bigcommerce/store_product_updated": ["needs"],
    "bigcommerce/store_shipment_created": ["needs"],
    "bigcommerce/store_shipment_deleted": ["unmapped"],
    "bigcommerce/store_sku_inventory_updated": ["levels"],
    "bigcommerce/store_sku_updated": ["needs"],
    "square/catalog_version_updated": ["needs"],
    "square/inventory_count_updated": ["levels"],
    "square/location_created": [],
    "square/order_created": ["needs"],
    "square/payment_updated": ["needs"],
    "square/refund_updated": ["needs"],
    "zettle/InventoryBalanceChanged": ["levels"],
    "zettle/InventoryTrackingStarted": [],
    # No variant of theirs has a SKU.
    "zettle/ProductCreated": [],
    "zettle/ProductUpdated": [],
}
WOOCOMMERCE = {
    "orders__retrieve_an_order": ("order.updated", ["order.placed", "order.changed"]),
    "products__retrieve_a_product": ("product.updated", ["levels"]),
}


def read(adapter: str, body: bytes, **headers: str) -> Reading:
    found = adapter_named(adapter)
    assert found is not None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return found.translate(Delivery(body=body, headers=named, received_at_ms=NOW_MS), ACCOUNT, {})


def said(reading: Reading) -> list[str]:
    """Types of its events and the names of whatever else it has."""
    fields = ("levels", "descriptions", "needs", "unmapped")
    types = [str(event.__struct_config__.tag) for event in reading.events]
    return types + [field for field in fields if getattr(reading, field)]


@pytest.mark.parametrize("name", SHOPIFY)
def test_a_sample_of_shopify_says_what_it_should(name: str) -> None:
    topic, expected = SHOPIFY[name]
    assert said(read("shopify", (SAMPLES / f"shopify/{name}.json").read_bytes(), x_shopify_topic=topic)) == expected


@pytest.mark.parametrize("name", WOOCOMMERCE)
def test_a_sample_of_woocommerce_says_what_it_should(name: str) -> None:
    topic, expected = WOOCOMMERCE[name]
    body = (SAMPLES / f"woocommerce/{name}.json").read_bytes()
    assert said(read("woocommerce", body, x_wc_webhook_topic=topic)) == expected


@pytest.mark.parametrize("name", BY_BODY)
def test_a_sample_that_names_its_topic_says_what_it_should(name: str) -> None:
    adapter = name.partition("/")[0]
    assert said(read(adapter, (SAMPLES / f"{name}.json").read_bytes())) == BY_BODY[name]


def test_the_trial_order_of_shopify_has_its_exact_id_though_somebody_rounded_it() -> None:
    body = (SAMPLES / "shopify/orders_create.json").read_bytes()

    reading = read("shopify", body, x_shopify_topic="orders/create")

    assert reading.events[0].id == "order:820982911946154508:placed"
    assert [(line.sku, line.quantity) for line in reading.events[0].lines or ()] == [("IPOD2008PINK", 2)]  # type: ignore[union-attr]


def vectors(vendor: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SAMPLES / "_signature_vectors.json").read_bytes())[vendor]
    return found


def test_the_published_signatures_of_standard_webhooks_are_right() -> None:
    adapter = adapter_named("standard_webhooks")
    assert adapter is not None
    for vector in vectors("standard_webhooks"):
        headers = {name: value for name, value in vector.items() if name.startswith("webhook-")}
        at_ms = int(vector["webhook-timestamp"]) * 1000
        delivery = Delivery(body=vector["body"].encode(), headers=headers, received_at_ms=at_ms)
        assert adapter.verify(delivery, Account("acc", secrets=(vector["secret"],))) is None
        spoilt = msgspec.structs.replace(delivery, body=b"{}")
        assert adapter.verify(spoilt, Account("acc", secrets=(vector["secret"],)))


def test_the_published_signatures_of_square_are_right() -> None:
    adapter = adapter_named("square")
    assert adapter is not None
    for vector in vectors("square"):
        header = "x-square-hmacsha256-signature"
        delivery = Delivery(body=vector["body"].encode(), headers={header: vector[header]})
        assert adapter.verify(delivery, Account("acc", secrets=(vector["key"],), url=vector["url"])) is None
        assert adapter.verify(delivery, Account("acc", secrets=(vector["key"],), url=vector["url"] + "/"))
