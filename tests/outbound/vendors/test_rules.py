"""The vendors of the tests hold to their documents: what they would refuse is refused, and told twice counts once."""

from typing import Any

from tests.outbound.vendors.bigcommerce import ABSOLUTE, FIRST_VARIANT, ITEMS_MAX, BigCommerceStore
from tests.outbound.vendors.shopify import ShopifyShop
from tests.outbound.vendors.square import CHANGE, SquareShop
from tests.outbound.vendors.vendor import HandClock
from tests.outbound.vendors.woocommerce import WooCommerceShop

MUTATION = "mutation { inventorySetQuantities(input: $input) @idempotent(key: $key) { userErrors { code } } }"


def shopify_sets(shop: ShopifyShop, key: str, *quantities: tuple[str, int, int | None], query: str = MUTATION) -> Any:
    lines = [
        {
            "inventoryItemId": item,
            "locationId": f"gid://shopify/Location/{shop.location}",
            "quantity": quantity,
            "changeFromQuantity": known,
        }
        for item, quantity, known in quantities
    ]
    input = {"name": "available", "reason": "correction", "quantities": lines}
    said = shop.answer("POST", "/graphql.json", {}, {"query": query, "variables": {"input": input, "key": key}})
    if "errors" in said.body:
        return said.body["errors"][0]["extensions"]["code"]
    return [each["code"] for each in said.body["data"]["inventorySetQuantities"]["userErrors"]]


def test_shopify_compares_and_sets_all_or_nothing() -> None:
    shop = ShopifyShop({"BAG": 3, "SCARF": 4}, clock=HandClock())
    bag, scarf = shop.item("BAG"), shop.item("SCARF")

    assert shopify_sets(shop, "1", (bag, 1, 2), (scarf, 1, 4)) == ["CHANGE_FROM_QUANTITY_STALE"]
    assert shop.stock == {"BAG": 3, "SCARF": 4}
    assert shopify_sets(shop, "2", (bag, 1, 3), (scarf, 0, None)) == []
    assert shop.stock == {"BAG": 1, "SCARF": 0}
    assert shopify_sets(shop, "3", (bag, 1, None), (bag, 2, None)) == ["NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"]


def test_shopify_knows_its_keys() -> None:
    shop = ShopifyShop({"BAG": 3}, clock=HandClock())
    bag = shop.item("BAG")

    assert shopify_sets(shop, "1", (bag, 5, None)) == []
    shop.sell("BAG")
    assert shopify_sets(shop, "1", (bag, 5, None)) == []
    assert shop.stock == {"BAG": 4}
    assert shopify_sets(shop, "1", (bag, 6, None)) == ["IDEMPOTENCY_KEY_PARAMETER_MISMATCH"]
    assert shopify_sets(shop, "2", (bag, 6, 9)) == ["CHANGE_FROM_QUANTITY_STALE"]
    assert shopify_sets(shop, "2", (bag, 6, 9)) == ["IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"]
    assert shopify_sets(shop, "3", (bag, 6, 4), query=MUTATION.replace("@idempotent(key: $key)", "")) == "BAD_REQUEST"
    assert shop.stock == {"BAG": 4}


def test_shopify_counts_lists_and_points() -> None:
    clock = HandClock()
    shop = ShopifyShop({"BAG": 3}, per_second=5.0, burst=25.0, clock=clock)
    bag = shop.item("BAG")

    assert shopify_sets(shop, "1", *[(bag, 1, None)] * 251) == "MAX_INPUT_SIZE_EXCEEDED"
    assert shopify_sets(shop, "2", (bag, 1, None)) == []
    assert shopify_sets(shop, "3", (bag, 2, None)) == "THROTTLED"
    clock.wait(1.0)
    assert shopify_sets(shop, "3", (bag, 2, None)) == []


