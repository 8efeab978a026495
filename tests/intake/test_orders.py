"""Orders over HTTP: a unit leaves once whatever is told of it and in whatever order, and what is owed is served."""

from itertools import permutations
from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.ordering import Order, alerts, shelf, told_line
from tests.intake.reserving import Basket, available, basket, stocked

LON, LYON, DXB = "LON-KNB", "DC-LYON", "DXB-MALL"
TILLS = {"reservation": ("reservation",), "order": ("order",), "both": ("reservation", "order")}
FULFILMENTS: dict[str, tuple[int, dict[str, str]]] = {
    "fulfil": (1, {}),
    "fulfil here": (1, {"location": LON}),
    "fulfil elsewhere": (1, {"location": LYON}),
    "fulfil all": (0, {}),
    "fulfil all here": (0, {"location": LON}),
}


async def happen(door: Door, what: str, order: Order, sku: str, names: dict[str, str]) -> None:
    """One of the things that happen to one unit."""
    if what == "place":
        await order.place(line(sku), reservation=names["reservation"])
    elif what in TILLS:
        reply = await door.send(door.sale(line(sku), **{name: names[name] for name in TILLS[what]}))
        assert reply.status == 200, reply.body
    else:
        units, where = FULFILMENTS[what]
        await order.tell("order.fulfilled", *([line(sku)] if units else []), **where)


@pytest.mark.parametrize("fulfilment", FULFILMENTS)
@pytest.mark.parametrize("till", TILLS)
async def test_a_hold_an_order_and_a_till_meet_on_one_unit_and_it_leaves_once(
    door: Door, till: str, fulfilment: str
) -> None:
    for number, arrival in enumerate(permutations(["place", till, fulfilment])):
        sku = await stocked(door, f"{till} {fulfilment} {number}", LON_KNB=2, DC_LYON=2)
        order, anna = Order(door), basket(door, f"anna-{till}-{number}")
        held = await anna.held(line(sku), prefer=[LON])

        for what in arrival:
            await happen(door, what, order, sku, {"reservation": held["id"], "order": order.id})

        places = await shelf(door, sku)
        assert sum(units for units, _ in places.values()) == 3, arrival
        assert [reserved for _, reserved in places.values()] == [0, 0], arrival
        assert await order.state() == {
            "order": order.id,
            "pool": "online",
            "state": "fulfilled",
            "lines": [told_line(sku, 1, fulfilled=1)],
        }, arrival
        assert (await anna.get(held["id"])).json()["state"] == "fulfilled", arrival
        assert await available(door, sku) == 3


async def test_an_order_takes_what_is_there_whatever_is_held_back_and_the_rest_is_owed_to_it(door: Door) -> None:
    sku = await stocked(door, "WATCH-OR", LON_KNB=1, DC_LYON=2)
    assert await available(door, sku) == 1  # one of each location is held back
    order = Order(door)

    told = await order.place(line("3607340000101", 5), prefer=[LYON])

    assert told["lines"] == [{"sku": sku, "quantity": 5}]
    assert ("oversold", "", 2) in alerts(told)
    at = {LYON: 2, LON: 1}
    assert (await order.state())["lines"] == [told_line(sku, 5, at=at, shortfall=2)]
    await order.tell("order.cancelled", line(sku, 2))
    assert (await order.state())["lines"] == [told_line(sku, 5, cancelled=2, at=at)]
    await order.tell("order.fulfilled", line(sku), location=LON)
    assert (await order.state())["lines"] == [told_line(sku, 5, cancelled=2, fulfilled=1, at={LYON: 2})]
    await order.tell("order.changed", line(sku, 4))
    await order.tell("order.fulfilled")
    assert await order.state() == {
        "order": order.id,
        "pool": "online",
        "state": "fulfilled",
        "lines": [told_line(sku, 4, cancelled=2, fulfilled=2)],
    }
    assert await shelf(door, sku) == {LON: (0, 0), LYON: (1, 0)}


