"""What a pool shows arrives at every vendor, by its own rules, whatever goes wrong on the way."""

import asyncio
from collections.abc import Callable

import pytest

from adapters.kit.outbound import HOSTILE
from adapters.offering import Allowance
from tests.outbound.vendors.bigcommerce import BigCommerceStore
from tests.outbound.vendors.driving import Driver
from tests.outbound.vendors.shopify import ShopifyShop
from tests.outbound.vendors.square import SquareShop
from tests.outbound.vendors.vendor import HandClock, Vendor
from tests.outbound.vendors.woocommerce import WooCommerceShop

VENDORS: dict[str, Callable[..., Vendor]] = {
    "shopify": ShopifyShop,
    "square": SquareShop,
    "woocommerce": WooCommerceShop,
    "bigcommerce": BigCommerceStore,
}
ARTICLES = [f"BAG-{number:03}" for number in range(320)]
# No list of SKUs that are parted by commas can have one with a comma in it.
NAMES = {name: [each for each in HOSTILE if name != "bigcommerce" or "," not in each] for name in VENDORS}

pytestmark = pytest.mark.parametrize("name", VENDORS)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def test_a_shop_ends_with_what_was_offered(name: str, clock: HandClock) -> None:
    skus = [*ARTICLES, *NAMES[name]]
    pool = {sku: place % 7 for place, sku in enumerate(skus)}
    async with VENDORS[name](dict.fromkeys(skus, 3), clock=clock) as shop:
        told = await Driver(name, shop, clock).show(pool)

        assert {sku: each.outcome for sku, each in told.items()} == dict.fromkeys(pool, "taken")
        assert shop.stock == pool
        assert {each.status for each in shop.writes} <= {200, 429}


async def test_what_is_shown_already_is_not_told_again(name: str, clock: HandClock) -> None:
    async with VENDORS[name]({"BAG": 3, "SCARF": 4}, clock=clock) as shop:
        driver = Driver(name, shop, clock)
        await driver.show({"BAG": 1, "SCARF": 4})
        first = len(shop.writes)
        await driver.show({"BAG": 1, "SCARF": 4})

        assert first == 1
        assert len(shop.writes) == first
        assert shop.stock == {"BAG": 1, "SCARF": 4}


async def test_what_it_does_not_sell_is_absent_and_nothing_that_looks_like_it_is_told(
    name: str, clock: HandClock
) -> None:
    async with VENDORS[name]({"BAG-XL": 3, "bag": 4, "SCARF": 5}, clock=clock) as shop:
        told = await Driver(name, shop, clock).show({"BAG": 1, "SCARF": 2})

        assert {sku: each.outcome for sku, each in told.items()} == {"BAG": "absent", "SCARF": "taken"}
        assert shop.stock == {"BAG-XL": 3, "bag": 4, "SCARF": 2}


async def test_a_vendor_that_is_down_is_told_once_it_is_up(name: str, clock: HandClock) -> None:
    async with VENDORS[name]({"BAG": 3}, clock=clock) as shop:
        driver = Driver(name, shop, clock)
        shop.fail(3, 503, b"<html>maintenance</html>")
        shop.fail(2, 429, b"", {"retry-after": "11"})
        shop.drop(1)
        shop.fail(1, 200, b"<html>hello</html>")

        await driver.show({"BAG": 1})

        assert shop.stock == {"BAG": 1}


async def test_it_waits_as_long_as_it_is_asked_to(name: str, clock: HandClock) -> None:
    async with VENDORS[name]({"BAG": 3}, clock=clock) as shop:
        shop.fail(1, 429, b"", {"retry-after": "11"}, writes=True)
        await Driver(name, shop, clock).show({"BAG": 1})

        first, second = shop.writes
        assert [first.status, second.status] == [429, 200]
        assert second.at - first.at >= 11
        assert first.body == second.body


async def test_a_vendor_that_is_silent_is_waited_for(name: str, clock: HandClock) -> None:
    async with VENDORS[name]({"BAG": 3}, clock=clock) as shop:
        shop.be_silent()
        showing = asyncio.create_task(Driver(name, shop, clock).show({"BAG": 1}))
        await shop.asked.wait()
        assert not showing.done()
        assert [each.status for each in shop.requests] == [0]

        shop.speak()
        await showing
        assert shop.stock == {"BAG": 1}
        assert shop.requests[0].status == 200


async def test_small_limits_are_waited_for_and_kept(name: str, clock: HandClock) -> None:
    skus = ARTICLES[:150]
    limits = {
        "shopify": {"per_second": 50.0, "burst": 260.0},
        "square": {"per_second": 0.5, "burst": 2.0},
        "woocommerce": {"per_second": 0.5, "burst": 1.0},
        "bigcommerce": {"quota": 1, "window_seconds": 60.0},
    }
    async with VENDORS[name](dict.fromkeys(skus, 3), clock=clock, **limits[name]) as shop:
        # The hub's file says what the shop allows; all others answer for themselves that it was too often.
        allowance = Allowance(50.0, 250.0) if name == "shopify" else None
        driver = Driver(name, shop, clock, allowance=allowance)
        await driver.show(dict.fromkeys(skus, 2))

        assert shop.stock == dict.fromkeys(skus, 2)
        assert driver.waited_seconds > 0
        refused = {each.status for each in shop.requests} - {200}
        assert refused == (set() if name == "shopify" else {429})


async def test_one_that_cannot_be_set_holds_up_no_other(name: str, clock: HandClock) -> None:
    async with VENDORS[name](dict.fromkeys(ARTICLES[:20], 3), clock=clock) as shop:
        guarded = {"shopify": "bundles", "square": "uncountable", "woocommerce": "refused", "bigcommerce": "by_product"}
        getattr(shop, guarded[name]).add("BAG-007")
        told = await Driver(name, shop, clock).show(dict.fromkeys(ARTICLES[:20], 1))

        assert [sku for sku, each in told.items() if each.outcome != "taken"] == ["BAG-007"]
        assert told["BAG-007"].outcome == "refused"
        assert shop.stock == {sku: 3 if sku == "BAG-007" else 1 for sku in ARTICLES[:20]}


async def test_a_token_that_may_only_read_loses_no_offer(name: str, clock: HandClock) -> None:
    async with VENDORS[name]({"BAG": 3}, clock=clock) as shop:
        shop.may_write = False  # type: ignore[attr-defined]
        driver = Driver(name, shop, clock)
        wait = driver._wait

        def until_it_may(seconds: float) -> None:
            wait(seconds)
            shop.may_write = bool(driver.heard)  # type: ignore[attr-defined]

        driver._wait = until_it_may  # type: ignore[method-assign]
        await driver.show({"BAG": 1})

        (first, refusal), *_ = driver.heard
        assert (first, refusal.outcome) == ("BAG", "again")
        assert "rights" in refusal.why
        assert shop.stock == {"BAG": 1}


async def test_an_answer_that_was_lost_does_nothing_twice(name: str, clock: HandClock) -> None:
    async with VENDORS[name]({"BAG": 3}, clock=clock) as shop:
        shop.drop(2, after=True, writes=True)
        told = await Driver(name, shop, clock).show({"BAG": 1})

        assert told["BAG"].outcome == "taken"
        assert shop.stock == {"BAG": 1}
        assert [each.status for each in shop.writes] == [0, 0, 200]
        assert len({each.body for each in shop.writes}) == 1
