"""Units promised before they come, at the door: shown with a date, reserved, ordered, received and told."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers
from tests.intake.conftest import PATIENT
from tests.intake.door import HOUSE, Door, line, open_door, settings_in
from tests.intake.ordering import Order, alerts
from tests.intake.reserving import CLERK_SCOPES, Basket, basket

SOON, LATER = "2099-12-01T08:00:00.000Z", "2099-12-09T08:00:00.000Z"
PROMISING = HOUSE.replace("rule = [", 'rule = [{ pool = "online", preorder_limit = 5 }, ')


@pytest.fixture(scope="module")
async def door(
    store: Redis, database: str, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("hub")
    settings = settings_in(folder, redis_url=servers.redis_url, dsn=database, extra=PATIENT, house=PROMISING)
    async with open_door(settings) as opened:
        yield opened


async def expect(door: Door, sku: str, quantity: int, **fields: Any) -> dict[str, Any]:
    order = {"purchase_order": f"PO-{sku}", "eta": SOON, **fields}
    reply = await door.send(door.event("expected", line(sku, quantity), **order))
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json()
    return told


async def receive(door: Door, sku: str, quantity: int, **fields: Any) -> dict[str, Any]:
    reply = await door.send(door.receipt(line(sku, quantity), **{"purchase_order": f"PO-{sku}", **fields}))
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json()
    return told


async def promise(door: Door, sku: str, **more: Any) -> dict[str, Any]:
    reply = await door.get("/v1/availability/promise", **{"token": door.till, "pool": "online", "sku": sku, **more})
    assert reply.status == 200, reply.body
    told: dict[str, Any] = reply.json()
    return told


def clerk(door: Door) -> Basket:
    return basket(door, "clerk", CLERK_SCOPES)


async def test_a_preorder_is_shown_reserved_and_told_with_its_date(door: Door) -> None:
    told = await expect(door, "PRE", 4)
    assert [(item["pool"], item["status"], item["available"], item["eta"]) for item in told["availability"]] == [
        ("online", "preorder", 0, SOON)
    ]
    [item] = await door.shown("online", "PRE")
    assert (item["available"], item["status"], item["eta"]) == (0, "preorder", SOON)

    held = await clerk(door).held(line("PRE", 3))

    [bag] = held["lines"]
    assert bag["allocations"] == [{"purchase_order": "PO-PRE", "quantity": 3, "eta": SOON}]
    assert (await clerk(door).get(held["id"])).json()["lines"] == held["lines"]
    await clerk(door).changed("confirm", held["id"], {"lines": [line("PRE", 1)]})
    now = await promise(door, "PRE")
    assert (now["limit"], now["available"], now["sold"], now["reserved"]) == (5, 1, 1, 2)
    assert (now["eta"], now["dates"]) == (SOON, [{"eta": SOON, "available": 1}])
    assert now["supply"] == [
        {
            "purchase_order": "PO-PRE", "location": "LON-KNB", "eta": SOON,
            "quantity": 4, "received": 0, "outstanding": 4, "promised": 3,
        }
    ]  # fmt: skip
    refused = await clerk(door).reserve(line("PRE", 2))
    assert (refused.status, refused.json()["shortages"]) == (409, [{"sku": "PRE", "requested": 2, "available": 1}])


async def test_what_arrives_is_kept_for_whom_it_was_promised_to(door: Door) -> None:
    await expect(door, "COMES", 4)
    id = (await clerk(door).held(line("COMES", 2)))["id"]
    early = await clerk(door).change("fulfil", id)
    assert (early.status, early.problem) == (409, "not_arrived")
    moved = await clerk(door).change("reallocate", id)
    assert (moved.status, moved.problem) == (409, "not_arrived")

    told = await receive(door, "COMES", 3)

    assert ("promise_arrived", "LON-KNB", 2) in alerts(told)
    [bag] = (await clerk(door).get(id)).json()["lines"]
    assert bag["allocations"] == [{"location": "LON-KNB", "quantity": 2}]
    [item] = await door.shown("online", "COMES")
    assert (item["available"], item["status"], "eta" in item) == (1, "low_stock", False)
    now = await promise(door, "COMES")
    assert (now["available"], now["reserved"], now["dates"], "eta" in now) == (0, 0, [], False)


async def test_what_is_sold_out_again_is_a_backorder(door: Door) -> None:
    await receive(door, "BACK", 1)
    await door.send(door.sale(line("BACK", 1)))

    await expect(door, "BACK", 3)

    [item] = await door.shown("online", "BACK")
    assert (item["status"], item["eta"]) == ("backorder", SOON)
    why = (await door.get("/v1/availability/explain", token=door.till, pool="online", sku="BACK")).json()
    # One of the three came already.
    assert why["promise"] == {"limit": 5, "promised": 0, "dates": [{"eta": SOON, "available": 2}]}
    assert why["shown"] == {"available": 0, "status": "backorder", "eta": SOON, "rev": item["rev"]}
    assert why["formula"].endswith(
        "to be promised: max(0, min(limit 5 − 0 promised, 2 coming, 2 available then)) = 2, from 2099-12-01; "
        "shown: 0, backorder 2099-12-01"
    )


async def test_the_past_knows_what_was_a_preorder_and_why(door: Door) -> None:
    await expect(door, "PAST", 3)
    [item] = await door.shown("online", "PAST")

    then = (await door.get("/v1/availability/history", token=door.till, pool="online", sku="PAST")).json()

    assert (then["status"], then["eta"], then["rev"]) == ("preorder", SOON, item["rev"])
    assert (then["since"], then["event"]["type"]) == (item["at"], "expected")


async def test_an_order_tells_what_is_promised_to_it_and_what_is_owed(door: Door) -> None:
    await expect(door, "ORDER", 9)
    order = Order(door)
    told = await order.place(line("ORDER", 11))

    assert ("oversold", "", 2) in alerts(told)
    [bag] = (await order.state())["lines"]
    assert (bag["allocations"], bag["shortfall"]) == (
        [{"purchase_order": "PO-ORDER", "quantity": 9, "eta": SOON}],
        2,
    )
    now = await promise(door, "ORDER")
    assert (now["available"], now["sold"], now["reserved"]) == (0, 9, 0)


async def test_nobody_is_promised_what_is_ordered_in_a_pool_that_may_promise_nothing(door: Door) -> None:
    await expect(door, "OWED", 3)
    order = Order(door)
    told = await order.place(line("OWED", 2), pool="store")

    refused = await clerk(door).reserve(line("OWED", 2))

    assert [kind for kind, _, _ in alerts(told)] == []
    [bag] = (await order.state())["lines"]
    assert bag["allocations"] == [{"purchase_order": "PO-OWED", "quantity": 2, "eta": SOON}]
    assert bag["shortfall"] == 0
    assert (refused.status, refused.json()["shortages"]) == (409, [{"sku": "OWED", "requested": 2, "available": 1}])


@pytest.mark.parametrize("is_at_once", [True, False])
async def test_a_delivery_is_for_the_older_order_also_told_together_with_its_change(
    door: Door, is_at_once: bool
) -> None:
    sku, other = f"FIRST-{is_at_once}", f"OTHER-{is_at_once}"
    await expect(door, sku, 2)
    await expect(door, other, 1)
    older, newer = Order(door), Order(door)
    await older.place(line(other))
    await newer.place(line(sku))

    change = door.event("order.changed", line(other), line(sku), location=..., order=older.id)
    delivery = door.receipt(line(sku, 1), purchase_order=f"PO-{sku}")
    for told in [[change, delivery]] if is_at_once else [[change], [delivery]]:
        reply = await door.send(told)
        assert {each["status"] for each in reply.json()} == {"applied"}, reply.body

    kept = {each.id: (await each.state())["lines"][-1]["allocations"] for each in (older, newer)}
    assert kept == {
        older.id: [{"location": "LON-KNB", "quantity": 1}],
        newer.id: [{"purchase_order": f"PO-{sku}", "quantity": 1, "eta": SOON}],
    }


async def test_a_later_date_and_a_short_delivery_are_told(door: Door) -> None:
    await expect(door, "LATE", 3)
    id = (await clerk(door).held(line("LATE", 3)))["id"]

    late = await expect(door, "LATE", 3, eta=LATER)
    [bag] = (await clerk(door).get(id)).json()["lines"]
    short = await expect(door, "LATE", 2, eta=LATER)

    assert ("promise_late", "LON-KNB", 3) in alerts(late)
    assert bag["allocations"] == [{"purchase_order": "PO-LATE", "quantity": 3, "eta": LATER}]
    assert await clerk(door).list(purchase_order="PO-LATE") == [id]
    assert await clerk(door).list(purchase_order="PO-NEVER") == []
    assert {("promise_short", "LON-KNB", 1), ("reservation_broken", "LON-KNB", 1)} <= set(alerts(short))
    [bag] = (await clerk(door).get(id)).json()["lines"]
    assert (bag["allocations"][0]["quantity"], bag["broken"]) == (2, 1)


async def test_what_is_to_come_counts_by_its_location(door: Door) -> None:
    await expect(door, "PLACE", 1, location="DC-LYON")
    id = (await clerk(door).held(line("PLACE", 1)))["id"]
    london = basket(door, "clerk", CLERK_SCOPES, locations=["LON-KNB"])

    assert await clerk(door).list(sku="PLACE", location="DC-LYON") == [id]
    assert await clerk(door).list(sku="PLACE", location="LON-KNB") == []
    assert (await london.get(id)).problem == "unknown_reservation"
    assert await london.list(sku="PLACE") == []
    [item] = (await door.get("/v1/reservations", token=clerk(door).token, sku="PLACE")).json()["items"]
    assert item["lines"][0]["allocations"] == [{"purchase_order": "PO-PLACE", "quantity": 1, "eta": SOON}]


async def test_supply_at_places_outside_the_token_is_one_sum(door: Door) -> None:
    await expect(door, "SEEN", 1)
    await expect(door, "SEEN", 2, location="DC-LYON", eta=LATER)
    london = door.token(("positions:read",), locations=["LON-KNB"])

    now = await promise(door, "SEEN", token=london)

    assert (now["available"], [each["available"] for each in now["dates"]]) == (3, [1, 3])
    assert now["supply"][0]["location"] == "LON-KNB"
    assert now["supply"][1] == {"locations": "other", "outstanding": 2, "promised": 0}


async def test_a_pool_that_may_promise_nothing_says_so(door: Door) -> None:
    await expect(door, "NONE", 2)

    now = await promise(door, "NONE", pool="store")

    assert (now["limit"], now["available"], now["dates"]) == (0, 0, [])
    assert [each["outstanding"] for each in now["supply"]] == [2]
    assert (await promise(door, "NEVER-HEARD-OF"))["supply"] == []


async def test_what_may_be_promised_is_for_those_with_the_scope_and_the_pool(door: Door) -> None:
    async def problem(token: str | None, **params: str) -> tuple[int, str]:
        reply = await door.get("/v1/availability/promise", token=token, **params)
        return reply.status, reply.problem

    asked = {"pool": "vip", "sku": "PRE"}
    assert await problem(None, **asked) == (401, "unauthenticated")
    assert await problem(door.token(("events:write",)), **asked) == (403, "forbidden")
    assert await problem(door.token(("positions:read",), pools=["store"]), **asked) == (404, "not_found")
    assert await problem(door.till, pool="nobody", sku="PRE") == (404, "not_found")
    assert await problem(door.till, pool="vip") == (400, "malformed")
    assert await problem(door.till, sku="PRE") == (400, "malformed")


async def test_who_may_see_all_orders_is_told_whose_units_came_and_a_till_only_that_they_did(door: Door) -> None:
    await expect(door, "NAMED", 4)
    id = (await clerk(door).held(line("NAMED", 1)))["id"]
    order = Order(door)
    await order.place(line("NAMED", 1))

    [late] = await told_to(door, ["events:write"], "promise_late", "expected", 4, eta=LATER)
    first, second = await told_to(door, ["events:write", "feed:read"], "promise_arrived", "receipt", 4)

    assert "reservation" not in late
    assert (late["quantity"], late["pool"]) == (2, "online")
    assert (first["reservation"], first["quantity"], "order" in first) == (id, 1, False)
    assert (second["order"], second["quantity"], "reservation" in second) == (order.id, 1, False)


async def told_to(door: Door, scope: list[str], kind: str, verb: str, units: int, **more: Any) -> list[dict[str, Any]]:
    """The alerts of a kind that whoever sends a fact about the purchase order is told."""
    event = door.event(verb, line("NAMED", units), purchase_order="PO-NAMED", **more)
    reply = await door.send(event, token=door.token(scope))
    return [alert for alert in reply.json()["alerts"] if alert["type"] == kind]
