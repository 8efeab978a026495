"""A vendor's own stock levels: compared, taken as the book of a place, or nothing; never more."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.intake.door import line
from tests.webhooks.town import Town

DRIFT = 'hub_source_drift_units{source="town"}'


async def test_levels_are_compared_with_what_is_free_or_fenced_and_change_nothing(own_town: Town) -> None:
    await own_town.send(own_town.receipt(line("BAG-NOIR", 10)))
    reserved = {"id": "r-1", "pool": "store", "kind": "cart", "ttl_seconds": 600, "lines": [line("BAG-NOIR", 2)]}
    token = own_town.token(["reservations:write"])
    assert (await own_town.post("/v1/reservations", reserved, token=token)).status == 201

    async def told(units: int | None) -> float:
        reply = await own_town.deliver(own_town.body(topic="level", levels=[["BAG-NOIR", units]]))
        assert (reply.status, reply.json()) == (200, {"status": "applied"})
        return await own_town.metric(DRIFT)

    assert [await told(units) for units in (11, 8, None, 5)] == [3, 0, 0, 3]
    assert await own_town.free("BAG-NOIR") == 8


async def test_the_level_of_what_the_house_never_heard_of_is_no_difference(own_town: Town) -> None:
    reply = await own_town.deliver(own_town.body(levels=[["town:never", 5]]))

    assert reply.json() == {"status": "applied"}
    assert await own_town.metric(DRIFT) == 0


async def test_a_vendor_that_masters_a_place_sets_its_book_around_what_is_held_there(
    own_town: Town, until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
) -> None:
    own_town.write(levels="count")
    await own_town.reload()
    await own_town.send(own_town.receipt(line("BAG-NOIR", 10)))
    damaged = own_town.event("moved", {**line("BAG-NOIR", 3), "from": "free", "to": "damaged"})
    await own_town.send(damaged)

    reply = await own_town.deliver(own_town.body(levels=[["BAG-NOIR", 4]]))
    again = await own_town.deliver(own_town.body(levels=[["BAG-NOIR", 4]]))

    assert reply.json()["events"][0]["id"] == "level:BAG-NOIR:4"
    assert again.json()["events"][0]["status"] == "duplicate"

    async def is_closed() -> bool:
        [position] = await own_town.positions(sku="BAG-NOIR")
        return (position["free"], position["aside"], position["on_hand"]) == (4, {"damaged": 3}, 7)

    await until(is_closed)


@pytest.mark.parametrize("units", [2**63, -(10**30), 1.5, "7"])
async def test_a_level_that_no_stock_is_is_parked_and_not_tried_for_ever(own_town: Town, units: Any) -> None:
    reply = await own_town.deliver(own_town.body(topic="level", levels=[["BAG-NOIR", units]]))

    assert (reply.status, reply.json()["status"]) == (202, "parked")
    assert "no number" in reply.json()["why"]


async def test_levels_that_are_ignored_do_nothing_and_wait_for_nobody(own_town: Town) -> None:
    own_town.write(levels="ignore")
    await own_town.reload()

    reply = await own_town.deliver(own_town.body(levels=[["BAG-NOIR", 4]]))

    assert reply.json() == {"status": "ignored"}


async def test_an_alias_that_nobody_knows_is_waited_for_where_levels_count(own_town: Town) -> None:
    own_town.write(levels="count")
    await own_town.reload()

    reply = await own_town.deliver(own_town.body(levels=[["town:never", 5]]))

    assert (reply.status, reply.json()["why"]) == (202, "no SKU of the house has the alias town:never")
