"""Units of an order that travel, over HTTP: who is told of them, and who may send them."""

from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.ordering import Order, alerts, shelf, told_line
from tests.intake.reserving import available, stocked
from tests.intake.test_orders import shop
from tests.intake.test_transfers import dispatched, listed, received

LON, LYON, DXB = "LON-KNB", "DC-LYON", "DXB-MALL"


def sent(door: Door, order: Order, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """From the shop to the warehouse, for the order, by the transfer of its name."""
    places = {"from": LON, "to": LYON, **fields}
    return dispatched(door, f"t-{order.id}", *lines, order=order.id, **places)


def on_the_way(order: Order, quantity: int) -> dict[str, Any]:
    return {"transfer": f"t-{order.id}", "quantity": quantity}


async def test_a_shops_piece_goes_to_the_warehouse_and_stays_the_orders_on_the_way(door: Door) -> None:
    sku, order = await stocked(door, "TO-PACK", LON_KNB=3), Order(door)
    await order.place(line(sku, 2), prefer=[LON])

    reply = await door.send(sent(door, order, line(sku, 3)))

    assert reply.status == 200, reply.body
    assert (await order.state())["lines"] == [told_line(sku, 2) | {"allocations": [on_the_way(order, 2)]}]
    assert (await listed(door))[f"t-{order.id}"]["lines"] == [{"sku": sku, "sent": 3, "received": 0, "reserved": 2}]
    assert await shelf(door, sku) == {LON: (0, 0)}
    await door.send(received(door, f"t-{order.id}", line(sku, 3)))
    assert (await order.state())["lines"] == [told_line(sku, 2, at={LYON: 2})]
    assert (await shelf(door, sku), await available(door, sku)) == ({LON: (0, 0), LYON: (3, 2)}, 1)
    await order.tell("order.fulfilled")
    assert (await order.state())["state"] == "fulfilled"


async def test_of_what_lacks_at_the_last_arrival_others_are_kept_and_the_rest_is_owed(door: Door) -> None:
    sku, other = await stocked(door, "LACKS", LON_KNB=2), await stocked(door, "LACKS-2", LON_KNB=1)
    order = Order(door)
    await order.place(line(sku, 2), line(other, 1), prefer=[LON])
    await door.send(sent(door, order, line(sku, 2), line(other, 1)))
    await stocked(door, sku, DC_LYON=1)

    # The last arrival names nothing of one of the two.
    reply = await door.send(received(door, f"t-{order.id}", line(other, 1)))

    assert ("reservation_broken", LYON, 1) in alerts(reply.json())
    assert (await order.state())["lines"] == [
        told_line(sku, 2, at={LYON: 1}, shortfall=1),
        told_line(other, 1, at={LYON: 1}),
    ]
    assert await shelf(door, sku) == {LON: (0, 0), LYON: (1, 1)}


async def test_what_is_received_before_it_was_dispatched_is_the_orders_too(door: Door) -> None:
    sku, order = await stocked(door, "EARLY-TOO", LON_KNB=1), Order(door)
    await order.place(line(sku), prefer=[LON])
    await door.send(received(door, f"t-{order.id}", line(sku)))

    reply = await door.send(sent(door, order, line(sku)))

    assert reply.status == 200, reply.body
    assert (await order.state())["lines"] == [told_line(sku, 1, at={LYON: 1})]


async def test_an_order_that_is_cancelled_on_the_way_leaves_its_units_to_others(door: Door) -> None:
    sku, order = await stocked(door, "TURNED-BACK", LON_KNB=1), Order(door)
    await order.place(line(sku), prefer=[LON])
    await door.send(sent(door, order, line(sku)))

    await order.tell("order.cancelled")

    assert (await listed(door))[f"t-{order.id}"]["lines"][0]["reserved"] == 0
    await door.send(received(door, f"t-{order.id}", line(sku)))
    assert (await shelf(door, sku), await available(door, sku)) == ({LON: (0, 0), LYON: (1, 0)}, 1)


async def test_only_who_may_tell_of_an_order_sends_units_for_it(door: Door) -> None:
    sku, order = await stocked(door, "NOT-YOURS-TO-SEND", LON_KNB=2, DC_LYON=1), Order(door)
    await order.place(line(sku, 2), prefer=[LON])
    out = sent(door, order, line(sku), **{"from": LON, "to": DXB})

    wrong_pool = await door.send(out, token=shop(door, ["store"], ["*"]))
    await door.send(sent(door, order, line(sku)))
    # One is on its way to the warehouse by now.
    elsewhere = await door.send({**out, "id": out["id"] + "-2"}, token=shop(door, ["online"], [LON, DXB]))
    for_nobody = await door.send({**out, "order": "nobody", "transfer": "t-nobody"}, token=shop(door, ["store"], ["*"]))

    assert [(each.status, each.problem) for each in (wrong_pool, elsewhere)] == [(403, "forbidden")] * 2
    assert order.id not in wrong_pool.json()["detail"]
    assert for_nobody.status == 200
    assert (await order.get(token=shop(door, ["online"], [LON]))).status == 404


@pytest.mark.parametrize("order", ["", 7], ids=repr)
async def test_an_order_that_is_no_id_is_refused(door: Door, order: Any) -> None:
    reply = await door.send({**dispatched(door, "t-none", line("HAT")), "order": order})

    assert (reply.status, reply.problem) == (400, "malformed")
