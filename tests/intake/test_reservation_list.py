"""Lists of reservations: narrowed, page by page, and only what the token may see."""

from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.reserving import CLERK_SCOPES, basket, stocked


async def test_a_list_is_narrowed_by_each_of_its_parameters(door: Door) -> None:
    first, second = await stocked(door, "L-1", LON_KNB=9, DC_LYON=9), await stocked(door, "L-2", LON_KNB=9)
    clerk = basket(door, "l-clerk", CLERK_SCOPES)
    a = (await clerk.held(line(first), owner="l-anna", locations=["LON-KNB"]))["id"]
    b = (await clerk.held(line(first), line(second), owner="l-bert", kind="checkout", locations=["LON-KNB"]))["id"]
    c = (await clerk.held(line(first), owner="l-carl", locations=["DC-LYON"]))["id"]
    await clerk.changed("confirm", c)
    await clerk.changed("release", (await clerk.held(line(first), owner="l-dora"))["id"])

    assert await clerk.list(sku=first) == [a, b, c]
    assert await clerk.list(sku=second) == [b]
    assert await clerk.list(sku=first, owner="l-bert") == [b]
    assert await clerk.list(sku=first, kind="cart") == [a, c]
    assert await clerk.list(sku=first, location="DC-LYON") == [c]
    assert await clerk.list(sku=first, state="held") == [a, b]
    assert await clerk.list(state="confirmed", owner="l-carl") == [c]
    assert await clerk.list(owner="l-bert") == [b]
    assert set(await clerk.list()) >= {a, b, c}
    assert await clerk.list(owner="l-dora") == []
    assert await clerk.list(sku="NEVER-HEARD-OF") == []


async def test_pages_of_any_size_have_everything_once(door: Door) -> None:
    sku = await stocked(door, "PAGED", LON_KNB=30)
    clerk = basket(door, "p-clerk", CLERK_SCOPES)
    made = [(await clerk.held(line(sku)))["id"] for _ in range(23)]

    for limit in (1, 7, 23, 1_000):
        # By SKU the oldest come first.
        assert await clerk.list(sku=sku, limit=limit) == made
        assert sorted(await clerk.list(owner="p-clerk", limit=limit)) == sorted(made)


async def test_a_long_list_comes_in_bounded_stretches(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.stock.held.STRETCH_HOLDS", 3)
    sku = await stocked(door, "STRETCHED", LON_KNB=99)
    clerk = basket(door, "s-clerk", CLERK_SCOPES)
    made = [(await clerk.held(line(sku)))["id"] for _ in range(40)]

    assert await clerk.list(sku=sku) == made
    assert await clerk.list(sku=sku, limit=4) == made
    assert await clerk.list(sku=sku, owner="nobody") == []
    assert sorted(await clerk.list(owner="s-clerk", limit=4)) == sorted(made)


async def test_who_acts_for_itself_lists_its_own_and_a_shop_what_lies_there(door: Door) -> None:
    sku = await stocked(door, "MINE", LON_KNB=3, DC_LYON=3)
    anna, bert = basket(door, "m-anna"), basket(door, "m-bert")
    mine = (await anna.held(line(sku), locations=["LON-KNB"]))["id"]
    theirs = (await bert.held(line(sku), locations=["DC-LYON"]))["id"]
    shop = basket(door, "m-shop", CLERK_SCOPES, locations=["LON-KNB"])

    assert await anna.list(sku=sku) == await anna.list() == [mine]
    assert await anna.list(owner="m-bert") == []
    assert await bert.list(sku=sku) == [theirs]
    assert await shop.list(sku=sku) == [mine]
    assert await shop.list(sku=sku, location="DC-LYON") == []


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 1_001}, {"state": "lost"}, {"sku": ""}, {"cursor": "WzEsMl0="}, {"cursor": "ü"}]
)
async def test_a_question_that_cannot_be_read_is_400(door: Door, params: dict[str, Any]) -> None:
    reply = await door.get("/v1/reservations", token=basket(door, "anna").token, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_a_parameter_that_is_none_is_refused_and_not_ignored(door: Door) -> None:
    clerk = basket(door, "t-clerk", CLERK_SCOPES)

    reply = await door.get("/v1/reservations", token=clerk.token, purchase_orders="PO-1")

    assert (reply.status, reply.problem) == (400, "malformed")
    assert "`purchase_orders`" in reply.json()["detail"]
