"""What the hub noticed by itself is listed, newest first, and settled by a person once and for all."""

from typing import Any

import msgspec
import pytest

from hub.domain.command import Raising
from hub.domain.noticing import digest_of, own_alert
from hub.ledger import alerts
from tests.intake.door import Door

TYPES = ("applied_twice", "stale_source", "answers_lost")


async def noticed(door: Door, type: str, name: str, payload: str = "") -> str:
    """The hub raises an alert of its own; answers the id it is listed by."""
    stores = door.hub._stores
    fact = own_alert(type, name, digest_of(name), 0, payload, Raising(f"about-{name}", 1))
    [outcome] = await stores.batcher.submit([fact])
    seq = outcome.seq  # type: ignore[union-attr]
    assert await stores.watermark.wait(seq, 10)
    return str(seq)


@pytest.fixture
def admin(door: Door) -> str:
    return door.token(["admin"], sub="mila")


async def listed(door: Door, token: str, **params: str) -> list[Any]:
    """All pages."""
    items: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await door.get("/v1/alerts", token=token, **params, **cursor)
        assert reply.status == 200, reply.body
        told = reply.json()
        items += told["items"]
        if told["next"] is None:
            return items
        cursor = {"cursor": told["next"]}


async def settle(door: Door, id: str, token: str, why: Any = "counted, and booked the difference") -> Any:
    return await door.post(f"/v1/alerts/{id}/settle", {"why": why}, token=token)


async def test_alerts_are_listed_newest_first_and_by_type_page_by_page(door: Door, admin: str) -> None:
    ids = [await noticed(door, TYPES[number % 3], f"listed-{number}") for number in range(7)]

    for limit in ("1", "3", "100"):
        found = await listed(door, admin, limit=limit)
        assert [item["id"] for item in found][: len(ids)] == ids[::-1]
    assert [item["id"] for item in await listed(door, admin, type=TYPES[0])][:3] == ids[::-3]
    assert await listed(door, admin, type="of-nothing") == []
    [item] = [item for item in await listed(door, admin) if item["id"] == ids[0]]
    assert (item["type"], item["about"], item["detail"], item["settled"]) == (TYPES[0], "about-listed-0", None, None)


async def test_what_it_says_is_told_as_it_was_written_and_a_page_of_much_is_short(
    door: Door, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = [msgspec.json.encode({"sources": ["till"] * 100, "number": number}).decode() for number in range(3)]
    ids = [await noticed(door, "answers_lost", f"long-{number}", text) for number, text in enumerate(payloads)]
    # One fits, two do not.
    monkeypatch.setattr(alerts, "BYTES_MAX", len(payloads[0]) + 1)

    reply = await door.get("/v1/alerts", token=admin, type="answers_lost")
    found = await listed(door, admin, type="answers_lost")

    assert [item["id"] for item in reply.json()["items"]] == ids[-1:]
    assert [item["id"] for item in found][:3] == ids[::-1]
    assert [item["detail"]["number"] for item in found[:3]] == [2, 1, 0]


async def test_an_alert_is_settled_once_and_stays_in_the_list(door: Door, admin: str) -> None:
    one, other = [await noticed(door, "applied_twice", f"settled-{number}") for number in range(2)]

    first = await settle(door, one, admin)
    again = await settle(door, one, door.token(["admin"], sub="otto"), "another reason")

    assert (first.status, first.json()["id"]) == (200, one)
    assert (first.json()["settled"]["by"], first.json()["settled"]["why"]) == (
        "mila",
        "counted, and booked the difference",
    )
    assert (again.status, again.json()) == (200, first.json())
    left = [item["id"] for item in await listed(door, admin, state="open")]
    assert other in left
    assert one not in left
    [item] = [item for item in await listed(door, admin, state="all") if item["id"] == one]
    assert item["settled"] == first.json()["settled"]


@pytest.mark.parametrize("id", ["0-1-999999", "0-9999999999-1", f"0-1-{2**63}", "1-1-1", "0-1", "nothing", "0-1-0"])
async def test_what_is_no_alert_cannot_be_settled(door: Door, admin: str, id: str) -> None:
    # The first entry of a hub is its house.
    reply = await settle(door, id, admin)
    assert (reply.status, reply.problem) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, {"why": ""}, {"why": "a\0b"}, {"why": "x" * 201}, {"why": "x", "by": "otto"}, []])
async def test_a_reason_is_needed(door: Door, admin: str, body: Any) -> None:
    id = await noticed(door, "applied_twice", "reason")
    reply = await door.post(f"/v1/alerts/{id}/settle", body, token=admin)
    assert (reply.status, reply.problem) == (400, "malformed")


@pytest.mark.parametrize("params", [{"state": "settled"}, {"kind": "x"}, {"limit": "0"}, {"cursor": "!"}])
async def test_a_question_that_cannot_be_read_is_refused(door: Door, admin: str, params: dict[str, str]) -> None:
    reply = await door.get("/v1/alerts", token=admin, **params)
    assert (reply.status, reply.problem) == (400, "malformed")


async def test_only_an_administrator_sees_and_settles_them(door: Door) -> None:
    clerk = door.token(["events:write", "feed:read", "positions:read"])
    assert (await door.get("/v1/alerts", token=clerk)).status == 403
    assert (await settle(door, "0-1-1", clerk)).status == 403
    assert (await door.get("/v1/alerts")).status == 401
