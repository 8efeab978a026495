"""Stories of a house, from the till to the screen."""

import asyncio

from tests.flow.screen import screen
from tests.intake.door import Door, line


async def test_a_sale_at_a_till_is_on_the_storefronts_screen(door: Door) -> None:
    await door.send(door.receipt(line("SCARF", 3)))
    async with screen(door.live) as page:
        [before] = await page.subscribe("online", "SCARF")

        reply = await door.send(door.sale(line("SCARF", 1)))

        update = await page.sees("SCARF")
    assert (before["available"], update["available"], update["status"]) == (3, 2, "low_stock")
    assert update["rev"] == before["rev"] + 1
    [told] = [item for item in reply.json()["availability"] if item["pool"] == "online"]
    assert told == update


async def test_the_last_bag_vanishes_from_every_pool_and_place_at_once(door: Door) -> None:
    async with screen(door.live, door.till) as shop, screen(door.live) as page, screen(door.live, door.till) as vip:
        for watching, pool in ((shop, "store"), (page, "online"), (vip, "vip")):
            await watching.subscribe(pool, "LAST")
        await door.send(door.receipt(line("LAST", 1)))
        for watching in (shop, page, vip):
            assert (await watching.sees("LAST"))["available"] == 1

        reply = await door.send(door.sale(line("LAST", 1)))

        gone_from = [(alert["type"], alert["pool"]) for alert in reply.json()["alerts"]]
        assert gone_from == [("sold_out", pool) for pool in ("online", "store", "vip", "gulf")]
        for watching in (shop, page, vip):
            gone = await watching.sees("LAST")
            assert (gone["available"], gone["status"]) == (0, "out_of_stock")
    for pool in ("store", "online", "vip", "gulf"):
        assert [item["status"] for item in await door.shown(pool, "LAST", token=door.till)] == ["out_of_stock"]


async def test_nothing_of_a_bag_set_aside_for_a_client_is_seen_by_the_public(door: Door) -> None:
    await door.send(door.receipt(line("KELLY", 15)))
    before = await door.get("/v1/availability", pool="online", sku="KELLY")
    async with screen(door.live) as page, screen(door.live, door.till) as client:
        await page.subscribe("online", "KELLY", "MARKER")
        await client.subscribe("vip", "KELLY")

        # The public sees ten of fifteen, and goes on seeing ten of fourteen.
        await door.send(door.event("ring_fence", line("KELLY", 1), pool="vip"))
        await door.send(door.sale(line("KELLY", 1), pool="vip"))
        await door.send(door.receipt(line("MARKER", 1)))

        marker = await page.sees("MARKER")
        assert [frame["op"] for frame in page.heard] == ["subscribed", "update"]
        assert [item["sku"] for item in page.heard[1]["items"]] == ["MARKER"]
        assert (await client.sees("KELLY"))["available"] == 14
        assert marker["available"] == 1
    assert (await door.get("/v1/availability", pool="online", sku="KELLY")).body == before.body


async def test_a_bag_set_aside_for_a_client_is_theirs_until_a_shop_sells_it_all_the_same(door: Door) -> None:
    await door.send(door.receipt(line("FENCED", 1)))
    await door.send(door.event("ring_fence", line("FENCED", 1), pool="vip"))

    [public] = await door.shown("online", "FENCED")
    [client] = await door.shown("vip", "FENCED", token=door.till)
    sold = await door.send(door.sale(line("FENCED", 1)))

    assert (public["available"], client["available"]) == (0, 1)
    alert = {"type": "fence_broken", "sku": "FENCED", "location": "LON-KNB", "quantity": 1, "pool": "vip"}
    assert sold.json()["alerts"] == [alert, {"type": "sold_out", "sku": "FENCED", "quantity": 0, "pool": "vip"}]
    # What arrives next mends the fence.
    await door.send(door.receipt(line("FENCED", 1)))
    [position] = await door.positions(sku="FENCED")
    assert (position["free"], position["ring_fenced"]) == (0, {"vip": 1})


async def test_a_thousand_buyers_of_a_hundred_bags_leave_no_unit_unaccounted(door: Door) -> None:
    await door.send(door.receipt(line("DROP", 100)))
    async with screen(door.live) as page:
        await page.subscribe("online", "DROP")

        sales = [[door.sale(line("DROP", 1)) for _ in range(25)] for _ in range(40)]
        replies = await asyncio.gather(*(door.send(array) for array in sales))

        answers = [answer for reply in replies for answer in reply.json()]
        alerts = [alert for answer in answers for alert in answer["alerts"]]
        short = sum(alert["quantity"] for alert in alerts if alert["type"] == "discrepancy")
        last = await page.sees("DROP")
        while last["available"]:
            newer = await page.sees("DROP")
            assert newer["rev"] > last["rev"]
            last = newer
    [position] = await door.positions(sku="DROP")
    assert len({answer["seq"] for answer in answers}) == 1_000
    assert (position["on_hand"], position["deficit"], short) == (0, 900, 900)
    [item] = await door.shown("online", "DROP")
    assert item["rev"] == last["rev"]
