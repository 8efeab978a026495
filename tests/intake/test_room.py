"""What there is no room for is kept whole, listed with the reason, and booked once there is some."""

from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.test_supply import expected
from tests.intake.test_transfers import dispatched, on_hand, received
from tests.intake.test_voids import voided


@pytest.fixture
def admin(door: Door) -> str:
    return door.token(["admin"])


async def parked(door: Door, **params: Any) -> dict[str, Any]:
    """What is parked and its item, by id."""
    reply = await door.get("/v1/parked", **{"token": door.till, **params})
    assert reply.status == 200, reply.body
    return {item["id"]: item for item in reply.json()["items"]}


async def replayed(door: Door, admin: str) -> int:
    number: int = (await door.post("/v1/parked/replay", b"", token=admin)).json()["replayed"]
    return number


async def test_a_receipt_too_many_waits_for_its_dispatch_all_the_same(door: Door, admin: str) -> None:
    await door.send([received(door, "many", line("MANY", 1), final=False) for _ in range(100)])
    more = received(door, "many", line("MANY", 1), final=False)

    first, again = await door.send(more), await door.send(more)

    for reply in (first, again):
        assert (reply.status, reply.json()["status"]) == (202, "parked")
        assert "100 receipts" in reply.json()["reason"]
        assert "unknown" not in reply.json()
    item = (await parked(door))[more["id"]]
    assert (item["reason"], item["unknown"]) == (first.json()["reason"], [])
    assert await replayed(door, admin) == 0

    await door.send(dispatched(door, "many", line("MANY", 101)))

    # The hub may have done it by itself meanwhile.
    await replayed(door, admin)
    assert await on_hand(door, "MANY") == {"DC-LYON": -101, "LON-KNB": 101}
    assert more["id"] not in await parked(door)
    assert (await door.send(more)).json()["status"] == "duplicate"


async def test_what_had_no_room_takes_effect_only_where_its_sender_may_touch_anything(door: Door, admin: str) -> None:
    narrow = door.token(locations=["DXB-MALL"])
    sale = door.sale(line("REACH", 200))
    await door.send([voided(door, sale["id"], line("REACH", 1)) for _ in range(100)])
    more = voided(door, sale["id"], line("REACH", 1))
    assert (await door.send(more, token=narrow)).json()["status"] == "parked"

    await door.send(sale)
    await replayed(door, admin)

    assert await on_hand(door, "REACH") == {"LON-KNB": -100}
    assert more["id"] in await parked(door)
    assert more["id"] in await parked(door, token=narrow)
    assert more["id"] not in await parked(door, token=door.token(locations=["LON-KNB"]))


async def test_an_order_line_too_many_is_expected_once_another_one_arrived(door: Door, admin: str) -> None:
    orders = [f"PO-{n}" for n in range(201)]
    told = [expected(door, line("BUSY", 1), purchase_order=order) for order in orders]

    statuses = [answer["status"] for answer in (await door.send(told)).json()]

    assert statuses == ["applied"] * 200 + ["parked"]
    await door.send(door.receipt(line("BUSY", 1), purchase_order=orders[0]))
    await replayed(door, admin)
    reply = await door.get("/v1/expected", token=door.till, sku="BUSY")
    assert orders[-1] in {item["purchase_order"] for item in reply.json()["items"]}