async def test_a_cancelled_order_gives_back_and_may_be_cancelled_before_it_is_placed(door: Door) -> None:
    sku = await stocked(door, "CANCELLED", LON_KNB=2)
    order, early = Order(door), Order(door)
    await order.place(line(sku, 2))
    assert await available(door, sku) == 0

    await order.tell("order.cancelled")
    await early.tell("order.cancelled")
    await early.place(line(sku, 2))

    for each in (order, early):
        told = await each.state()
        assert (told["state"], told["lines"]) == ("cancelled", [told_line(sku, 2, cancelled=2)])
    assert await available(door, sku) == 2


async def test_a_fact_about_an_order_takes_effect_once(door: Door) -> None:
    sku = await stocked(door, "ONCE", LON_KNB=5)
    order = Order(door)
    placed = door.event("order.placed", line(sku, 2), order=order.id, pool="online", location=...)
    first = (await door.send(placed)).json()
    await order.tell("order.fulfilled", line(sku, 2), location=LON)

    again = (await door.send(placed)).json()

    assert (again["status"], again["lines"]) == ("duplicate", first["lines"])
    assert await shelf(door, sku) == {LON: (3, 0)}
    assert (await door.send({**placed, "lines": [line(sku, 3)]})).problem == "conflict"


async def test_one_array_tells_of_a_whole_order(door: Door) -> None:
    sku, other = await stocked(door, "ARRAY", LON_KNB=5), await stocked(door, "ARRAY-2", LON_KNB=5)
    order = Order(door)
    about = {"order": order.id, "location": ..., "lines": ...}
    events = [
        door.event("order.fulfilled", **about),
        door.event("order.placed", line(sku, 2), line(other), order=order.id, pool="online", location=...),
        door.event("order.cancelled", **about),
        door.event("order.changed", line(other, 2), order=order.id, location=...),
    ]

    reply = await door.send(events)

    assert [each["status"] for each in reply.json()] == ["applied"] * 4, reply.body
    assert (await order.state())["state"] == "fulfilled"
    assert await shelf(door, sku) == {LON: (3, 0)}


async def test_what_nobody_knows_is_parked_and_an_order_without_lines_is_malformed(door: Door) -> None:
    parked = [
        await Order(door).try_to_tell("order.placed", line(), pool="nobody"),
        await Order(door).try_to_tell("order.placed", line(location="NOWHERE"), pool="online"),
        await Order(door).try_to_tell("order.fulfilled", location="NOWHERE"),
    ]
    malformed = await Order(door).try_to_tell("order.placed", pool="online", lines=[])

    assert [reply.json()["unknown"] for reply in parked] == [["pool nobody"], *[["location NOWHERE"]] * 2]
    assert (malformed.status, malformed.problem) == (400, "malformed")


async def test_a_reservation_that_an_order_took_over_is_told_by_what_becomes_of_the_order(door: Door) -> None:
    sku = await stocked(door, "TAKEN-OVER", LON_KNB=9)
    anna, bert = basket(door, "anna-t"), basket(door, "bert-t")
    named, owned = await anna.held(line(sku, 2)), await bert.held(line(sku))
    first, second = Order(door), Order(door)

    await first.place(line(sku), reservation=named["id"])
    await second.place(line(sku), owner="bert-t")

    told = (await anna.get(named["id"])).json()
    assert (told["state"], told["order"], told["expires_at"]) == ("confirmed", first.id, None)
    assert told["lines"] == [{"sku": sku, "quantity": 2, "allocations": [], "ordered": 2}]
    # Of two units that were held one was ordered: the other is back.
    assert await shelf(door, sku) == {LON: (9, 2)}
    # It is the order's: to release or fulfil the reservation changes nothing.
    assert (await anna.changed("release", named["id"]))["state"] == "confirmed"
    await first.tell("order.fulfilled")
    await second.tell("order.cancelled")
    assert (await anna.get(named["id"])).json()["state"] == "fulfilled"
    assert (await bert.get(owned["id"])).json()["state"] == "released"
    assert await shelf(door, sku) == {LON: (8, 0)}


