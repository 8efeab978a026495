"""What a pool has is told to a vendor's shop: the newest number, sold-out first, and never what it has already."""

from tests.intake.door import HOUSE, line
from tests.outbound.conftest import OpenTown, Town
from tests.outbound.vendor import Gate, Vendor, selling, tables


async def test_what_arrives_is_told_less_what_is_kept_back(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor, keep_back=2)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 10)))
        # Of the other nobody told the hub anything, so the shop keeps its number.
        await vendor.shows(BAG_NOIR=8, BAG_ROUGE=7)
        await town.send(town.receipt(line("BAG-ROUGE", 1)))

        await vendor.shows(BAG_NOIR=8, BAG_ROUGE=0)


async def test_of_a_thousand_quick_sales_only_the_newest_numbers_are_told(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 1_500)))
        await vendor.shows(BAG_NOIR=1_500)
        gate = Gate()
        vendor.whims = [gate]
        await town.send(town.sale(line("BAG-NOIR", 1)))
        # The vendor takes its time over that one.
        await gate.is_reached()

        for _ in range(10):
            reply = await town.send([town.sale(line("BAG-NOIR", 1)) for _ in range(100)])
            assert {each["status"] for each in reply.json()} == {"applied"}
        gate.open()
        await vendor.shows(BAG_NOIR=499)

    assert vendor.told == [("BAG-NOIR", 1_500), ("BAG-NOIR", 1_499), ("BAG-NOIR", 499)]


async def test_a_restart_tells_nothing_again_that_the_vendor_has(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send([town.receipt(line("BAG-NOIR", 5)), town.receipt(line("BAG-ROUGE", 3))])
        await vendor.shows(BAG_NOIR=5, BAG_ROUGE=3)
    asked, told = len(vendor.found), list(vendor.told)

    async with open_town(tables(vendor)) as town:
        await town.send(town.sale(line("BAG-ROUGE", 1)))
        await vendor.shows(BAG_ROUGE=2)

    assert vendor.told == [*told, ("BAG-ROUGE", 2)]
    assert len(vendor.found) == asked


async def test_what_was_sold_while_the_hub_told_nobody_is_told_at_its_start(
    open_town: OpenTown, vendor: Vendor
) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send([town.receipt(line("BAG-NOIR", 5)), town.receipt(line("BAG-ROUGE", 3))])
        await vendor.shows(BAG_NOIR=5, BAG_ROUGE=3)
    async with open_town("") as town:
        await town.send(town.sale(line("BAG-NOIR", 5)))

    async with open_town(tables(vendor)):
        await vendor.shows(BAG_NOIR=0, BAG_ROUGE=3)


async def test_what_sold_out_overtakes_everything_else(open_town: OpenTown) -> None:
    skus = [f"BAG-{number}" for number in range(40)]
    async with selling(**dict.fromkeys(skus, 1)) as vendor, open_town(tables(vendor)) as town:
        await town.send([town.receipt(line(sku, 5)) for sku in skus])
        await vendor.has(lambda seen: set(seen.stock.values()) == {5})
        gate, known = Gate(), len(vendor.told)
        vendor.whims = [gate]
        await town.send(town.receipt(line(skus[0], 1)))
        await gate.is_reached()

        # More than one request holds, and last of all what sells out and what comes to be low.
        await town.send([town.receipt(line(sku, 1)) for sku in skus[1:38]])
        await town.send([town.sale(line(skus[38], 5)), town.sale(line(skus[39], 5))])
        gate.open()
        await vendor.has(lambda seen: len(seen.told) == known + 40)

    assert vendor.told[known] == (skus[0], 6)
    assert set(vendor.told[known + 1 : known + 3]) == {(skus[38], 0), (skus[39], 0)}


async def test_what_the_vendor_does_not_sell_is_asked_for_once(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("NOWHERE", 5)))
        await vendor.has(lambda seen: ["NOWHERE"] in seen.found)
        await town.send([town.sale(line("NOWHERE", 1)), town.receipt(line("BAG-NOIR", 1))])
        await vendor.shows(BAG_NOIR=1)

    assert vendor.found.count(["NOWHERE"]) == 1
    assert vendor.told == [("BAG-NOIR", 1)]


async def test_another_shop_under_the_same_name_is_asked_and_told_all(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor)) as town, selling(BAG_NOIR=9) as another:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)

        town.write(tables(another))
        await town.reload()

        await another.shows(BAG_NOIR=5)


async def name(town: Town, **aliases: list[str]) -> None:
    """Say what else these are called."""
    said = [{"sku": sku.replace("_", "-"), "aliases": names} for sku, names in aliases.items()]
    reply = await town.ask("PUT", "/v1/skus", body=said, token=town.token(["admin"]))
    assert reply.status == 200, reply.body


async def test_what_the_vendor_calls_by_another_name_of_ours_is_told_by_that(open_town: OpenTown) -> None:
    stock: dict[str, int | None] = {"B/NOIR": 0, "B/ROUGE": 7, "B/RED": 7, "BAG-VERT": 0, "B/VERT": 7}
    async with selling() as vendor:
        vendor.stock = stock
        async with open_town(tables(vendor)) as town:
            await name(town, BAG_NOIR=["B/NOIR", "bazaar:stall:7"], BAG_ROUGE=["B/ROUGE", "B/RED"], BAG_VERT=["B/VERT"])
            await town.send([town.receipt(line(sku, 5)) for sku in ("BAG-NOIR", "BAG-ROUGE", "BAG-VERT")])
            await vendor.has(lambda seen: len(seen.told) == 2)

            # What two articles share is of neither; our own name goes before others.
            assert stock == {"B/NOIR": 5, "B/ROUGE": 7, "B/RED": 7, "BAG-VERT": 5, "B/VERT": 7}
            await town.send(town.sale(line("B/NOIR", 2)))
            await vendor.has(lambda seen: seen.stock["B/NOIR"] == 3)
            assert (await town.channel())["channel"]["absent"] == 1
    asked = [name for names in vendor.found for name in names]
    assert "bazaar:stall:7" not in asked
    assert len(asked) == len(set(asked))


async def test_names_that_do_not_fit_into_one_question_are_asked_for_by_and_by(open_town: OpenTown) -> None:
    skus = {f"BAG-{number}": [f"B/{number}/{name}" for name in range(6)] for number in range(4)}
    async with selling() as vendor:
        vendor.stock = dict.fromkeys((names[5] for names in skus.values()), 0)
        async with open_town(tables(vendor)) as town:
            await name(town, **skus)
            await town.send([town.receipt(line(sku, 5)) for sku in skus])
            await vendor.has(lambda seen: set(seen.stock.values()) == {5})
    # As many as one question of this vendor holds.
    assert max(map(len, vendor.found)) <= 10


async def test_another_house_is_told(open_town: OpenTown, vendor: Vendor) -> None:
    async with open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)

        rule = 'rule = [{ pool = "store", sku = "BAG-NOIR", buffer = 2 }, '
        town.write(tables(vendor), house=HOUSE.replace("rule = [", rule))
        await town.reload()
        await vendor.shows(BAG_NOIR=3)
        town.write(tables(vendor, keep_back=3))
        await town.reload()
        await vendor.shows(BAG_NOIR=2)


async def test_a_vendor_that_does_not_say_what_it_has_is_told_nevertheless(open_town: OpenTown) -> None:
    async with selling(BAG_NOIR=None) as vendor, open_town(tables(vendor)) as town:
        await town.send(town.receipt(line("BAG-NOIR", 5)))
        await vendor.shows(BAG_NOIR=5)
