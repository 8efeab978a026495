"""What no public pool shows, nobody in public notices: no frame, byte, order, number, tag or header, sample by sample.

Public traffic goes on at a steady rhythm while, drawn at random, something hidden happens before a public change, in
one request with it, or nothing at all. Every frame is foretold byte by byte without a look at what was drawn, so each
sample would give away a change that shows; `--samples 10000` plays as many.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect

from protocol.frames import HEARTBEAT
from tests.flow.hidden import HOUSE, SHOWN, Lane
from tests.intake.door import Door, open_door, settings_in

SEED = 6
LANES = 8
PATIENCE_SECONDS = 20
ARMS = ("nothing", "before", "held before", "with")
_decode, _encode = msgspec.json.decode, msgspec.json.encode


@pytest.fixture
async def door(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Door]:
    limits = "[limits]\nledger_wait_ms = 0\n"
    async with open_door(
        settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, house=HOUSE, extra=limits)
    ) as opened:
        yield opened


class Watcher:
    """A public watcher of one lane: a socket, a stream, and reads with the tag of the one before."""

    def __init__(self, door: Door, lane: Lane, socket: ClientConnection, stream: aiohttp.ClientResponse) -> None:
        self._door = door
        self._lane = lane
        self._socket = socket
        self._stream = stream

    async def frames(self) -> tuple[bytes, bytes]:
        """The next frame of the socket and of the stream, heartbeats aside."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (by_socket := await self._socket.recv(decode=False)) == HEARTBEAT:
                pass
            while (by_stream := await self._stream.content.readuntil(b"\n\n")) == b"data: " + HEARTBEAT + b"\n\n":
                pass
        return by_socket, by_stream

    def questions(self) -> list[str]:
        """All that can be asked over HTTP about what is watched."""
        asked = [f"/v1/availability?pool={pool}&sku={'&sku='.join(skus)}" for pool, skus in self._lane.watched.items()]
        return asked + [f"/v1/availability/locations?pool=where&sku={sku}" for sku in self._lane.watched["where"]]

    async def read(self, question: str, tag: str = "") -> tuple[int, str, list[tuple[str, str]], Any]:
        """Status, tag, headers and body of an answer; the tag is of an answer that is known."""
        url, known = self._door.url + question, {"If-None-Match": tag} if tag else {}
        async with self._door.session.get(url, headers=known) as response:
            body = await response.read()
        headers = sorted((name, value) for name, value in response.headers.items() if name != "Date")
        told = _without_times(_decode(body)["items"]) if body else None
        return response.status, response.headers["ETag"], headers, told


def _without_times(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of what was never shown `at` is the time of the answer."""
    return [{**item, "at": len(item["at"])} if item.get("rev") == 0 else item for item in items]


class Sampling:
    """One lane's samples, one after the other."""

    def __init__(self, door: Door, lane: Lane, watcher: Watcher, seed: str) -> None:
        self._door = door
        self._lane = lane
        self._watcher = watcher
        self._random = Random(seed)
        self._hidden = lane.hidden()
        self.played: set[str] = set()

    async def run(self, samples: int, rev: int) -> None:
        """Play them; `rev` is what everybody holds of the lane's SKU."""
        for number in range(samples):
            arm = self._random.choice(ARMS)
            what = self._random.choice([*self._hidden])
            events = self._hidden[what]() if arm in ("before", "with") else []
            self.played.add("held" if arm == "held before" else what if events else arm)
            question = self._random.choice(self._watcher.questions())
            read = await self._watcher.read(question)
            if arm == "before":
                await self._door.send(events)
                events = []
            elif arm == "held before":
                await self._lane.hold()
            if number % 2:
                assert await self._watcher.read(question) == read, what
            else:
                assert (await self._watcher.read(question, read[1]))[:2] == (304, read[1]), what
            answer = await self._door.send([*events, self._lane.public(number)])
            item = self._shown(answer.json()[-1])
            assert (item["available"], item["rev"]) == (SHOWN - 1 + number % 2, rev + number + 1)
            frame = b'{"op":"update","items":[%b]}' % _encode(item)
            assert await self._watcher.frames() == (frame, b"data: %b\n\n" % frame), (number, arm, what)

    def _shown(self, answer: Any) -> Any:
        [item] = [item for item in answer["availability"] if item["pool"] == "online"]
        return item


async def _sampling(door: Door, number: int, exits: AsyncExitStack) -> tuple[Sampling, int]:
    """A lane with its stock, and a watcher who has heard what there is."""
    lane = Lane(door, f"{number}")
    told = (await door.send(lane.setting())).json()
    assert {answer["status"] for answer in told} <= {"applied", "accepted"}
    socket = await exits.enter_async_context(
        connect(f"{door.live}/v1/live", subprotocols=["hub.v1.json"])  # type: ignore[list-item]
    )
    for pool, skus in lane.watched.items():
        await socket.send(_encode({"op": "subscribe", "ref": 1, "pool": pool, "skus": skus}).decode())
        items = _decode(await socket.recv())["items"]
        assert [item["sku"] for item in items if item["rev"]] == list(skus[: -3 if pool != "trio" else 0])
    query = "&sku=".join(lane.watched["online"])
    url = f"{door.url}/v1/live/sse?pool=online&sku={query}"
    # It is as long as there are samples.
    stream = await exits.enter_async_context(door.session.get(url, timeout=aiohttp.ClientTimeout()))
    first = _decode((await stream.content.readuntil(b"\n\n")).removeprefix(b"data: "))["items"]
    watcher = Watcher(door, lane, socket, stream)
    return Sampling(door, lane, watcher, f"{SEED}-{number}"), first[0]["rev"]


async def test_a_public_watcher_notices_nothing_of_what_its_pools_do_not_show(
    door: Door, request: pytest.FixtureRequest
) -> None:
    samples: int = request.config.getoption("--samples")
    async with AsyncExitStack() as exits:
        lanes = [await _sampling(door, number, exits) for number in range(LANES)]
        async with asyncio.TaskGroup() as tasks:
            for sampling, rev in lanes:
                tasks.create_task(sampling.run(samples // LANES, rev))
    played = set().union(*(sampling.played for sampling, _ in lanes))
    assert played == {*lanes[0][0]._hidden, "held", "nothing"}
