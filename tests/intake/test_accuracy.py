"""Inventory record accuracy as it is asked for over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.intake.door import Door, line

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
COUNT = """INSERT INTO hub.count_line VALUES
    (0, 1, $1::bigint, 0, $2, $3, $4, $4, 'physical', $5, $6, true, 0, 'counter', 'count-' || $1::bigint)"""
MOVEMENT = """INSERT INTO hub.movement VALUES
    (0, 1, $1::bigint, 0, $2, $3, 'variance', 'customer', $4, 'till-7', 'late-' || $1::bigint, 'sale', null, $5, $5)"""
Count = Callable[..., Awaitable[None]]


@pytest.fixture
async def ledger(database: str, door: Door) -> AsyncIterator[asyncpg.Connection]:
    """A look into the ledger, without the counts of the test before."""
    connection = await asyncpg.connect(database)
    await connection.execute("DELETE FROM hub.count_line")
    await connection.execute("DELETE FROM hub.movement WHERE from_bucket = 'variance'")
    yield connection
    await connection.close()


@pytest.fixture
def count(ledger: asyncpg.Connection) -> Count:
    """Enter a count as if it had been closed."""
    numbers = iter(range(1_000_000, 2_000_000))

    async def enter(sku: str, location: str, counted: int, book: int, *, at: datetime = NOON) -> None:
        await ledger.execute(COUNT, next(numbers), sku, location, at, counted, book)

    return enter


async def accuracy(door: Door, **params: Any) -> Any:
    asked = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"} | params
    token = asked.pop("token", door.till)
    reply = await door.get("/v1/accuracy", token=token, **asked)
    assert reply.status == 200, reply.body
    return reply.json()


async def test_a_variance_is_told_with_its_cause(door: Door, count: Count, ledger: asyncpg.Connection) -> None:
    await count("BAG-NOIR", "LON-KNB", 3, 5)
    await count("WATCH-OR", "LON-KNB", 2, 2)
    await count("BAG-NOIR", "DC-LYON", 9, 8)
    await ledger.execute(MOVEMENT, 3_000_000, "BAG-NOIR", "LON-KNB", 2, NOON - timedelta(hours=1))

    told = await accuracy(door)

    assert (told["items_counted"], told["items_right"], told["accuracy"]) == (3, 1, 33.33)
    assert (told["overs"], told["shorts"], told["tolerance"], told["ledger_behind"]) == (1, 2, 0, False)
    assert (told["from"], told["to"]) == ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z")
    assert told["locations"] == [
        {"location": "DC-LYON", "items_counted": 1, "items_right": 0, "accuracy": 0.0, "overs": 1, "shorts": 0},
        {"location": "LON-KNB", "items_counted": 2, "items_right": 1, "accuracy": 50.0, "overs": 0, "shorts": 2},
    ]
    first, second = told["variances"]
    assert {**first, "event": ""} == {
        "sku": "BAG-NOIR", "location": "LON-KNB", "counted_at": "2026-01-10T12:00:00.000Z", "counted": 3, "book": 5,
        "variance": -2, "explained": -2, "cause": "late_events", "event": "",
        "late_events": [{"source": "till-7", "id": "late-3000000"}],
    }  # fmt: skip
    assert first["event"]["source"] == "counter"
    assert (second["variance"], second["cause"], second["late_events"]) == (1, "unexplained", [])


async def test_a_tolerance_makes_near_right_right(door: Door, count: Count) -> None:
    await count("BAG-NOIR", "LON-KNB", 3, 5)

    assert (await accuracy(door, tolerance=1))["accuracy"] == 0.0
    assert (await accuracy(door, tolerance=2))["accuracy"] == 100.0


async def test_a_new_count_moves_the_figure_at_once(door: Door, count: Count) -> None:
    before = await accuracy(door)
    await count("BAG-NOIR", "LON-KNB", 3, 5)
    after = await accuracy(door)

    assert (before["accuracy"], before["items_counted"]) == (None, 0)
    assert (after["accuracy"], after["items_counted"]) == (0.0, 1)


async def test_a_location_outside_the_claims_does_not_exist(door: Door, count: Count) -> None:
    await count("BAG-NOIR", "LON-KNB", 3, 5)
    await count("BAG-NOIR", "DC-LYON", 5, 5)
    token = door.token(["positions:read"], locations=["DC-LYON"])

    own = await accuracy(door, token=token)
    hidden, none = await accuracy(door, token=token, location="LON-KNB"), await accuracy(door, location="NOWHERE")

    assert [of["location"] for of in own["locations"]] == ["DC-LYON"]
    assert own["variances"] == []
    assert hidden == none
    assert (hidden["items_counted"], hidden["accuracy"]) == (0, None)
    assert (await accuracy(door, location="LON-KNB"))["items_counted"] == 1


async def test_a_category_has_an_accuracy_of_its_own(door: Door, count: Count) -> None:
    await count("WATCH-OR", "LON-KNB", 1, 1)
    await count("BAG-NOIR", "LON-KNB", 3, 5)

    assert (await accuracy(door, category="watches"))["accuracy"] == 100.0
    assert (await accuracy(door, category="hats"))["accuracy"] is None
    assert (await accuracy(door))["accuracy"] == 50.0


async def test_the_last_thirty_days_are_meant_when_no_time_is_named(door: Door, count: Count) -> None:
    now = datetime.now(UTC)
    await count("BAG-NOIR", "LON-KNB", 5, 5, at=now - timedelta(days=29))
    await count("BAG-NOIR", "LON-KNB", 3, 5, at=now - timedelta(days=31))

    reply = await door.get("/v1/accuracy", token=door.till)

    assert reply.json()["items_counted"] == 1


@pytest.mark.parametrize(
    "params",
    [
        {"tolerance": "-1"},
        {"tolerance": "few"},
        {"from": "then"},
        {"to": "2026-02-01"},
        {"from": "2026-02-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"},
    ],
    ids=repr,
)
async def test_a_question_that_cannot_be_read_is_refused(door: Door, params: dict[str, str]) -> None:
    reply = await door.get("/v1/accuracy", token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_the_first_days_of_all_have_no_thirty_before_them(door: Door) -> None:
    reply = await door.get("/v1/accuracy", token=door.till, to="0001-01-02T00:00:00Z")

    assert (reply.status, reply.json()["from"]) == (200, "0001-01-01T00:00:00.000Z")


async def test_only_who_may_read_positions_is_told(door: Door) -> None:
    assert (await door.get("/v1/accuracy")).status == 401
    assert (await door.get("/v1/accuracy", token=door.token(["feed:read"]))).status == 403


async def test_the_gauge_follows_the_counts(
    door: Door, count: Count, until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
) -> None:
    await count("BAG-NOIR", "LON-KNB", 5, 5, at=datetime.now(UTC) - timedelta(hours=1))
    await door.send(door.receipt(line("BAG-NOIR", 1)))

    async def is_told() -> bool:
        reply = await door.get(f"{door.admin}/metrics")
        return b"hub_inventory_record_accuracy_percent 100.0" in reply.body

    await until(is_told)


async def test_a_late_sale_explains_what_a_real_count_found(door: Door, ledger: asyncpg.Connection) -> None:
    now = datetime.now(UTC)
    counted_at = (now - timedelta(minutes=1)).isoformat()
    await door.send(door.receipt(line("REAL", 5), time=(now - timedelta(minutes=9)).isoformat()))
    count = door.event("count", line("REAL", 3), counted_at=counted_at)
    assert (await door.send(count)).json()["status"] == "applied"

    before = (await door.get("/v1/accuracy", token=door.till)).json()
    late = door.sale(line("REAL", 2), time=(now - timedelta(minutes=5)).isoformat())
    await door.send(late)
    after = (await door.get("/v1/accuracy", token=door.till)).json()

    assert (before["items_counted"], before["shorts"], after["shorts"]) == (1, 2, 2)
    [unexplained], [explained] = before["variances"], after["variances"]
    assert (unexplained["variance"], unexplained["explained"], unexplained["cause"]) == (-2, 0, "unexplained")
    assert (explained["variance"], explained["explained"], explained["cause"]) == (-2, -2, "late_events")
    assert explained["event"] == {"source": "till-7", "id": count["id"]}
    assert explained["late_events"] == [{"source": "till-7", "id": late["id"]}]
    assert [position["on_hand"] for position in await door.positions(sku="REAL")] == [3]
