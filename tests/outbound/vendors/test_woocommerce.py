"""WooCommerce: products and variations, batches of a hundred, and each of a batch by itself."""

import msgspec

from adapters.contract import Account, Answer
from adapters.offering import Offer, Shelf
from adapters.woocommerce import WooCommerce
from tests.outbound.vendors.driving import Driver
from tests.outbound.vendors.vendor import HandClock
from tests.outbound.vendors.woocommerce import BATCH_MAX, WooCommerceShop


async def test_variations_are_told_by_their_product() -> None:
    clock = HandClock()
    parents = {"BAG-38": "BAG", "BAG-40": "BAG", "BELT-S": "BELT"}
    async with WooCommerceShop(dict.fromkeys([*parents, "SCARF"], 3), parents=parents, clock=clock) as shop:
        told = await Driver("woocommerce", shop, clock).show(dict.fromkeys([*parents, "SCARF"], 1))

        assert {each.outcome for each in told.values()} == {"taken"}
        assert shop.stock == dict.fromkeys([*parents, "SCARF"], 1)
        bag, belt = shop.number("BAG"), shop.number("BELT")
        assert {each.path for each in shop.writes} == {
            f"/products/{bag}/variations/batch",
            f"/products/{belt}/variations/batch",
            "/products/batch",
        }


async def test_a_batch_is_at_most_a_hundred() -> None:
    clock = HandClock()
    stock = {f"BAG-{number}": 3 for number in range(201)}
    async with WooCommerceShop(stock, clock=clock) as shop:
        await Driver("woocommerce", shop, clock).show(dict.fromkeys(stock, 1))

        assert [len(each.json["update"]) for each in shop.writes if each.status == 200] == [100, 100, 1]
        # And the shop would not take more.
        assert shop.answer("POST", "/products/batch", {}, {"update": [{}] * (BATCH_MAX + 1)}).status == 413


async def test_what_was_not_counted_is_counted_from_then_on() -> None:
    clock = HandClock()
    async with WooCommerceShop({"BAG": None}, clock=clock) as shop:
        await Driver("woocommerce", shop, clock).show({"BAG": 2})

        assert shop.stock == {"BAG": 2}


async def test_a_host_that_takes_fewer_at_once_is_told_one_by_one() -> None:
    clock = HandClock()
    async with WooCommerceShop({"BAG": 3, "SCARF": 3}, clock=clock) as shop:
        too_large = {
            "code": "woocommerce_rest_request_entity_too_large",
            "message": "Too many",
            "data": {"status": 413},
        }
        shop.fail(1, 413, too_large, writes=True)
        await Driver("woocommerce", shop, clock).show({"BAG": 1, "SCARF": 1})

        assert [len(each.json["update"]) for each in shop.writes] == [2, 1, 1]
        assert shop.stock == {"BAG": 1, "SCARF": 1}


def test_an_id_that_no_float_holds_comes_back_as_it_was() -> None:
    adapter, shelf = WooCommerce(), Shelf(Account("shop"))
    id = 99_999_999_999_999_999_999
    products = b'[{"id":%d,"sku":"BAG","manage_stock":true,"stock_quantity":3}]' % id
    needs = adapter.find(["BAG"], shelf)
    found = adapter.found(["BAG"], shelf, {needs[0].name: products})
    assert isinstance(found, dict)
    assert found["BAG"].id == str(id)

    (request,) = adapter.requests([Offer("BAG", found["BAG"].id, 1)], shelf, "key", 0)
    assert b'"id":%d,' % id in request.body
    heard = adapter.heard(request, Answer(b'{"update":[{"id":%d}]}' % id))
    assert heard.told[0].outcome == "taken"
    near = adapter.heard(request, Answer(msgspec.json.encode({"update": [{"id": str(id - 1)}]})))
    assert near.told[0].outcome == "again"
