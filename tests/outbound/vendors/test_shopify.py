"""Shopify: compare and swap, points, keys, and what only its shop knows."""

from tests.outbound.vendors.driving import Driver
from tests.outbound.vendors.shopify import ShopifyShop
from tests.outbound.vendors.vendor import HandClock


async def test_a_sale_in_between_is_not_overwritten() -> None:
    clock = HandClock()
    async with ShopifyShop({"BAG": 3, "SCARF": 8}, clock=clock) as shop:
        driver = Driver("shopify", shop, clock)
        shop.sell_before_next("BAG")
        await driver.show({"BAG": 1, "SCARF": 2})

        assert ("BAG", "stale") in [(sku, told.outcome) for sku, told in driver.heard]
        assert [each.json["variables"]["input"]["quantities"][0]["changeFromQuantity"] for each in shop.writes] == [
            3,
            8,
            2,
        ]
        assert shop.stock == {"BAG": 1, "SCARF": 2}


async def test_a_batch_is_at_most_250_and_says_what_each_is_changed_from() -> None:
    clock = HandClock()
    stock = {f"BAG-{number:03}": number % 5 for number in range(501)}
    async with ShopifyShop(stock, clock=clock, per_second=1_000, burst=20_000) as shop:
        await Driver("shopify", shop, clock).show(dict.fromkeys(stock, 9))
        lists = [each.json["variables"]["input"]["quantities"] for each in shop.writes]

        assert [len(each) for each in lists] == [250, 250, 1]
        assert [each["changeFromQuantity"] for each in lists[0]] == [number % 5 for number in range(250)]


async def test_what_is_not_tracked_is_set_without_comparing() -> None:
    clock = HandClock()
    async with ShopifyShop({"BAG": None}, clock=clock) as shop:
        await Driver("shopify", shop, clock).show({"BAG": 2})

        assert shop.writes[0].json["variables"]["input"]["quantities"][0]["changeFromQuantity"] is None
        assert shop.stock == {"BAG": 2}


async def test_what_is_not_stocked_at_the_location_is_absent() -> None:
    clock = HandClock()
    async with ShopifyShop({"BAG": 3, "SCARF": 3}, clock=clock) as shop:
        shop.not_stocked.add("BAG")
        told = await Driver("shopify", shop, clock).show({"BAG": 1, "SCARF": 1})

        assert {sku: each.outcome for sku, each in told.items()} == {"BAG": "absent", "SCARF": "taken"}


async def test_a_search_with_more_hits_than_a_page_is_read_to_its_end() -> None:
    clock = HandClock()
    stock = {**{f"BAG-{number}": 1 for number in range(130)}, "BAG": 3}
    async with ShopifyShop(stock, clock=clock) as shop:
        told = await Driver("shopify", shop, clock).show({"BAG": 2})

        assert told["BAG"].outcome == "taken"
        assert len(shop.requests) == 5
        assert shop.stock == {**stock, "BAG": 2}


async def test_the_points_that_are_left_are_told_as_the_shop_counts_them() -> None:
    clock = HandClock()
    async with ShopifyShop({"BAG": 3}, clock=clock, per_second=100.0, burst=300.0) as shop:
        driver = Driver("shopify", shop, clock)
        await driver.show({"BAG": 1})
        # Of 300, the look-up took 6 and the mutation 10.
        assert shop.points.left == 284

        shop.points.take(280)
        await driver.show({"BAG": 2})
        assert shop.stock == {"BAG": 2}


async def test_a_mutation_that_lacks_points_waits_until_there_are_as_many() -> None:
    clock = HandClock()
    async with ShopifyShop({"BAG": 3}, clock=clock, per_second=2.0, burst=242.0) as shop:
        # After the look-up, less than a mutation costs are left.
        found = shop.answer

        def spending(*asked: object) -> object:
            said = found(*asked)  # type: ignore[arg-type]
            if len(shop.requests) == 1:
                shop.points.take(shop.points.left - 4)
            return said

        shop.answer = spending  # type: ignore[assignment]
        await Driver("shopify", shop, clock).show({"BAG": 1})
        first, second = shop.writes

        assert b"THROTTLED" not in first.body
        assert second.at - first.at >= 3
        assert shop.stock == {"BAG": 1}


async def test_a_location_that_is_none_of_the_shop_loses_no_offer() -> None:
    clock = HandClock()
    async with ShopifyShop({"BAG": 3}, clock=clock) as shop:
        driver = Driver("shopify", shop, clock, location='1"}) { shop { id } } #')
        shop.sell_before_next("BAG", 0)
        wait = driver._wait

        def mended(seconds: float) -> None:
            wait(seconds)
            shop.location = '1"}) { shop { id } } #' if driver.heard else shop.location

        driver._wait = mended  # type: ignore[method-assign]
        await driver.show({"BAG": 1})

        assert driver.heard[0][1].outcome == "again"
        assert shop.stock == {"BAG": 1}
