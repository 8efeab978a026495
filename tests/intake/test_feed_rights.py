"""What a reader may not see is not in its feed, and leaves no trace there."""

from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.feeding import FEED, Items, end_of, read, types
from tests.intake.reserving import CLERK_SCOPES, basket, stocked


def reader(door: Door, **claims: Any) -> str:
    return door.token(["feed:read", "positions:read"], sub="erp", **claims)


async def test_another_location_is_not_there(door: Door) -> None:
    after = await end_of(door)
    await door.send(door.receipt(line("THERE", 1), location="DC-LYON"))
    await door.send(door.receipt(line("THERE", 2)))

    items = await read(door, reader(door, locations=["LON-KNB"], pools=["store"]), after=after)

    assert [item["data"].get("location") for item in items if item["type"] == "movement.receipt"] == ["LON-KNB"]
    # Public pools, and its own; `vip` is neither.
    shown = [(item["data"]["pool"], item["data"].get("available")) for item in items if _is_shown(item)]
    assert sorted(shown, key=str) == [("gulf", None), ("online", 1), ("online", 3), ("store", 2)]
    # An event at a place that it may not see is not named, though what a pool shows by it is.
    first = next(item for item in items if _is_shown(item))
    assert first["data"]["event"] is None


def _is_shown(item: dict[str, Any]) -> bool:
    return bool(item["type"] == "availability.changed")


async def test_a_fence_of_another_pool_has_no_name_and_its_units_stay_on_the_shelf(door: Door) -> None:
    after = await end_of(door)
    await door.send(door.receipt(line("FENCED", 3)))
    await door.send(door.event("ring_fence", line("FENCED", 2), pool="vip"))
    await door.send(door.sale(line("FENCED", 1), pool="vip"))
    token = reader(door, pools=["store"], locations=["LON-KNB"])

    items = await read(door, token, after=after, types="movement.*")

    moves = [(item["data"]["from"], item["data"]["to"], item["data"]["quantity"]) for item in items]
    assert moves == [("supplier", "free", 3), ("free", "ring_fenced", 2), ("ring_fenced", "customer", 1)]
    assert [item["data"]["event"] is None for item in items] == [False, True, True]
    assert "vip" not in str(items)
    reply = await door.get("/v1/positions", token=token, sku="FENCED")
    assert [items[-1]["data"]["position"]] == reply.json()["items"]


async def test_a_reservation_and_an_order_are_there_for_who_sees_their_pool_and_places(door: Door) -> None:
    clerk = basket(door, "clerk", CLERK_SCOPES)
    sku = await stocked(door, "HELD", LON_KNB=1, DC_LYON=5)
    after = await end_of(door)
    here = await clerk.held(line(sku, 1, location="LON-KNB"), owner="anna", pool="vip")
    there = await clerk.held(line(sku, 1, location="DC-LYON"), owner="berta", pool="vip")
    placed = {"order": "W-9", "pool": "online", "location": ...}
    await door.send(door.event("order.placed", line(sku, 1, location="DC-LYON"), **placed))

    async def seen(**claims: Any) -> list[str]:
        items = await read(door, reader(door, **claims), after=after, types="reservation.*,order.*")
        return [item["data"].get("id") or item["data"]["order"] for item in items]

    assert await seen() == [here["id"], there["id"], "W-9"]
    assert await seen(pools=["vip"], locations=["LON-KNB"]) == [here["id"]]
    assert await seen(pools=["online"], locations=["LON-KNB", "DC-LYON"]) == ["W-9"]
    assert await seen(pools=["store"], locations=["*"]) == []


async def test_alerts_are_there_for_who_may_see_what_they_are_about(door: Door) -> None:
    after = await end_of(door)
    late = door.sale(line("ALERTS", 1), location="DXB-MALL")
    late["time"] = "2126-01-01T00:00:00Z"
    for event in (late, door.sale(line("ALERTS", 1))):
        await door.send(event)

    async def seen(**claims: Any) -> list[str]:
        items = await read(door, reader(door, **claims), after=after, types="alert.*")
        return [f"{item['type']} {item['data'].get('location', '')}" for item in items]

    everything = ["alert.clock_skew ", "alert.discrepancy DXB-MALL", "alert.discrepancy LON-KNB"]
    assert await seen() == everything
    assert await seen(pools=["store"], locations=["DXB-MALL"]) == everything[:2]
    assert await seen(pools=["store"], locations=["LON-KNB"]) == everything[2:]
    # Who may not see the pool that the sale named hears of the place alone.
    assert await seen(pools=["vip"], locations=["DXB-MALL"]) == everything[1:2]


async def test_that_the_house_changed_is_for_who_sees_all_of_it(door: Door) -> None:
    everything = await read(door, types="rule.changed")
    narrow = await read(door, reader(door, locations=["LON-KNB"], pools=["*"]), types="rule.changed")

    assert types(everything) == ["rule.changed"]
    assert narrow == []


async def test_a_token_without_claims_is_told_what_public_pools_show(door: Door) -> None:
    after = await end_of(door)
    await door.send(door.receipt(line("PUBLIC", 1)))
    token = reader(door, pools=["none"], locations=["NOWHERE"])

    items: Items = await read(door, token, after=after)

    assert [item["data"]["pool"] for item in items] == ["online", "gulf"]
    assert {item["data"]["event"] for item in items} == {None}


@pytest.mark.parametrize("hidden", [0, 3])
async def test_what_is_hidden_between_two_items_cannot_be_counted(door: Door, hidden: int) -> None:
    token = reader(door, pools=["none"], locations=["LON-KNB"])
    after = await end_of(door)
    await door.send(door.receipt(line(f"GAP-{hidden}", 1)))
    for _ in range(hidden):
        await door.send(door.receipt(line(f"GAP-{hidden}", 1), location="DXB-MALL"))
    await door.send(door.receipt(line(f"GAP-{hidden}", 1)))

    reply = await door.get(FEED, token=token, after=after, types="movement.*")

    items = reply.json()["items"]
    assert len(items) == 2
    assert {len(item["cursor"]) for item in items} == {len(reply.json()["next"])}
    # Nothing of either text is the other's but the mark that all have.
    shared = [a == b for a, b in zip(items[0]["cursor"], items[1]["cursor"], strict=True)]
    assert shared.count(True) < 12