async def test_what_is_owed_is_served_first_come_first_served_where_the_pool_sees_it(door: Door) -> None:
    sku = await stocked(door, "OVERSOLD", LON_KNB=2)
    anna = basket(door, "anna-o")
    held = await anna.held(line(sku))
    first, gulf, third = Order(door), Order(door), Order(door)

    assert alerts(await first.place(line(sku, 2)))[0] == ("oversold", "", 1)
    assert alerts(await gulf.place(line(sku, 2), pool="gulf"))[0] == ("oversold", "", 2)
    assert alerts(await third.place(line(sku)))[0] == ("oversold", "", 1)

    async def lacking() -> list[int]:
        return [(await each.state())["lines"][0]["shortfall"] for each in (first, gulf, third)]

    assert await lacking() == [1, 2, 1]
    await anna.changed("release", held["id"])
    assert await lacking() == [0, 2, 1]
    # The third sees it, the second does not.
    await stocked(door, sku, DC_LYON=1)
    assert await lacking() == [0, 2, 0]
    await stocked(door, sku, DC_LYON=3)
    assert await lacking() == [0, 2, 0]
    assert await available(door, sku) == 3
    await stocked(door, sku, DXB_MALL=1)
    assert await lacking() == [0, 1, 0]
    await stocked(door, sku, LON_KNB=2)
    assert await lacking() == [0, 0, 0]
    assert await available(door, sku) == 4
    assert (await gulf.state())["lines"] == [told_line(sku, 2, at={DXB: 1, LON: 1})]


async def test_a_pool_that_does_not_see_what_is_owed_to_another_sells_all_it_has(door: Door) -> None:
    sku = await stocked(door, "ELSEWHERE", DC_LYON=2)
    await Order(door).place(line(sku), pool="gulf")

    told = await basket(door, "anna-e").held(line(sku, 2))

    assert told["state"] == "held"


async def test_a_till_takes_a_held_unit_and_another_is_held_where_the_pool_has_one(door: Door) -> None:
    sku = await stocked(door, "TILL-TAKES", LON_KNB=1, DC_LYON=1)
    anna, order = basket(door, "anna-b"), Order(door)
    held = await anna.held(line(sku), prefer=[LON])

    first = (await door.send(door.sale(line(sku)))).json()

    told = (await anna.get(held["id"])).json()
    assert (told["state"], told["lines"][0]["allocations"]) == ("held", [{"location": LYON, "quantity": 1}])
    assert "reservation_broken" not in [type for type, *_ in alerts(first)]
    second = (await door.send(door.sale(line(sku), location=LYON, pool="vip"))).json()
    assert ("reservation_broken", LYON, 1) in alerts(second)
    assert (await anna.get(held["id"])).json()["state"] == "broken"
    # An order is owed what a till took of it.
    await stocked(door, sku, LON_KNB=1)
    await order.place(line(sku))
    third = (await door.send(door.sale(line(sku)))).json()
    assert ("reservation_broken", LON, 1) in alerts(third)
    assert (await order.state())["lines"] == [told_line(sku, 1, shortfall=1)]
    await stocked(door, sku, DC_LYON=1)
    assert (await order.state())["lines"] == [told_line(sku, 1, at={LYON: 1})]


def shop(door: Door, pools: list[str], locations: list[str]) -> str:
    return door.token(("events:write", "feed:read"), sub="shop", pools=pools, locations=locations)


