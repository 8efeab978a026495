"""What names nobody knows is kept whole, shown to people, and booked once it is mended."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.intake.door import Door, line


@pytest.fixture
def admin(door: Door) -> str:
    return door.token(["admin"])


@pytest.fixture
async def ledger(database: str, door: Door) -> AsyncIterator[asyncpg.Connection]:
    """A look into the ledger, without what the test before parked."""
    connection = await asyncpg.connect(database)
    await connection.execute("DELETE FROM hub.event WHERE kind = 'parked'")
    yield connection
    await connection.close()


async def parked(door: Door, **params: Any) -> Any:
    reply = await door.get("/v1/parked", **{"token": door.till, **params})
    assert reply.status == 200, reply.body
    return reply.json()


@pytest.mark.parametrize(
    ("changes", "unknown"),
    [
        ({"location": "PAR-NEW"}, ["location PAR-NEW"]),
        ({"type": "sale", "location": "PAR-NEW", "pool": "spring"}, ["location PAR-NEW", "pool spring"]),
        (
            {
                "type": "return",
                "lines": [line("A", 1, to="repair"), line("B", 1, to="repair"), line("C", 1, to="free")],
            },
            ["status repair"],
        ),
        (
            {"type": "adjustment", "reason": "found", "location": "PAR-NEW", "lines": [line("A", 1, bucket="display")]},
            ["location PAR-NEW", "status display"],
        ),
    ],
    ids=str,
)
async def test_the_answer_names_what_is_unknown(door: Door, changes: dict[str, Any], unknown: list[str]) -> None:
    event = door.receipt() | changes

    first, again = await door.send(event), await door.send(event)

    for reply in (first, again):
        told = reply.json()
        assert (reply.status, told["status"], told["unknown"]) == (202, "parked", unknown)


async def test_what_is_dismissed_waits_no_more_and_the_journal_says_who_said_so(
    door: Door, ledger: asyncpg.Connection, admin: str
) -> None:
    event = door.receipt(location="PAR-NEW")
    await door.send(event)
    path = f"/v1/parked/till-7/{event['id']}"

    forbidden = await door.ask("DELETE", path, token=door.till)
    first, again = [await door.ask("DELETE", path, token=admin) for _ in range(2)]
    repeated = await door.send(event)

    assert (forbidden.status, forbidden.problem) == (403, "forbidden")
    assert first.json() == again.json() == {"source": "till-7", "id": event["id"], "status": "dismissed"}
    assert repeated.json()["status"] == "parked"
    assert event["id"] not in [item["id"] for item in (await parked(door))["items"]]
    rows = await ledger.fetch("SELECT id, payload FROM hub.event WHERE kind = 'dismissed'")
    assert [tuple(row) for row in rows] == [(event["id"], '{"by":"till-7"}')]


async def test_what_is_not_parked_cannot_be_dismissed(door: Door, admin: str) -> None:
    event = door.receipt()
    await door.send(event)

    booked = await door.ask("DELETE", f"/v1/parked/till-7/{event['id']}", token=admin)
    unknown = await door.ask("DELETE", "/v1/parked/till-7/never", token=admin)

    assert (booked.status, booked.problem, unknown.status) == (404, "not_found", 404)
    assert "because it was booked" in booked.json()["detail"]


async def test_an_applied_event_names_nothing_unknown(door: Door) -> None:
    assert "unknown" not in (await door.send(door.receipt())).json()


async def test_what_is_parked_is_shown_whole(door: Door, ledger: asyncpg.Connection) -> None:
    event = door.receipt(line("BAG-NOIR", 2), location="PAR-NEW", tags=["spring"])
    await door.send(event)

    told = await parked(door)

    [item] = told["items"]
    assert told["next"] is None
    assert (item["source"], item["id"], item["type"]) == ("till-7", event["id"], "receipt")
    assert item["unknown"] == ["location PAR-NEW"]
    assert item["event"]["lines"] == event["lines"]
    assert item["event"]["tags"] == ["spring"]
    assert item["time"] <= item["booked_at"]


async def test_everybody_sees_only_what_it_may(door: Door, ledger: asyncpg.Connection, admin: str) -> None:
    await door.send(door.receipt(location="PAR-NEW"))
    shop = door.token(["events:write"], sub="shop")
    await door.send(door.receipt(location="NYC-NEW"), token=shop)

    async def sources(token: str, **params: Any) -> list[str]:
        return [item["source"] for item in (await parked(door, token=token, **params))["items"]]

    assert await sources(admin) == ["till-7", "shop"]
    assert await sources(admin, source="shop") == ["shop"]
    assert await sources(shop) == ["shop"]
    assert await sources(shop, source="till-7") == []
    assert await sources(door.token(["events:write"], sub="shop", locations=["PAR-NEW"])) == []
    assert await sources(door.token(["events:write"], sub="shop", locations=["NYC-NEW"])) == ["shop"]


async def test_nobody_else_is_told(door: Door) -> None:
    assert (await door.get("/v1/parked")).status == 401
    assert (await door.get("/v1/parked", token=door.token(["positions:read"]))).status == 403
    assert (await door.post("/v1/parked/replay", b"", token=door.till)).status == 403


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_a_long_list_comes_page_by_page(door: Door, ledger: asyncpg.Connection, admin: str, limit: int) -> None:
    events = [door.receipt(location=place) for place in ("PAR-NEW", "PAR-NEW", "NYC-NEW", "PAR-NEW", "PAR-NEW")]
    await door.send(events)

    seen: list[str] = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = await parked(door, token=admin, **params)
        assert len(page["items"]) <= limit
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]

    assert seen == [event["id"] for event in events]


@pytest.mark.parametrize("cursor", ["x", "WyJ0aWxsLTciLCJub25lIiwxXQ==", "WyJ0aWxsLTciLCJub25lIiwxZTk5XQ==", "é"])
async def test_a_foreign_cursor_is_refused(door: Door, cursor: str) -> None:
    reply = await door.get("/v1/parked", token=door.till, cursor=cursor)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_a_replay_books_what_is_known_and_leaves_the_rest(
    door: Door, ledger: asyncpg.Connection, admin: str
) -> None:
    await door.send(door.receipt(location="PAR-NEW"))
    # As if it had been parked when the house did not know Dubai.
    await door.send(event := door.receipt(line("MENDED", 2), location="PAR-NEW"))
    assert len((await parked(door))["items"]) == 2
    await ledger.execute(
        """UPDATE hub.event SET id = 'mended', payload = replace(replace(payload, 'PAR-NEW', 'DXB-MALL'), $1, 'mended')
           WHERE id = $1""",
        event["id"],
    )

    first = await door.post("/v1/parked/replay", b"", token=admin)
    second = await door.post("/v1/parked/replay", b"", token=admin)

    assert first.json() == {"replayed": 1, "still_parked": 1}
    assert second.json() == {"replayed": 0, "still_parked": 1}
    assert [(item["location"], item["free"]) for item in await door.positions(sku="MENDED")] == [("DXB-MALL", 2)]
    assert len((await parked(door))["items"]) == 1
