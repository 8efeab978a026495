"""Reservations over HTTP: held, extended, confirmed, released, fulfilled, found elsewhere; and what is denied."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

from tests.intake.door import Door, line
from tests.intake.reserving import CLERK_SCOPES, available, basket, stocked

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def seconds_left(told: dict[str, Any]) -> float:
    return (datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)).total_seconds()


async def test_what_is_reserved_is_held_and_no_longer_shown(door: Door) -> None:
    sku = await stocked(door, "HELD", LON_KNB=3)
    anna = basket(door, "anna")

    told = await anna.held(line(sku, 2), id="held-1", order="W-7", tags=["gift"])

    expires_at = told.pop("expires_at")
    assert told == {
        "id": "held-1",
        "state": "held",
        "pool": "online",
        "kind": "cart",
        "owner": "anna",
        "order": "W-7",
        "lines": [{"sku": "HELD", "quantity": 2, "allocations": [{"location": "LON-KNB", "quantity": 2}]}],
        "tags": ["gift"],
    }
    assert 890 < seconds_left({"expires_at": expires_at}) <= 901
    assert await available(door, sku) == 1
    [position] = await door.positions(sku=sku)
    assert (position["free"], position["reserved"], position["on_hand"]) == (1, 2, 3)
    assert (await anna.get("held-1")).json() == {name: value for name, value in told.items() if name != "tags"} | {
        "expires_at": expires_at
    }


async def test_a_basket_is_held_whole_or_not_at_all_and_the_shortage_is_told_as_shown(door: Door) -> None:
    some, few = await stocked(door, "SOME", LON_KNB=40), await stocked(door, "FEW", LON_KNB=1)

    reply = await basket(door, "anna").reserve(line(some, 2), line(few, 2), line("NONE", 1), id="short-1")

    assert (reply.status, reply.problem) == (409, "insufficient")
    assert reply.json()["shortages"] == [
        {"sku": "FEW", "requested": 2, "available": 1},
        {"sku": "NONE", "requested": 1, "available": 0},
    ]
    assert (await basket(door, "anna").get("short-1")).problem == "unknown_reservation"
    assert (await door.positions(sku=some))[0]["reserved"] == 0

    # A refused id stays refused.
    await stocked(door, few, LON_KNB=5)
    await stocked(door, "NONE", LON_KNB=5)
    again = await basket(door, "anna").reserve(line(some, 2), line(few, 2), line("NONE", 1), id="short-1")
    assert (again.status, again.json()["shortages"]) == (409, reply.json()["shortages"])


async def test_a_shortage_is_capped_and_tells_no_number_where_the_pool_shows_none(door: Door) -> None:
    sku = await stocked(door, "COUNTED", LON_KNB=15)
    anna = basket(door, "anna")

    capped, hidden = await anna.reserve(line(sku, 16)), await anna.reserve(line(sku, 16), pool="gulf")

    assert capped.json()["shortages"] == [{"sku": sku, "requested": 16, "available": 10}]
    assert hidden.json()["shortages"] == [{"sku": sku, "requested": 16}]


async def test_the_same_request_again_answers_the_present_state_and_another_content_is_a_conflict(door: Door) -> None:
    sku = await stocked(door, "AGAIN", LON_KNB=3)
    anna = basket(door, "anna")
    body = {"id": "again-1", "pool": "online", "lines": [line(sku)]}
    first = await anna.again(body)

    await anna.changed("confirm", "again-1")
    # A default written out and the owner named are the same content.
    second = await anna.again({**body, "kind": "cart", "split": False, "prefer": None, "owner": "anna"})
    third = await anna.again({**body, "lines": [line(sku, 2)]})
    by_another = await basket(door, "bert").again(body)

    assert (first.status, first.json()["state"]) == (201, "held")
    assert (second.status, second.json()["state"], second.json()["expires_at"]) == (201, "confirmed", None)
    assert [(reply.status, reply.problem) for reply in (third, by_another)] == [(409, "conflict")] * 2
    assert (await door.positions(sku=sku))[0]["reserved"] == 1


async def test_a_confirmed_reservation_does_not_end_by_itself_and_is_fulfilled_once(door: Door) -> None:
    sku = await stocked(door, "SOLD", LON_KNB=2)
    anna = basket(door, "anna")
    told = await anna.held(line(sku))

    confirmed = await anna.changed("confirm", told["id"])
    twice = await anna.changed("confirm", told["id"])
    fulfilled = await anna.changed("fulfil", told["id"])
    again = await anna.changed("fulfil", told["id"])

    assert confirmed == twice
    assert (confirmed["state"], confirmed["expires_at"]) == ("confirmed", None)
    assert confirmed["lines"] == [
        {"sku": sku, "quantity": 1, "allocations": [{"location": "LON-KNB", "quantity": 1}], "confirmed": 1}
    ]
    assert fulfilled == again
    assert fulfilled["lines"] == [{"sku": sku, "quantity": 1, "allocations": [], "fulfilled": 1}]
    [position] = await door.positions(sku=sku)
    assert (position["on_hand"], position["reserved"], position["free"]) == (1, 0, 1)


async def test_what_is_released_is_shown_again_and_what_ended_takes_no_more_requests(door: Door) -> None:
    sku = await stocked(door, "GIVEN", LON_KNB=2)
    anna = basket(door, "anna")
    released, sold = await anna.held(line(sku)), await anna.held(line(sku), kind="checkout")
    await anna.changed("fulfil", sold["id"])

    first = await anna.changed("release", released["id"])

    assert (first["state"], first["lines"][0]["released"]) == ("released", 1)
    assert await anna.changed("release", released["id"]) == first
    assert await available(door, sku) == 1
    for verb, id in [
        ("confirm", released["id"]),
        ("extend", released["id"]),
        ("fulfil", released["id"]),
        ("reallocate", released["id"]),
        ("release", sold["id"]),
        ("extend", sold["id"]),
    ]:
        reply = await anna.change(verb, id)
        assert (reply.status, reply.problem) == (409, "ended"), verb


async def test_some_units_are_confirmed_and_the_same_request_again_changes_nothing(door: Door) -> None:
    sku = await stocked(door, "PARTS", LON_KNB=4)
    anna = basket(door, "anna")
    id = (await anna.held(line(sku, 4)))["id"]
    one = {"lines": [line(sku, 1)]}

    first = await anna.changed("confirm", id, one)
    again = await anna.changed("confirm", id, one)
    another = await anna.changed("confirm", id, {**one, "id": "second"})
    repeated = await anna.changed("confirm", id, {**one, "id": "second"})
    released = await anna.changed("release", id, one)
    too_many = await anna.change("fulfil", id, {"lines": [line(sku, 4)]})

    assert (first["state"], first["lines"][0]["confirmed"]) == ("held", 1)
    assert again == first
    assert another == repeated
    assert another["lines"][0]["confirmed"] == 2
    # What is merely held goes first.
    assert released["lines"][0]["released"] == 1
    assert released["lines"][0]["quantity"] == 4
    assert (too_many.status, too_many.problem) == (409, "not_held")
    assert (await door.positions(sku=sku))[0]["reserved"] == 3


async def test_an_extension_counts_from_now_and_its_kind_says_how_long(door: Door) -> None:
    sku = await stocked(door, "LONGER", LON_KNB=2)
    anna = basket(door, "anna")
    told = await anna.held(line(sku, 2), ttl_seconds=60)

    usual = await anna.changed("extend", told["id"])
    stated = await anna.changed("extend", told["id"], {"ttl_seconds": 3_600})
    some = await anna.changed("extend", told["id"], {"ttl_seconds": 30, "lines": [line(sku, 1)]})
    too_long = await anna.change("extend", told["id"], {"ttl_seconds": 3_601})

    assert 55 < seconds_left(told) <= 61
    assert 890 < seconds_left(usual) <= 901
    assert 3_590 < seconds_left(stated) <= 3_601
    # The first of its units decide.
    assert 20 < seconds_left(some) <= 31
    assert (too_long.status, too_long.problem, too_long.json()["path"]) == (422, "out_of_range", "$.ttl_seconds")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"kind": "trunk-show"}, "$.kind"),
        ({"ttl_seconds": 3_601}, "$.ttl_seconds"),
        ({"kind": "fraud_hold", "ttl_seconds": 8 * 86_400}, "$.ttl_seconds"),
    ],
)
async def test_a_kind_that_does_not_exist_and_a_longer_time_than_it_allows_are_422(
    door: Door, fields: dict[str, Any], path: str
) -> None:
    reply = await basket(door, "anna").reserve(**fields)

    assert (reply.status, reply.problem, reply.json()["path"]) == (422, "out_of_range", path)


@pytest.mark.parametrize("kind", ["cart", "checkout", "fraud_hold", "appointment"])
async def test_every_built_in_kind_allows_ten_minutes(door: Door, kind: str) -> None:
    sku = await stocked(door, f"KIND-{kind}", LON_KNB=1)

    told = await basket(door, "anna").held(line(sku), kind=kind, ttl_seconds=600)

    assert (told["kind"], told["state"]) == (kind, "held")


async def test_the_owners_next_basket_takes_the_place_of_the_last_and_is_not_blocked_by_it(door: Door) -> None:
    sku = await stocked(door, "LAST-TWO", LON_KNB=2)
    anna = basket(door, "anna-2")
    first = await anna.held(line(sku, 2))

    second = await anna.held(line(sku, 1))
    refused = await anna.reserve(line(sku, 3))

    assert (await anna.get(first["id"])).json()["state"] == "released"
    assert (refused.status, refused.json()["shortages"]) == (409, [{"sku": sku, "requested": 3, "available": 2}])
    # What is refused leaves the old one as it is.
    assert (await anna.get(second["id"])).json()["state"] == "held"
    assert await available(door, sku) == 1


async def test_a_confirmed_basket_another_kind_and_a_service_for_all_replace_nothing(door: Door) -> None:
    sku = await stocked(door, "APART", LON_KNB=9)
    anna, service = basket(door, "anna-3"), basket(door, "service", CLERK_SCOPES)
    confirmed = await anna.held(line(sku))
    await anna.changed("confirm", confirmed["id"])
    cart, checkout = await anna.held(line(sku)), await anna.held(line(sku), kind="checkout")
    own, other = await service.held(line(sku)), await service.held(line(sku))
    first, second = await service.held(line(sku), owner="carl"), await service.held(line(sku), owner="carl")

    states = [
        (await service.get(each["id"])).json()["state"]
        for each in (confirmed, cart, checkout, own, other, first, second)
    ]

    assert states == ["confirmed", "held", "held", "held", "held", "released", "held"]
    assert second["owner"] == "carl"


async def test_units_come_from_where_is_asked_and_from_one_place_before_several(door: Door) -> None:
    sku = await stocked(door, "PLACED", LON_KNB=2, DC_LYON=2)
    anna = basket(door, "anna-4", CLERK_SCOPES)

    async def places(*lines: dict[str, Any], **fields: Any) -> list[tuple[str, int]]:
        told = await anna.held(*(lines or [line(sku)]), **fields)
        await anna.changed("release", told["id"])
        return [(each["location"], each["quantity"]) for each in told["lines"][0]["allocations"]]

    assert await places(locations=["DC-LYON"]) == [("DC-LYON", 1)]
    assert await places(prefer=["DC-LYON"]) == [("DC-LYON", 1)]
    assert await places(line(sku, 1, location="DC-LYON")) == [("DC-LYON", 1)]
    assert sorted(await places(line(sku, 3), split=True)) in (
        [("DC-LYON", 1), ("LON-KNB", 2)],
        [("DC-LYON", 2), ("LON-KNB", 1)],
    )
    whole = await anna.reserve(line(sku, 3))
    assert (whole.status, whole.problem) == (409, "insufficient")


async def test_what_a_shop_cannot_find_is_held_elsewhere_and_looked_for(door: Door) -> None:
    sku = await stocked(door, "LOST", LON_KNB=1, DC_LYON=1)
    anna = basket(door, "anna-5")
    told = await anna.held(line(sku), prefer=["LON-KNB"])

    moved = await anna.changed("reallocate", told["id"])
    nowhere = await anna.change("reallocate", told["id"], {"id": "again"})

    assert moved["lines"][0]["allocations"] == [{"location": "DC-LYON", "quantity": 1}]
    assert moved["expires_at"] == told["expires_at"]
    assert (nowhere.status, nowhere.problem) == (409, "insufficient")
    aside = {each["location"]: each["aside"] for each in await door.positions(sku=sku)}
    assert aside["LON-KNB"] == {"inspection": 1}


async def test_units_are_found_elsewhere_once_however_often_the_same_request_comes(door: Door) -> None:
    sku = await stocked(door, "ONCE", LON_KNB=2, DC_LYON=1)
    anna = basket(door, "anna-once")
    id = (await anna.held(line(sku), prefer=["LON-KNB"]))["id"]

    first = await anna.changed("reallocate", id)
    again = await anna.changed("reallocate", id)

    assert again == first
    assert sum(each["aside"].get("inspection", 0) for each in await door.positions(sku=sku)) == 1
    another = await anna.changed("reallocate", id, {"id": "second"})
    repeated = await anna.changed("reallocate", id, {"id": "second"})

    assert first["lines"][0]["allocations"] == [{"location": "DC-LYON", "quantity": 1}]
    # One more lies where the first was not found.
    assert another["lines"][0]["allocations"] == [{"location": "LON-KNB", "quantity": 1}]
    assert repeated == another
    assert sum(each["aside"].get("inspection", 0) for each in await door.positions(sku=sku)) == 2


async def test_what_is_over_is_given_back_soon_and_a_late_confirm_takes_it_again_if_it_can(
    door: Door, until: Until
) -> None:
    sku = await stocked(door, "OVER", LON_KNB=1)
    anna = basket(door, "anna-6")
    told = await anna.held(line(sku), ttl_seconds=1)

    async def is_shown_again() -> bool:
        return await available(door, sku) == 1

    await until(is_shown_again)
    over = (await anna.get(told["id"])).json()
    extended = await anna.change("extend", told["id"])
    confirmed = await anna.changed("confirm", told["id"])

    assert (over["state"], over["expires_at"]) == ("expired", None)
    assert over["lines"] == [{"sku": sku, "quantity": 1, "allocations": [], "expired": 1}]
    assert (extended.status, extended.problem) == (409, "expired")
    assert (confirmed["state"], confirmed["lines"][0]["confirmed"]) == ("confirmed", 1)
    assert await available(door, sku) == 0


async def test_a_late_confirm_of_what_somebody_else_took_is_denied(door: Door, until: Until) -> None:
    sku = await stocked(door, "TAKEN", LON_KNB=1)
    anna = basket(door, "anna-7")
    told = await anna.held(line(sku), ttl_seconds=1)

    async def is_taken() -> bool:
        return (await basket(door, "bert-7").reserve(line(sku), kind="checkout")).status == 201

    await until(is_taken)
    reply = await anna.change("confirm", told["id"])

    assert (reply.status, reply.problem) == (409, "expired")


async def test_a_till_sale_that_names_a_reservation_takes_what_was_held(door: Door) -> None:
    sku = await stocked(door, "COLLECTED", LON_KNB=1, DC_LYON=1)
    anna = basket(door, "anna-8")
    told = await anna.held(line(sku), locations=["DC-LYON"])

    # Collected at the counter, from the shop's own shelf; the till does not own it.
    reply = await door.send(door.sale(line(sku), reservation=told["id"]))

    assert (reply.status, reply.json()["alerts"]) == (200, reply.json()["alerts"])
    assert (await anna.get(told["id"])).json()["state"] == "fulfilled"
    units = {each["location"]: (each["free"], each["reserved"]) for each in await door.positions(sku=sku)}
    assert units == {"LON-KNB": (0, 0), "DC-LYON": (1, 0)}


async def test_a_sale_of_units_that_are_held_breaks_the_reservation(door: Door) -> None:
    sku = await stocked(door, "BROKEN", LON_KNB=1)
    anna = basket(door, "anna-9")
    told = await anna.held(line(sku))

    reply = await door.send(door.sale(line(sku)))

    assert "reservation_broken" in [alert["type"] for alert in reply.json()["alerts"]]
    broken = (await anna.get(told["id"])).json()
    assert (broken["state"], broken["lines"][0]["broken"]) == ("broken", 1)


async def test_a_sku_is_known_by_any_of_its_names(door: Door) -> None:
    await stocked(door, "BAG-ROUGE", LON_KNB=2)
    anna = basket(door, "anna-10")

    told = await anna.held(line("3607340000002", 2))
    some = await anna.changed("release", told["id"], {"lines": [line("3607340000002", 1)]})

    assert told["lines"][0]["sku"] == "BAG-ROUGE"
    assert some["lines"][0]["released"] == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"[]", "$"),
        ({"id": "x", "pool": "online"}, "$"),
        ({"id": "x", "pool": "online", "lines": []}, "$.lines"),
        ({"id": "x", "pool": "online", "lines": [line("A", 0)]}, "$.lines[0].quantity"),
        ({"id": "x", "pool": "online", "lines": [line("A")], "ttl": 5}, "$"),
        ({"id": "x", "pool": "online", "lines": [line("A")], "ttl_seconds": 0}, "$.ttl_seconds"),
        ({"id": "x", "pool": "online", "lines": [line("A", to="free")]}, "$.lines[0]"),
        ({"id": "x", "pool": "online", "lines": [line("A")], "tags": ["t"] * 17}, "$.tags"),
        ({"id": "x", "pool": "online", "lines": [line("A")], "locations": []}, "$.locations"),
    ],
)
async def test_what_cannot_be_read_is_told_with_its_path(door: Door, body: Any, path: str) -> None:
    reply = await basket(door, "anna").again(body)

    assert (reply.status, reply.problem, reply.json().get("path")) == (400, "malformed", path)


async def test_a_change_takes_only_its_own_fields_and_only_verbs_that_exist(door: Door) -> None:
    sku = await stocked(door, "STRICT", LON_KNB=1)
    anna = basket(door, "anna-11")
    id = (await anna.held(line(sku)))["id"]

    assert (await anna.change("confirm", id, {"ttl_seconds": 5})).problem == "malformed"
    assert (await anna.change("confirm", id, {"lines": []})).problem == "malformed"
    assert (await anna.change("cancel", id)).status == 404
    assert (await anna.get(id)).json()["state"] == "held"


async def test_an_id_is_any_text_and_stands_escaped_in_a_path(door: Door) -> None:
    sku = await stocked(door, "SLASHED", LON_KNB=1)
    anna = basket(door, "anna-12")
    await anna.held(line(sku), id="web/7 ü%{x}")

    told = await anna.changed("confirm", quote("web/7 ü%{x}", safe=""))

    assert (told["id"], told["state"]) == ("web/7 ü%{x}", "confirmed")
    assert (await anna.get("%00")).problem == "unknown_reservation"


async def test_a_basket_of_a_hundred_lines_is_held(door: Door) -> None:
    skus = [f"WIDE-{number}" for number in range(100)]
    await door.send([door.receipt(line(sku)) for sku in skus])
    anna = basket(door, "anna-13")

    told = await anna.held(*map(line, skus))
    too_many = await anna.reserve(*map(line, [*skus, "WIDE-100"]))

    assert [each["sku"] for each in told["lines"]] == skus
    assert (too_many.problem, too_many.json()["path"]) == ("malformed", "$.lines")
    assert (await anna.changed("release", told["id"]))["state"] == "released"