async def test_only_who_may_touch_the_pool_and_the_locations_of_an_order_tells_of_it(door: Door) -> None:
    sku = await stocked(door, "RIGHTS", LON_KNB=2, DC_LYON=2)
    order = Order(door)
    await order.place(line(sku, 3), prefer=[LYON])
    facts: list[tuple[str, list[Any], dict[str, Any]]] = [
        ("order.placed", [line(sku)], {"pool": "store"}),
        ("order.changed", [line(sku)], {}),
        ("order.cancelled", [], {}),
        ("order.fulfilled", [], {"location": LON}),
    ]

    for token in (shop(door, ["store"], ["*"]), shop(door, ["store", "online"], [LON])):
        for type, lines, fields in facts:
            event = {"order": order.id, "location": ..., **fields}
            reply = await door.send({**door.event(type, **event), "lines": lines or None}, token=token)
            assert (reply.status, reply.problem) == (403, "forbidden"), type
        assert (await order.get(token=token)).status == 404

    assert (await order.state())["lines"] == [told_line(sku, 3, at={LYON: 2, LON: 1})]


async def test_an_order_is_kept_only_where_its_sender_may_touch_units(door: Door) -> None:
    sku = await stocked(door, "NARROW", LON_KNB=1, DC_LYON=5)
    order, nowhere = Order(door, shop(door, ["online"], [LON])), Order(door, shop(door, ["online"], ["GONE"]))

    told = await order.place(line(sku, 2))

    assert ("oversold", "", 1) in alerts(told)
    assert (await order.state())["lines"] == [told_line(sku, 2, at={LON: 1}, shortfall=1)]
    assert (await nowhere.try_to_tell("order.placed", line(sku), pool="online")).status == 403


async def test_an_order_takes_over_no_reservation_that_its_sender_may_not_touch(door: Door) -> None:
    sku = await stocked(door, "NOT-YOURS", LON_KNB=1)
    anna = basket(door, "anna-n")
    held = await anna.held(line(sku), pool="vip")

    reply = await Order(door, shop(door, ["online"], ["*"])).try_to_tell(
        "order.placed", line(sku), pool="online", reservation=held["id"]
    )

    assert (reply.status, reply.problem) == (403, "forbidden")
    assert (await anna.get(held["id"])).json()["state"] == "held"


async def test_an_order_is_told_to_its_owner_and_to_who_may_see_all(door: Door) -> None:
    sku = await stocked(door, "SEEN", LON_KNB=2)
    order = Order(door)
    assert (await order.get()).problem == "not_found"
    await order.tell("order.cancelled", line(sku))
    assert (await order.get()).problem == "not_found"  # nobody knows its pool yet
    await order.place(line(sku, 2), owner="anna-s")

    def asking(name: str, *scope: str) -> Basket:
        return basket(door, name, scope, pools=["online"], locations=[LON])

    seen = [asking("anna-s", "reservations:write"), asking("clerk", "reservations:any"), asking("erp", "feed:read")]
    assert [(await order.get(token=each.token)).status for each in seen] == [200] * 3
    assert (await order.get(token=asking("bert", "reservations:write").token)).status == 404
    assert (await order.get(token=door.token(("events:write",)))).status == 403
    assert (await door.get("/v1/orders/%00", token=door.till)).problem == "not_found"
    nobodys = Order(door)
    await nobodys.place(line(sku))
    assert (await nobodys.get(token=asking("bert", "reservations:write").token)).status == 200


async def test_an_order_told_by_a_name_that_became_an_alias_is_of_the_same_sku(door: Door) -> None:
    sku, order = await stocked(door, "NAMED-NOW", LON_KNB=3), Order(door)
    await order.tell("order.cancelled", line("NAMED-BEFORE"))
    described = await door.ask(
        "PUT", "/v1/skus", body=[{"sku": sku, "aliases": ["NAMED-BEFORE"]}], token=door.token(("admin",))
    )
    assert described.json()[0]["status"] == "applied", described.body

    await order.place(line("NAMED-BEFORE", 3))

    assert (await order.state())["lines"] == [told_line(sku, 3, cancelled=1, at={LON: 2})]
