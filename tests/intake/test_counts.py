"""Counts at the door: each is true as of its own time, whatever happened before or after it and comes when it may."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.embedded.servers import EmbeddedServers
from tests.conftest import until_holds
from tests.databases import closed_database
from tests.intake.conftest import PATIENT
from tests.intake.door import Door, line, open_door, settings_in

HOUR = timedelta(hours=1)


def ago(span: timedelta) -> str:
    return (datetime.now(UTC) - span).isoformat()


async def told(door: Door, event: dict[str, Any]) -> dict[str, Any]:
    reply = await door.send(event)
    assert reply.status == 200, reply.body
    answer: dict[str, Any] = reply.json()
    return answer


async def position(door: Door, sku: str) -> dict[str, Any]:
    [found] = await door.positions(sku=sku)
    return found


def count(door: Door, *lines: dict[str, Any], counted: timedelta = timedelta(), **fields: Any) -> dict[str, Any]:
    return door.event("count", *lines, counted_at=ago(counted), **fields)


async def test_a_count_makes_the_shelf_what_was_counted_and_its_answer_shows_it(door: Door) -> None:
    await told(door, door.receipt(line("COUNT-1", 3)))

    answer = await told(door, count(door, line("COUNT-1", 2)))

    assert answer["lines"] == [{"sku": "COUNT-1", "quantity": 2}]
    assert {item["pool"]: item.get("available") for item in answer["availability"]}["online"] == 2
    found = await position(door, "COUNT-1")
    assert (found["on_hand"], found["free"], found["deficit"]) == (2, 2, 0)


async def test_a_count_again_is_told_its_first_answer_and_changes_nothing(door: Door) -> None:
    event = count(door, line("COUNT-2", 2))
    first = await told(door, event)
    await told(door, door.sale(line("COUNT-2", 1)))

    again = await told(door, event)

    assert (again["status"], again["lines"], again["alerts"]) == ("duplicate", first["lines"], first["alerts"])
    assert (await position(door, "COUNT-2"))["on_hand"] == 1


# Two bags lie there; one is sold an hour before or half an hour after they are counted, which is 45 minutes ago.
@pytest.mark.parametrize("arrives", ["before", "after"])
@pytest.mark.parametrize(("sold", "counted_units"), [(2 * HOUR, 1), (HOUR / 2, 2)], ids=["before", "after"])
async def test_a_sale_before_or_after_the_count_that_arrives_before_or_after_it(
    door: Door, sold: timedelta, counted_units: int, arrives: str
) -> None:
    sku = f"STORY-{sold.seconds}-{arrives}"
    await told(door, door.receipt(line(sku, 2), time=ago(3 * HOUR)))
    sale = door.sale(line(sku, 1), time=ago(sold))
    counting = count(door, line(sku, counted_units), counted=HOUR * 0.75)

    for event in [sale, counting] if arrives == "before" else [counting, sale]:
        await told(door, event)

    found = await position(door, sku)
    assert (found["on_hand"], found["free"], found["deficit"]) == (1, 1, 0)


async def test_the_phantom_unit_never_appears_while_an_offline_tills_sales_come_in_late(door: Door) -> None:
    await told(door, door.receipt(line("PHANTOM", 3), time=ago(9 * HOUR)))
    await told(door, count(door, line("PHANTOM", 1), counted=4 * HOUR))
    late = [door.sale(line("PHANTOM", 1), time=ago(hours * HOUR)) for hours in (6, 5)]

    seen = []
    for event in late:
        await told(door, event)
        seen.append((await position(door, "PHANTOM"))["on_hand"])

    assert seen == [1, 1]
    await told(door, door.sale(line("PHANTOM", 1), time=ago(3 * HOUR)))
    found = await position(door, "PHANTOM")
    assert (found["on_hand"], found["deficit"]) == (0, 0)


async def test_an_older_count_that_comes_later_leaves_the_shelf_alone(door: Door) -> None:
    await told(door, count(door, line("OLDER", 5), counted=HOUR))

    await told(door, count(door, line("OLDER", 9), counted=2 * HOUR))

    assert (await position(door, "OLDER"))["on_hand"] == 5


async def test_a_complete_count_finds_nothing_of_what_it_does_not_list(door: Door) -> None:
    place = {"location": "DXB-MALL"}
    await told(door, door.receipt(line("LISTED", 2), line("UNLISTED", 2), line("ALSO-UNLISTED", 1), **place))

    await told(door, count(door, line("LISTED", 1), complete=True, **place))

    left = {found["sku"]: found["on_hand"] for found in await door.positions(location="DXB-MALL")}
    assert left["LISTED"] == 1
    assert {left["UNLISTED"], left["ALSO-UNLISTED"]} == {0}


async def test_a_complete_count_without_lines_says_that_the_shelf_is_empty(door: Door) -> None:
    place = {"location": "DXB-MALL"}
    await told(door, door.receipt(line("ONE-THERE", 2), line("OTHER-THERE", 1), **place))

    answer = await told(door, {**count(door, complete=True, **place), "lines": []})

    assert answer["lines"] == []
    assert {found["on_hand"] for found in await door.positions(**place)} == {0}
    refused = await door.send({**count(door), "lines": []})
    assert refused.problem == "malformed"
    assert "complete" in refused.json()["detail"]


async def test_a_complete_count_is_named_by_all_that_it_did_not_find(door: Door) -> None:
    place = {"location": "DXB-MALL"}
    await told(door, door.receipt(line("FOUND", 1), line("NOT-FOUND", 2), **place))
    event = count(door, line("FOUND", 1), complete=True, **place)

    await told(door, event)

    reply = await door.get("/v1/accuracy", token=door.till, **place)
    [missing] = [each for each in reply.json()["variances"] if each["sku"] == "NOT-FOUND"]
    assert (missing["variance"], missing["event"]) == (-2, {"source": "till-7", "id": event["id"]})


async def test_the_answer_to_a_count_has_the_differences_that_its_closing_found(door: Door) -> None:
    await told(door, door.receipt(line("DIFFERS", 3)))

    answer = await told(door, count(door, line("DIFFERS", 1)))

    assert answer["counting"] == "closed"
    assert answer["alerts"][0] == {"type": "discrepancy", "sku": "DIFFERS", "location": "LON-KNB", "quantity": 2}


async def test_a_count_that_is_still_open_says_so_and_told_again_anywhere_has_the_differences(
    door: Door, database: str, servers: EmbeddedServers, tmp_path: Path
) -> None:
    await told(door, door.receipt(line("LATER", 3)))
    event = count(door, line("LATER", 1))
    stores: dict[str, Any] = {"redis_url": servers.redis_url, "dsn": database}
    hasty_settings = settings_in(tmp_path, **stores, extra="[limits]\nledger_wait_ms = 1\n")
    async with open_door(hasty_settings) as hasty, closed_database(database):
        reply = await hasty.send(event)
        assert (reply.status, reply.json()["counting"], reply.json()["alerts"]) == (202, "open", [])

    async def is_closed() -> bool:
        return bool((await position(door, "LATER"))["on_hand"] == 1)

    await until_holds(is_closed)
    # One that was not there when it was counted asks the ledger.
    async with open_door(settings_in(tmp_path, **stores, extra=PATIENT)) as fresh:
        again = await told(fresh, event)
    assert (again["status"], again["counting"]) == ("duplicate", "closed")
    assert again["alerts"][0] == {"type": "discrepancy", "sku": "LATER", "location": "LON-KNB", "quantity": 2}
    assert "counting" not in await told(door, door.receipt(line("LATER", 1)))


async def test_a_count_settles_what_was_owed(door: Door) -> None:
    await told(door, door.sale(line("OWED", 2)))

    await told(door, count(door, line("OWED", 1)))

    found = await position(door, "OWED")
    assert (found["on_hand"], found["deficit"]) == (1, 0)


async def test_a_unit_counted_in_two_places_of_the_shop_is_counted_twice(door: Door) -> None:
    await told(door, count(door, line("SHELF-AND-BACK", 1), line("SHELF-AND-BACK", 2)))

    assert (await position(door, "SHELF-AND-BACK"))["on_hand"] == 3


async def test_a_count_of_the_future_counts_as_of_now(door: Door) -> None:
    await told(door, door.event("count", line("AHEAD", 2), counted_at=ago(-24 * HOUR)))

    await told(door, door.sale(line("AHEAD", 1)))

    assert (await position(door, "AHEAD"))["on_hand"] == 1
