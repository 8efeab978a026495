"""One array against a door that misbehaves."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from hub.faults import Fault, SettingsInvalid, Unavailable
from hub.replay.events import HistoryEvent, encode
from hub.replay.pace import Outgoing
from hub.replay.sender import Sender
from tests.replay.door import Behaviour, Door, applied


def items(count: int) -> list[Outgoing]:
    events = [
        HistoryEvent(f"f-{n}", False, datetime(2025, 11, 3, tzinfo=UTC), "LON", (("A", 1),)) for n in range(count)
    ]
    return [Outgoing(event, encode(event, pool="store")) for event in events]


def answering(status: int, body: Any = None, **headers: str) -> Behaviour:
    async def behave(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return web.json_response(body or {}, status=status, headers=headers)

    return behave


async def dropping(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def breaking_off(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'[{"id":')
    assert request.transport is not None
    request.transport.close()
    return response


async def booking_the_first_half(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    half = len(events) // 2
    late = {"status": "refused", "problem": {"status": 503, "title": "unavailable"}}
    return web.json_response(
        [{"id": event["id"], "status": "applied"} for event in events[:half]]
        + [{"id": event["id"], **late} for event in events[half:]]
    )


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.3)) as session:
        yield session


def sender_to(door: Door, session: aiohttp.ClientSession, *, patience_seconds: float = 5.0) -> Sender:
    return Sender(session, door.url, token="geheim", patience_seconds=patience_seconds, waiting=lambda reason: None)


async def test_answers_stand_in_the_events_order(door: Door, session: aiohttp.ClientSession) -> None:
    answers = await sender_to(door, session).deliver(items(3))

    assert [(answer.status, answer.lines[0].sku) for answer in answers] == [("applied", "A")] * 3
    assert door.requests == [["f-0", "f-1", "f-2"]]
    assert door.authorization == ["Bearer geheim"]


@pytest.mark.parametrize(
    "trouble",
    [answering(503), answering(500), answering(502), answering(429), dropping, breaking_off],
    ids=["503", "500", "502", "429", "dropped", "broken off"],
)
async def test_no_answer_sends_the_same_events_again(
    door: Door, session: aiohttp.ClientSession, trouble: Behaviour
) -> None:
    door.script = [trouble, trouble]
    sender = sender_to(door, session)

    answers = await sender.deliver(items(2))

    assert [answer.status for answer in answers] == ["applied", "applied"]
    assert door.requests == [["f-0", "f-1"]] * 3
    assert sender.retries == 2


async def test_a_timeout_sends_the_same_events_again(door: Door, session: aiohttp.ClientSession) -> None:
    done = asyncio.Event()

    async def stalling(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        await done.wait()
        return web.Response()

    door.script = [stalling]
    answers = await sender_to(door, session).deliver(items(2))
    done.set()

    assert [answer.status for answer in answers] == ["applied", "applied"]
    assert door.requests == [["f-0", "f-1"]] * 2


async def test_retry_after_is_honoured(door: Door, session: aiohttp.ClientSession) -> None:
    door.script = [answering(503, **{"Retry-After": "1"})]

    await sender_to(door, session).deliver(items(1))

    assert door.came_at[1] - door.came_at[0] >= 1.0


async def test_of_an_array_booked_in_part_only_the_rest_is_sent_again(
    door: Door, session: aiohttp.ClientSession
) -> None:
    door.script = [booking_the_first_half]

    answers = await sender_to(door, session).deliver(items(4))

    assert [answer.status for answer in answers] == ["applied"] * 4
    assert door.requests == [["f-0", "f-1", "f-2", "f-3"], ["f-2", "f-3"]]


async def test_an_answer_renews_the_patience(door: Door, session: aiohttp.ClientSession) -> None:
    """Patience is over when the half is answered, and would end the delivery if that answer did not count."""
    sender = sender_to(door, session, patience_seconds=1.0)
    door.script = [applied, answering(503, **{"Retry-After": "1"}), booking_the_first_half]

    await sender.deliver(items(1))
    answers = await sender.deliver(items(4))

    assert [answer.status for answer in answers] == ["applied"] * 4


async def test_patience_ends_with_a_sentence_that_says_what_to_do(door: Door, session: aiohttp.ClientSession) -> None:
    door.otherwise = answering(503)

    with pytest.raises(Unavailable, match=r"the hub answers 503.*nothing is booked twice"):
        await sender_to(door, session, patience_seconds=0.2).deliver(items(1))

    assert len(door.requests) >= 2


async def test_nobody_listening_ends_the_same_way(session: aiohttp.ClientSession) -> None:
    nowhere = Door()
    nowhere.url = "http://127.0.0.1:1"

    with pytest.raises(Unavailable, match="gave no answer"):
        await sender_to(nowhere, session, patience_seconds=0.2).deliver(items(1))


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "token"), (403, "events:write"), (404, "no hub"), (413, "arrays of this size"), (400, "the array")],
)
async def test_what_another_try_cannot_mend_is_said_at_once(
    door: Door, session: aiohttp.ClientSession, status: int, said: str
) -> None:
    door.script = [answering(status, {"title": "No", "status": status, "detail": "because of this"})]

    with pytest.raises(SettingsInvalid, match=rf"{said}.*\({status}: because of this\)"):
        await sender_to(door, session).deliver(items(1))

    assert len(door.requests) == 1


async def test_a_redirect_is_not_followed(door: Door, session: aiohttp.ClientSession) -> None:
    door.script = [answering(307, Location="/elsewhere")]

    with pytest.raises(SettingsInvalid, match="307"):
        await sender_to(door, session).deliver(items(1))


@pytest.mark.parametrize("body", [{"status": "applied"}, [{"status": "applied"}], [{"id": "f-0"}] * 2])
async def test_what_is_no_answer_of_a_hub_is_a_fault(door: Door, session: aiohttp.ClientSession, body: object) -> None:
    door.script = [answering(200, body)]

    with pytest.raises(Fault, match=r"answer is none of a hub|1 of 2 events"):
        await sender_to(door, session).deliver(items(2))


async def test_an_address_that_is_none_is_a_fault(session: aiohttp.ClientSession) -> None:
    for url in ("not an address", "http://", "ftp://127.0.0.1"):
        nowhere = Door()
        nowhere.url = url
        with pytest.raises(Fault, match="not an address"):
            await sender_to(nowhere, session, patience_seconds=0.1).deliver(items(1))