def square_counts(shop: SquareShop, key: str, at: str, quantity: Any, number: int = 1) -> Any:
    count = {"catalog_object_id": shop.variation("BAG"), "state": "IN_STOCK", "location_id": shop.location}
    change = {"type": "PHYSICAL_COUNT", "physical_count": {**count, "quantity": quantity, "occurred_at": at}}
    said = shop.answer("POST", CHANGE, {}, {"idempotency_key": key, "changes": [change] * number})
    return [each["code"] for each in said.body["errors"]]


def test_square_knows_its_keys_and_when_a_count_was_taken() -> None:
    clock = HandClock()
    shop = SquareShop({"BAG": 3}, clock=clock)

    assert square_counts(shop, "1", "2026-05-04T12:00:00Z", "5") == []
    clock.wait(10.0)
    shop.sell("BAG")
    assert square_counts(shop, "1", "2026-05-04T12:00:00Z", "5") == []
    assert shop.stock == {"BAG": 4}
    assert square_counts(shop, "1", "2026-05-04T12:00:00Z", "6") == ["IDEMPOTENCY_KEY_REUSED"]
    assert square_counts(shop, "2", "2026-05-04T12:00:05Z", "8") == []
    assert shop.stock == {"BAG": 7}
    assert square_counts(shop, "3", "2026-05-04T12:00:15Z", "8") == ["INVALID_TIME"]
    assert square_counts(shop, "3", "2026-05-02T12:00:15Z", "8") == ["INVALID_TIME"]
    assert square_counts(shop, "3", "2026-05-04T12:00:05Z", 8) == ["INVALID_VALUE"]
    assert square_counts(shop, "k" * 129, "2026-05-04T12:00:05Z", "8") == ["VALUE_TOO_LONG"]
    assert square_counts(shop, "4", "2026-05-04T12:00:05Z", "8", number=101) == ["ARRAY_LENGTH_TOO_LONG"]


def test_square_says_when_it_is_asked_too_often() -> None:
    clock = HandClock()
    shop = SquareShop({"BAG": 3}, per_second=1.0, burst=2.0, clock=clock)

    assert [shop.too_often() is None for _ in range(3)] == [True, True, False]
    clock.wait(1.0)
    assert shop.too_often() is None


def test_woocommerce_takes_each_by_itself_and_no_variation_as_a_product() -> None:
    shop = WooCommerceShop({"BAG-38": 3, "SCARF": 3}, parents={"BAG-38": "BAG"}, clock=HandClock())
    update = [{"id": shop.number(sku), "manage_stock": True, "stock_quantity": 1} for sku in shop.stock]
    said = shop.answer("POST", "/products/batch", {}, {"update": update})

    assert [each.get("error", {}).get("code") for each in said.body["update"]] == [
        "woocommerce_rest_product_invalid_id",
        None,
    ]
    assert shop.stock == {"BAG-38": 3, "SCARF": 1}
    assert shop.answer("POST", "/products/1/variations/batch", {}, {"update": update}).status == 404
    assert shop.answer("POST", "/orders/batch", {}, {"update": update}).body["code"] == "rest_no_route"


def test_bigcommerce_counts_requests_in_windows_and_items_in_a_request() -> None:
    clock = HandClock()
    shop = BigCommerceStore({"BAG": 3}, quota=2, clock=clock)

    assert [shop.too_often() is None for _ in range(3)] == [True, True, False]
    clock.wait(29.0)
    refused = shop.too_often()
    assert refused is not None
    assert refused.headers["x-rate-limit-requests-left"] == "0"
    assert refused.headers["x-rate-limit-time-reset-ms"] == "1001"
    clock.wait(1.0)
    assert shop.too_often() is None
    item = {"location_id": 1, "variant_id": FIRST_VARIANT, "quantity": 1}
    assert shop.answer("PUT", ABSOLUTE, {}, {"items": [item] * (ITEMS_MAX + 1)}).status == 422
    assert shop.answer("PUT", ABSOLUTE, {}, {"items": [item, {**item, "variant_id": 1}]}).status == 422
    assert shop.stock == {"BAG": 3}
    assert shop.answer("PUT", ABSOLUTE, {}, {"items": [item]}).status == 200
    assert shop.stock == {"BAG": 1}
