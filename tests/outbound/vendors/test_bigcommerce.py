"""BigCommerce: products and variants, what the store holds back, its quota, and numbers that show later."""

from tests.outbound.vendors.bigcommerce import ITEMS_MAX, BigCommerceStore
from tests.outbound.vendors.driving import Driver
from tests.outbound.vendors.vendor import HandClock


async def test_a_product_without_variants_is_told_by_its_own_id() -> None:
    clock = HandClock()
    async with BigCommerceStore({"BAG": 3, "SCARF": 3}, clock=clock) as shop:
        shop.products.add("SCARF")
        await Driver("bigcommerce", shop, clock).show({"BAG": 1, "SCARF": 2})
        (write,) = shop.writes

        assert [sorted(each) for each in write.json["items"]] == [
            ["location_id", "quantity", "variant_id"],
            ["location_id", "product_id", "quantity"],
        ]
        assert shop.stock == {"BAG": 1, "SCARF": 2}


async def test_what_the_store_holds_back_is_added_so_that_as_much_is_sold() -> None:
    clock = HandClock()
    async with BigCommerceStore({"BAG": 3}, clock=clock) as shop:
        shop.safety["BAG"] = 2
        await Driver("bigcommerce", shop, clock).show({"BAG": 5})

        assert shop.writes[0].json["items"][0]["quantity"] == 7
        assert shop.stock == {"BAG": 5}


async def test_the_quota_of_a_window_is_never_exceeded_twice() -> None:
    clock = HandClock()
    async with BigCommerceStore({"BAG": 9}, quota=3, clock=clock) as shop:
        driver = Driver("bigcommerce", shop, clock)
        for units in (1, 2, 3, 4):
            await driver.show({"BAG": units})

        assert shop.stock == {"BAG": 4}
        assert driver.waited_seconds >= 60


async def test_a_number_that_shows_later_is_told_again_without_harm() -> None:
    clock = HandClock()
    async with BigCommerceStore({"BAG": 9}, clock=clock) as shop:
        shop.is_slow = True
        driver = Driver("bigcommerce", shop, clock)
        await driver.show({"BAG": 1})
        assert shop.stock == {"BAG": 9}
        await driver.show({"BAG": 1})
        shop.settle()

        assert shop.stock == {"BAG": 1}


async def test_no_more_than_its_limit_is_told_at_once() -> None:
    clock = HandClock()
    stock = {f"BAG-{number}": 3 for number in range(600)}
    async with BigCommerceStore(stock, clock=clock) as shop:
        await Driver("bigcommerce", shop, clock).show(dict.fromkeys(stock, 1))

        assert sum(len(each.json["items"]) for each in shop.writes) == 600
        assert max(len(each.json["items"]) for each in shop.writes) <= ITEMS_MAX
        assert shop.stock == dict.fromkeys(stock, 1)
