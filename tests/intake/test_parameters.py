"""What has parameters takes those of its description, each once where it is no list, and nothing else."""

from typing import Any

import pytest

from hub.claims import SCOPES
from protocol.specs.openapi import OPERATIONS
from protocol.specs.operation import Operation
from tests.intake.door import Door

QUESTIONS = [operation for operation in OPERATIONS if operation.is_question]
ANYONES = [operation for operation in OPERATIONS if operation.method == "get" and not operation.is_question]
# What is asked where the description has no example.
EXAMPLES: dict[str, Any] = {
    "at": "2026-11-22T10:00:00Z", "from": "2026-11-22T10:00:00Z", "to": "2026-11-23T10:00:00Z", "tolerance": 1,
    "cursor": "x", "after": "x", "source": "till-7", "state": "held", "category": "watches", "location": "LON-KNB",
    "owner": "anna", "kind": "cart", "purchase_order": "PO-1", "serial": "W-1", "limit": 1,
}  # fmt: skip


def address(operation: Operation) -> str:
    return operation.path.replace("{", "").replace("}", "")


def by_id(operation: Operation) -> str:
    return operation.id


def names(operation: Operation) -> dict[str, bool]:
    return {each.name: each.is_list for each in operation.parameters if each.place == "query"}


@pytest.fixture
def token(door: Door) -> str:
    return door.token(scope=sorted(SCOPES))


@pytest.mark.parametrize("operation", QUESTIONS, ids=by_id)
async def test_a_parameter_that_is_not_there_is_refused(door: Door, operation: Operation, token: str) -> None:
    reply = await door.ask(operation.method, address(operation), token=token, skuu="BAG-NOIR")

    assert (reply.status, reply.problem) == (400, "malformed")
    assert "`skuu`" in reply.json()["detail"]
    assert all(name in reply.json()["detail"] for name in names(operation))


@pytest.mark.parametrize("operation", QUESTIONS, ids=by_id)
async def test_a_parameter_that_stands_twice_is_refused_unless_it_is_a_list(
    door: Door, operation: Operation, token: str
) -> None:
    for name, is_list in names(operation).items():
        if is_list:
            continue
        reply = await door.ask(
            operation.method, address(operation), token=token, **{name: [EXAMPLES.get(name, "A")] * 2}
        )

        assert (reply.status, reply.problem) == (400, "malformed")
        assert f"`{name}` stands there twice" in reply.json()["detail"]


async def test_a_list_may_be_repeated(door: Door, token: str) -> None:
    lists = [(operation.path, name) for operation in QUESTIONS for name, is_list in names(operation).items() if is_list]

    assert sorted(lists) == [
        ("/v1/availability", "sku"), ("/v1/feed", "types"), ("/v1/feed/stream", "types"),
        ("/v1/live/sse", "sku"), ("/v1/skus", "sku"),
    ]  # fmt: skip
    assert [item["sku"] for item in await door.shown("online", "A", "B", "A")] == ["A", "B", "A"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/v1/stock.js"])
async def test_what_answers_anyone_the_same_is_not_asked_by_parameters(door: Door, path: str) -> None:
    assert path in [operation.path for operation in ANYONES]
    assert (await door.get(path, v="3")).status == 200


@pytest.mark.parametrize("path", ["/v1/positions", "/v1/accuracy", "/v1/reservations"])
async def test_a_location_that_is_unknown_has_nothing_and_what_is_no_name_is_refused(
    door: Door, path: str, token: str
) -> None:
    unknown = (await door.get(path, token=token, location="NOWHERE")).json()
    others = [await door.get(path, token=token, location=name) for name in ("", "\0", "a\n", "LON KNB", "x" * 65, "é")]

    assert unknown.get("items", unknown.get("locations")) == []
    assert {(reply.status, reply.problem) for reply in others} == {(400, "malformed")}


@pytest.mark.parametrize("path", ["/v1/parked", "/v1/inbox"])
async def test_a_source_that_is_no_name_is_refused(door: Door, path: str, token: str) -> None:
    replies = [await door.get(path, token=token, source=name) for name in ("\0", "x" * 65)]

    assert {(reply.status, reply.problem) for reply in replies} == {(400, "malformed")}
    assert (await door.get(path, token=token, source="nobody")).json()["items"] == []


async def test_what_is_no_sku_is_described_to_nobody(door: Door, token: str) -> None:
    replies = [await door.get("/v1/skus", token=token, sku=["BAG-NOIR", sku]) for sku in ("", "\0", "x" * 129)]

    assert {(reply.status, reply.problem) for reply in replies} == {(400, "malformed")}


async def test_a_head_is_a_read_too_and_a_post_without_parameters_is_not(door: Door, token: str) -> None:
    head = await door.ask("HEAD", "/v1/positions", token=token, skuu="A")
    post = await door.post("/v1/events?skuu=A", door.receipt(), token=token)

    assert (head.status, post.status) == (400, 200)
