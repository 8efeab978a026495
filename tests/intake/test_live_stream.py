"""`/v1/live/sse`: a page without WebSockets hears the same."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from protocol.limits import HEARTBEAT_SECONDS
from tests.intake.door import ORIGIN, Door, line
from tests.intake.feeding import sent
from tests.specs.schemas import check_heard

PATIENCE_SECONDS = 10


class Stream:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def hear(self) -> dict[str, Any] | None:
        """The next message; None at the end of the stream."""
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                text = await self.response.content.readline()
            if not text:
                return None
            if text.startswith(b"data: "):
                message: dict[str, Any] = json.loads(text[6:])
                check_heard(message)
                return message


@asynccontextmanager
async def stream(door: Door, method: str = "GET", token: str | None = None, **options: Any) -> AsyncIterator[Stream]:
    headers = {"Origin": ORIGIN} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with door.session.request(method, door.url + "/v1/live/sse", headers=headers, **options) as response:
        yield Stream(response)


async def test_an_event_source_hears_the_state_and_every_change(door: Door) -> None:
    await door.send(door.receipt(line("BAG-NOIR", 5)))

    async with stream(door, params=[("pool", "online"), ("sku", "BAG-NOIR"), ("sku", "NEVER")]) as page:
        first = await page.hear()
        await door.send(door.sale(line("BAG-NOIR", 1)))
        then = await page.hear()

    assert page.response.status == 200
    assert page.response.content_type == "text/event-stream"
    assert page.response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert page.response.headers["Cache-Control"] == "private, no-store"
    assert first is not None
    assert then is not None
    assert [item["sku"] for item in first["items"]] == ["BAG-NOIR", "NEVER"]
    assert first["items"][0]["rev"] < then["items"][0]["rev"]
    assert then["items"][0]["available"] == first["items"][0]["available"] - 1


async def test_a_page_with_a_token_watches_what_it_may_and_says_what_it_knows(door: Door) -> None:
    await door.send(door.receipt(line("BAG-ROUGE", 2)))
    [shown] = await door.shown("vip", "BAG-ROUGE", token=door.till)
    wish = {"pool": "vip", "skus": ["BAG-ROUGE"], "known": {"BAG-ROUGE": shown["rev"]}}

    async with stream(door, "POST", door.till, json=wish) as page:
        assert await page.hear() == {"op": "subscribed", "ref": 0, "items": []}
        await door.send(door.sale(line("BAG-ROUGE", 1)))
        then = await page.hear()

    assert then is not None
    assert [(item["pool"], item["available"]) for item in then["items"]] == [("vip", 1)]


@pytest.mark.parametrize(
    ("method", "options", "status"),
    [
        ("GET", {"params": {"pool": "vip", "sku": "BAG-NOIR"}}, 404),
        ("GET", {"params": {"pool": "never", "sku": "BAG-NOIR"}}, 404),
        ("GET", {"params": {"pool": "online"}}, 400),
        ("GET", {"params": [("pool", "online"), *[("sku", f"S-{n}") for n in range(51)]]}, 400),
        ("GET", {"params": {"sku": "BAG-NOIR"}}, 400),
        ("GET", {"params": {"pool": "online", "sku": "BAG-NOIR", "skus": "BAG-ROUGE"}}, 400),
        ("POST", {"json": {"pool": "online", "skus": [f"S-{n}" for n in range(10_001)]}}, 422),
        ("POST", {"json": {"pool": "online", "skus": ["S"], "known": {f"S-{n}": 1 for n in range(10_001)}}}, 422),
        ("POST", {"json": {"pool": "vip", "skus": ["BAG-NOIR"]}}, 404),
        ("POST", {"json": {"pool": "online", "skus": []}}, 400),
        ("POST", {"json": {"pool": "online", "skus": ["A"], "more": 1}}, 400),
        ("POST", {"data": b"{"}, 400),
        ("POST", {"token": "nobody's", "json": {"pool": "online", "skus": ["A"]}}, 401),
    ],
)
async def test_a_wish_that_cannot_be_granted_is_a_problem(
    door: Door, method: str, options: dict[str, Any], status: int
) -> None:
    async with stream(door, method, **options) as refused:
        told = json.loads(await refused.response.read())

    assert (refused.response.status, told["status"]) == (status, status)
    assert refused.response.content_type == "application/problem+json"


async def test_a_stream_ends_with_its_token_and_says_so(door: Door) -> None:
    ends_soon = door.token(["positions:read"], ttl="2s")
    async with stream(door, "POST", ends_soon, json={"pool": "vip", "skus": ["BAG-NOIR"]}) as page:
        heard = [await page.hear() for _ in range(3)]

    assert [message and message["op"] for message in heard] == ["subscribed", "error", None]
    assert (heard[1] or {})["code"] == "unauthenticated"


async def connections(door: Door, metric: str = "hub_live_connections") -> int:
    told = (await door.ask("GET", door.admin + "/metrics")).body.decode()
    [count] = [line for line in told.splitlines() if line.startswith(metric + " ")]
    return int(float(count.split()[1]))


async def test_a_reader_that_went_gives_its_place_back_at_once(door: Door, until: Any) -> None:
    clock = asyncio.get_running_loop().time
    for _ in range(20):
        _, writer = await sent(door, "/v1/live/sse?pool=online&sku=NEVER")
        writer.transport.abort()
    began = clock()

    async def are_gone() -> bool:
        return await connections(door) == 0

    await until(are_gone)
    # Long before the heartbeat that would find out.
    assert clock() - began < HEARTBEAT_SECONDS / 4


async def test_a_reader_that_takes_nothing_is_cut_and_a_quiet_one_is_not(
    door: Door, monkeypatch: pytest.MonkeyPatch, until: Any
) -> None:
    monkeypatch.setattr("hub.intake.readers.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("hub.intake.readers.STALLED_SECONDS", 0.5)
    # More than its kernel takes, and far less than the hub's would.
    skus = "&".join(f"sku=NEVER-{number}" for number in range(50))

    async def is_cut() -> bool:
        return await connections(door) == 1

    async with stream(door, params=[("pool", "online"), ("sku", "BAG-NOIR")]) as quiet:
        await quiet.hear()
        _, writer = await sent(door, f"/v1/live/sse?pool=online&{skus}")
        assert await connections(door) == 2
        await until(is_cut)
        assert await connections(door, 'hub_live_cut{reason="stream"}') == 1
        await door.send(door.receipt(line("BAG-NOIR", 1)))
        assert (await quiet.hear() or {})["op"] == "update"
    writer.close()
