"""Square: counts as of a time, keys, pages, and clocks that disagree."""

from tests.outbound.vendors.driving import Driver
from tests.outbound.vendors.square import SquareShop
from tests.outbound.vendors.vendor import HandClock


async def test_a_try_that_was_done_already_does_not_overwrite_a_sale() -> None:
    clock = HandClock()
    async with SquareShop({"BAG": 3}, clock=clock) as shop:
        shop.drop(1, after=True, writes=True)
        driver = Driver("square", shop, clock)
        done = shop.answer

        def selling(*asked: object) -> object:
            said = done(*asked)  # type: ignore[arg-type]
            if len(shop.writes) == 1 and shop.stock["BAG"] == 5:
                shop.sell("BAG")
            return said

        shop.answer = selling  # type: ignore[assignment]
        await driver.show({"BAG": 5})

        assert [each.status for each in shop.writes] == [0, 200]
        assert shop.writes[0].body == shop.writes[1].body
        assert shop.stock == {"BAG": 4}


async def test_batches_are_at_most_a_hundred_and_pages_are_read_to_their_end() -> None:
    clock = HandClock()
    stock = {f"BAG-{number}": 3 for number in range(201)}
    async with SquareShop(stock, clock=clock) as shop:
        shop.page_size = 40
        await Driver("square", shop, clock).show(dict.fromkeys(stock, 1))

        assert [len(each.json["changes"]) for each in shop.writes] == [100, 100, 1]
        assert shop.stock == dict.fromkeys(stock, 1)


async def test_quantities_are_decimal_texts_and_keys_fit() -> None:
    clock = HandClock()
    async with SquareShop({"BAG": None}, clock=clock) as shop:
        await Driver("square", shop, clock).show({"BAG": 12})
        (write,) = shop.writes

        assert write.json["changes"][0]["physical_count"]["quantity"] == "12"
        assert write.json["changes"][0]["physical_count"]["occurred_at"] == "2026-05-04T12:00:00.000Z"
        assert len(write.json["idempotency_key"]) == 36
        assert write.json["ignore_unchanged_counts"] is True


async def test_a_clock_that_is_ahead_loses_no_offer() -> None:
    clock, ours = HandClock(), HandClock()
    ours.wait(5.0)
    async with SquareShop({"BAG": 3}, clock=clock) as shop:
        driver = Driver("square", shop, ours)
        wait = driver._wait

        def until_it_is_right(seconds: float) -> None:
            wait(seconds)
            clock.wait(2.5)

        driver._wait = until_it_is_right  # type: ignore[method-assign]
        await driver.show({"BAG": 1})

        assert driver.heard[0][1].outcome == "again"
        assert "INVALID_TIME" in driver.heard[0][1].why
        assert shop.stock == {"BAG": 1}


async def test_what_is_gone_is_absent_and_holds_up_no_other() -> None:
    clock = HandClock()
    async with SquareShop({"SCARF": 3, "BAG": 3}, clock=clock) as shop:
        driver = Driver("square", shop, clock)
        looked_up = shop.answer

        def deleting(*asked: object) -> object:
            said = looked_up(*asked)  # type: ignore[arg-type]
            if len(shop.requests) == 2:
                shop.stock.pop("BAG", None)
            return said

        shop.answer = deleting  # type: ignore[assignment]
        told = await driver.show({"SCARF": 1, "BAG": 1})

        assert {sku: each.outcome for sku, each in told.items()} == {"SCARF": "taken", "BAG": "absent"}
        assert shop.stock == {"SCARF": 1}
