"""Single pieces over HTTP: where one is, and what happens to one that cannot be what it claims."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.intake.door import Door, line
from tests.intake.test_events import last_entry


def pieces(sku: str, *serials: str, **fields: Any) -> dict[str, Any]:
    return line(sku, fields.pop("quantity", len(serials)), serials=list(serials), **fields)


async def piece(door: Door, sku: str, serial: str) -> tuple[str, str]:
    reply = await door.get("/v1/serials", token=door.till, sku=sku, serial=serial)
    assert reply.status == 200, reply.body
    told = reply.json()
    assert (told["sku"], told["serial"]) == (sku, serial)
    return told["state"], told["location"]


async def test_a_piece_is_where_the_last_fact_left_it(door: Door) -> None:
    at = datetime.now(UTC) - timedelta(hours=1)
    received = door.receipt(pieces("PIECE", "S1", "S2"), time=at.isoformat())

    await door.send(received)
    assert await piece(door, "PIECE", "S1") == ("shelf", "LON-KNB")
    await door.send(door.sale(pieces("PIECE", "S1")))
    assert await piece(door, "PIECE", "S1") == ("sold", "LON-KNB")
    again = (await door.send(received)).json()

    assert (again["status"], again["alerts"]) == ("duplicate", [])
    assert await piece(door, "PIECE", "S1") == ("sold", "LON-KNB")
    reply = await door.get("/v1/serials", token=door.till, sku="PIECE", serial="S2")
    assert reply.json()["time"] == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_a_bag_that_was_never_sold_here_comes_back_into_inspection(door: Door, store: Redis) -> None:
    await door.send(door.receipt(pieces("RETURNED", "REAL")))
    await door.send(door.sale(pieces("RETURNED", "REAL")))
    back = door.event("return", pieces("RETURNED", "REAL", "FAKE", to="free"))

    told = (await door.send(back)).json()

    suspicion = {"type": "counterfeit_suspect", "sku": "RETURNED", "location": "LON-KNB", "quantity": 1}
    assert [alert for alert in told["alerts"] if "location" in alert] == [suspicion]
    assert told["lines"] == [{"sku": "RETURNED", "quantity": 2}]
    [position] = await door.positions(sku="RETURNED")
    assert (position["free"], position["aside"]) == (1, {"inspection": 1})
    entry = await last_entry(store)
    assert [(move.to_bucket, move.serials) for move in entry.movements] == [
        ("free", ("REAL",)),
        ("aside:inspection", ("FAKE",)),
    ]
    again = (await door.send(back)).json()
    assert (again["status"], again["alerts"]) == ("duplicate", told["alerts"])


async def test_a_piece_is_known_by_any_name_of_its_sku(door: Door) -> None:
    await door.send(door.receipt(pieces("3607340000002", "S1")))

    by_alias = await door.get("/v1/serials", token=door.till, sku="3607340000002", serial="S1")

    assert by_alias.json()["sku"] == "BAG-ROUGE"
    assert await piece(door, "BAG-ROUGE", "S1") == ("shelf", "LON-KNB")


async def test_a_piece_nobody_named_or_at_a_place_of_others_is_not_found(door: Door) -> None:
    await door.send(door.receipt(pieces("HIDDEN", "S1"), location="DC-LYON"))
    narrow = door.token(locations=["LON-KNB"])

    hidden = await door.get("/v1/serials", token=narrow, sku="HIDDEN", serial="S1")
    never = await door.get("/v1/serials", token=door.till, sku="HIDDEN", serial="NEVER")

    assert (hidden.status, hidden.problem) == (never.status, never.problem) == (404, "not_found")
    assert hidden.json()["detail"].replace("S1", "NEVER") == never.json()["detail"]


async def test_a_piece_that_stands_twice_is_refused_by_any_name(door: Door) -> None:
    plain = await door.send(door.receipt(pieces("BAG-ROUGE", "S5"), pieces("BAG-ROUGE", "S6", "S5")))
    alias = await door.send(door.receipt(pieces("BAG-ROUGE", "S5"), pieces("3607340000002", "S5")))

    assert (plain.status, plain.problem) == (alias.status, alias.problem) == (400, "malformed")
    assert plain.json()["problem"]["path"] == "$.lines[1].serials[1]"
    assert "S5" in alias.json()["problem"]["detail"]
    assert (await door.get("/v1/serials", token=door.till, sku="BAG-ROUGE", serial="S5")).status == 404


async def test_at_most_a_thousand_pieces_are_named_in_one_event(door: Door) -> None:
    names = [f"S{n}" for n in range(1_001)]

    most = await door.send(door.receipt(pieces("MANY", *names[:500]), pieces("MANY", *names[500:1_000])))
    more = await door.send(door.receipt(pieces("MANY", *names[:500]), pieces("OTHER", *names[500:])))

    assert most.status == 200
    assert (more.status, more.problem) == (422, "too_many")
    assert await piece(door, "MANY", "S999") == ("shelf", "LON-KNB")


async def test_serials_may_hold_the_longest_text_that_an_id_may(door: Door) -> None:
    serial = "\N{CROWN}" * 200

    assert (await door.send(door.receipt(pieces("LONGEST", serial)))).status == 200
    assert await piece(door, "LONGEST", serial) == ("shelf", "LON-KNB")


@pytest.mark.parametrize(
    "params",
    [
        {}, {"sku": "A"}, {"serial": "S1"}, {"sku": "", "serial": "S1"}, {"sku": "A", "serial": ""},
        {"sku": "A", "serial": "S\n1"}, {"sku": "A", "serial": "x" * 201},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_question_that_cannot_be_read_is_refused(door: Door, params: dict[str, str]) -> None:
    reply = await door.get("/v1/serials", token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_a_piece_needs_its_scope(door: Door) -> None:
    assert (await door.get("/v1/serials", sku="A", serial="S1")).status == 401
    assert (await door.get("/v1/serials", sku="A", serial="S1", token=door.token(("events:write",)))).status == 403
