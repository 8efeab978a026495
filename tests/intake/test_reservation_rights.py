"""Whose reservations a token may make, see and change; unknown and not its own look the same."""

from typing import Any

import pytest

from tests.intake.door import Door, line
from tests.intake.reserving import CLERK_SCOPES, basket, stocked

VERBS = ("extend", "confirm", "release", "fulfil", "reallocate")


async def test_anothers_reservation_is_unknown_to_every_verb(door: Door) -> None:
    sku = await stocked(door, "PRIVATE", LON_KNB=2)
    theirs = (await basket(door, "anna").held(line(sku), id="private"))["id"]
    bert = basket(door, "bert")

    for id in (theirs, "nobodys"):
        replies = [await bert.get(id), *[await bert.change(verb, id) for verb in VERBS]]
        assert [(reply.status, reply.problem) for reply in replies] == [(404, "unknown_reservation")] * 6
    bodies = [(await bert.get(id)).body.replace(id.encode(), b"ID") for id in (theirs, "nobodys")]
    assert bodies[0] == bodies[1]
    assert (await basket(door, "anna").get(theirs)).json()["state"] == "held"


async def test_with_the_scope_for_all_a_clerk_sees_and_changes_anybodys(door: Door) -> None:
    sku = await stocked(door, "SERVED", LON_KNB=2)
    told = await basket(door, "anna").held(line(sku))
    clerk = basket(door, "clerk", CLERK_SCOPES)

    assert (await clerk.get(told["id"])).json() == told
    assert (await clerk.changed("fulfil", told["id"]))["state"] == "fulfilled"


@pytest.mark.parametrize("fields", [{"owner": "bert"}, {"owner": "bert", "id": "again"}])
async def test_only_with_the_scope_for_all_one_reserves_for_others(door: Door, fields: dict[str, Any]) -> None:
    sku = await stocked(door, "FOR-OTHERS", LON_KNB=1)

    reply = await basket(door, "anna").reserve(line(sku), **fields)

    assert (reply.status, reply.problem) == (403, "forbidden")


async def test_a_scope_is_needed(door: Door) -> None:
    sku = await stocked(door, "SCOPED", LON_KNB=1)
    told = await basket(door, "anna").held(line(sku))
    till, reader = basket(door, "anna", ("events:write",)), basket(door, "back-office", ("reservations:any",))

    refused = [await till.reserve(line(sku)), await till.get(told["id"]), await till.change("confirm", told["id"])]
    refused += [await reader.reserve(line(sku)), await reader.change("confirm", told["id"])]

    assert [(reply.status, reply.problem) for reply in refused] == [(403, "forbidden")] * 5
    assert (await reader.get(told["id"])).status == 200
    assert (await door.get("/v1/reservations")).status == 401
    assert (await door.get("/v1/reservations", token=till.token)).status == 403


async def test_an_unknown_pool_and_one_outside_the_token_look_the_same(door: Door) -> None:
    anna = basket(door, "anna", pools=["online"])

    replies = [await anna.reserve(pool=pool) for pool in ("vip", "xyz")]

    assert [(reply.status, reply.problem, reply.json()["path"]) for reply in replies] == [
        (404, "not_found", "$.pool")
    ] * 2
    assert replies[0].body.replace(b"vip", b"xyz") == replies[1].body


async def test_a_reservation_of_a_pool_outside_the_token_is_unknown(door: Door) -> None:
    sku = await stocked(door, "VIP-ONLY", LON_KNB=1)
    told = await basket(door, "anna").held(line(sku), pool="vip")

    assert (await basket(door, "anna", pools=["online"]).get(told["id"])).problem == "unknown_reservation"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"locations": ["LON-KNB", "{}"]}, "$.locations[1]"),
        ({"prefer": ["{}"]}, "$.prefer[0]"),
        ({"lines": [line("ANY"), line("ANY", 1, location="{}")]}, "$.lines[1].location"),
    ],
)
async def test_an_unknown_location_and_one_outside_the_token_look_the_same(
    door: Door, fields: dict[str, Any], path: str
) -> None:
    anna = basket(door, "anna", locations=["LON-KNB"])

    for location in ("DC-LYON", "XXX"):
        reply = await anna.again({"id": "x", "pool": "online", "lines": [line("ANY")], **filled(fields, location)})
        assert (reply.status, reply.problem, reply.json()["path"]) == (404, "not_found", path)


def filled(value: Any, location: str) -> Any:
    if isinstance(value, dict):
        return {key: filled(each, location) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, location) for each in value]
    return location if value == "{}" else value


async def test_a_token_for_one_shop_gets_no_other_shops_units(door: Door) -> None:
    sku = await stocked(door, "ELSEWHERE", DC_LYON=5, LON_KNB=1)
    shop = basket(door, "shop", locations=["LON-KNB"])

    told = await shop.held(line(sku))
    more = await shop.reserve(line(sku), kind="checkout")
    anywhere = await shop.change("reallocate", told["id"])

    assert told["lines"][0]["allocations"] == [{"location": "LON-KNB", "quantity": 1}]
    assert [(each.status, each.problem) for each in (more, anywhere)] == [(409, "insufficient")] * 2


async def test_a_clerk_of_one_shop_changes_what_lies_there_and_finds_nothing_elsewhere(door: Door) -> None:
    sku = await stocked(door, "COUNTER", LON_KNB=2, DC_LYON=2)
    service = basket(door, "service", CLERK_SCOPES)
    here, there = (
        await service.held(line(sku), locations=["LON-KNB"]),
        await service.held(line(sku), locations=["DC-LYON"]),
    )
    anywhere = await service.held(line(sku, 1, location="LON-KNB"))
    clerk = basket(door, "clerk", CLERK_SCOPES, locations=["LON-KNB"])

    assert (await clerk.get(there["id"])).problem == "unknown_reservation"
    assert (await clerk.change("reallocate", anywhere["id"])).problem == "forbidden"
    assert (await clerk.changed("fulfil", anywhere["id"]))["state"] == "fulfilled"
    assert (await clerk.changed("confirm", here["id"]))["state"] == "confirmed"


async def test_a_token_without_a_location_takes_nothing(door: Door) -> None:
    sku = await stocked(door, "NOWHERE", LON_KNB=1)

    reply = await basket(door, "anna", locations=["GONE"]).reserve(line(sku))

    assert (reply.status, reply.problem) == (403, "forbidden")
