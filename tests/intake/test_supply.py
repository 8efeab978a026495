"""Purchase orders over HTTP: what is said of them, and what is still to come."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.intake.door import Door, line

ETA = "2026-12-01T08:00:00+00:00"


def expected(door: Door, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return door.event("expected", *lines, **{"purchase_order": "PO-1", "eta": ETA, **fields})


async def supply(door: Door, sku: str, **more: Any) -> list[dict[str, Any]]:
    reply = await door.get("/v1/expected", **{"token": door.till, "sku": sku, **more})
    assert reply.status == 200, reply.body
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


async def test_what_is_ordered_is_expected_until_it_arrives(door: Door) -> None:
    event = expected(door, line("ORDERED", 5))

    told = (await door.send(event)).json()

    assert (told["status"], told["lines"]) == ("applied", [{"sku": "ORDERED", "quantity": 5}])
    assert (told["alerts"], told["availability"]) == ([], [])
    assert await door.positions(sku="ORDERED") == []
    assert await supply(door, "ORDERED") == [
        {
            "sku": "ORDERED", "location": "LON-KNB", "purchase_order": "PO-1", "quantity": 5, "received": 0,
            "outstanding": 5, "eta": "2026-12-01T08:00:00.000Z",
        }
    ]  # fmt: skip

    receipt = door.receipt(line("ORDERED", 2), purchase_order="PO-1")
    statuses = [(await door.send(each)).json()["status"] for each in (receipt, receipt, event)]

    assert statuses == ["applied", "duplicate", "duplicate"]
    [item] = await supply(door, "ORDERED")
    assert (item["received"], item["outstanding"]) == (2, 3)
    [position] = await door.positions(sku="ORDERED")
    assert position["free"] == 2


async def test_a_receipt_that_comes_first_has_arrived_and_says_no_eta(door: Door) -> None:
    await door.send(door.receipt(line("EARLY", 2), purchase_order="PO-2"))

    [item] = await supply(door, "EARLY")
    assert (item["quantity"], item["received"], item["outstanding"], item["eta"]) == (0, 2, 0, None)

    await door.send(expected(door, line("EARLY", 3), purchase_order="PO-2"))

    [item] = await supply(door, "EARLY")
    assert (item["quantity"], item["outstanding"]) == (3, 1)


async def test_an_eta_is_a_date_and_not_corrected_as_the_senders_clock_is(door: Door) -> None:
    an_hour_slow = {"Hub-Sent-At": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}

    for sku, eta in [("DATED", ETA), ("NEVER", "9999-12-31T23:59:59.999+00:00")]:
        reply = await door.send(expected(door, line(sku, 1), eta=eta), headers=an_hour_slow)
        assert (reply.status, reply.json()["alerts"][0]["type"]) == (200, "clock_skew")

    etas = [item["eta"] for sku in ("DATED", "NEVER") for item in await supply(door, sku)]
    assert etas == ["2026-12-01T08:00:00.000Z", "9999-12-31T23:59:59.999Z"]


async def test_a_receipt_without_a_purchase_order_is_no_supply(door: Door) -> None:
    await door.send(door.receipt(line("PLAIN", 2)))

    assert await supply(door, "PLAIN") == []


async def test_a_sku_is_asked_for_by_any_of_its_names(door: Door) -> None:
    await door.send(expected(door, line("3607340000002", 4)))

    assert [item["sku"] for item in await supply(door, "3607340000002")] == ["BAG-ROUGE"]


async def test_only_places_of_the_token_are_told_and_set(door: Door) -> None:
    narrow = door.token(locations=["LON-KNB"])
    await door.send(expected(door, line("PLACES", 1)))
    await door.send(expected(door, line("PLACES", 1), location="DC-LYON"))

    refused = await door.send(expected(door, line("PLACES", 1), location="DC-LYON"), token=narrow)

    assert (refused.status, refused.problem) == (403, "forbidden")
    assert [item["location"] for item in await supply(door, "PLACES")] == ["DC-LYON", "LON-KNB"]
    assert [item["location"] for item in await supply(door, "PLACES", token=narrow)] == ["LON-KNB"]
    assert await supply(door, "PLACES", token=door.token(("positions:read",), locations=["DXB-MALL"])) == []


async def test_a_long_list_comes_in_pages(door: Door) -> None:
    events = [expected(door, line("PAGES", 1), purchase_order=f"PO-{n}") for n in range(5)]
    await door.send(events)
    found: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        reply = (await door.get("/v1/expected", token=door.till, sku="PAGES", limit=2, **cursor)).json()
        found += [item["purchase_order"] for item in reply["items"]]
        cursor = {"cursor": reply["next"]}

    assert found == [f"PO-{n}" for n in range(5)]
    assert reply["next"] is None


async def test_an_unknown_place_is_parked_and_an_unknown_sku_expected(door: Door) -> None:
    parked = await door.send(expected(door, line("NOWHERE", 1), location="ROME"))

    assert (parked.status, parked.json()["status"]) == (202, "parked")
    assert await supply(door, "NOWHERE") == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"purchase_order": ...}, "$"),
        ({"purchase_order": ""}, "$.purchase_order"),
        ({"eta": ...}, "$"),
        ({"eta": "soon"}, "$.eta"),
        ({"eta": "2026-12-01T08:00:00"}, "$.eta"),
        ({"location": ...}, "$"),
        ({"lines": []}, "$.lines"),
        ({"lines": [line("A", -1)]}, "$.lines[0].quantity"),
        ({"lines": [line("A", 1_000_001)]}, "$.lines[0].quantity"),
        ({"pool": "online"}, "$"),
    ],
    ids=repr,
)
async def test_a_purchase_order_that_cannot_be_read_is_refused(door: Door, change: Any, path: str) -> None:
    reply = await door.send(expected(door, **change))

    assert (reply.status, reply.problem) == (400, "malformed")
    assert reply.json()["problem"]["path"] == path


@pytest.mark.parametrize(
    "params", [{}, {"sku": ""}, {"sku": "x" * 129}, {"sku": "A", "limit": "0"}, {"sku": "A", "cursor": "?"}], ids=repr
)
async def test_a_question_that_cannot_be_read_is_refused(door: Door, params: dict[str, str]) -> None:
    reply = await door.get("/v1/expected", token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_what_is_expected_needs_its_scope(door: Door) -> None:
    assert (await door.get("/v1/expected", sku="A")).status == 401
    assert (await door.get("/v1/expected", sku="A", token=door.token(("events:write",)))).status == 403
