"""Whoever drops, races, stops reading or shouts: screens end on the truth, and nothing private shows."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from tests.faults.log import Json
from tests.faults.patience import until_so
from tests.faults.town import Town, TownHub
from tests.faults.traffic import traffic
from tests.faults.watchers import POOL, Watcher

SEED = 16
HEADERS = 300
# Bytes that a server may keep for somebody who does not read: what the hub allows, and what the system buffers.
KEPT_BYTES_MAX = 16 * 1024 * 1024


def sale(id: str, sku: str, **fields: Any) -> Json:
    body = {"id": id, "type": "sale", "location": "LON-KNB", "pool": "store", "time": datetime.now(UTC).isoformat()}
    return {**body, "lines": [{"sku": sku, "quantity": 1}], **fields}


async def test_screens_that_drop_and_come_back_and_ask_in_the_middle_of_updates_end_on_the_truth(
    two_hubs: Town,
) -> None:
    """E1, E3: twelve screens, each cut off after one frame in five, and each time a snapshot races the updates."""
    async with traffic(two_hubs, f"{SEED}-drops", clients=3, watchers=12, drops=0.2) as meanwhile:
        await meanwhile.goes_on(120)
        await meanwhile.until(lambda: sum(watcher.connections for watcher in meanwhile.watchers) > 60)


async def test_a_screen_that_does_not_read_and_one_that_shouts_cost_others_nothing(two_hubs: Town) -> None:
    """E4, F5."""
    hub = two_hubs.hubs[0]
    before = resident_bytes(hub)
    async with (
        connect(f"{hub.live}/v1/live", subprotocols=["hub.v1.json"]) as stalled,  # type: ignore[list-item]
        connect(f"{hub.live}/v1/live", subprotocols=["hub.v1.json"]) as loud,  # type: ignore[list-item]
    ):
        for client in (stalled, loud):
            message = {"op": "subscribe", "ref": 1, "pool": POOL, "skus": ["SOLD-0", "SOLD-1"]}
            await client.send(msgspec.json.encode(message).decode())
            await client.recv()
            client.transport.pause_reading()  # type: ignore[attr-defined]
        flood = asyncio.create_task(shout(loud))
        async with traffic(two_hubs, f"{SEED}-stalled", clients=3, watchers=2) as meanwhile:
            await meanwhile.goes_on(60)
        # The hub cuts it off; until then nothing tells a client that does not read.
        await asyncio.wait_for(flood, 20)
        assert resident_bytes(hub) - before < KEPT_BYTES_MAX
        stalled.transport.abort()


async def shout(client: Any) -> None:
    """Ping without reading a pong, until the connection is gone."""
    pings = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 500
    while not client.transport.is_closing():
        client.transport.write(pings)
        while client.transport.get_write_buffer_size() > 1_000_000 and not client.transport.is_closing():
            await asyncio.sleep(0.01)
            # A cut connection is noticed by reading.
            if client.transport.get_write_buffer_size() > 1_000_000:
                client.transport.resume_reading()
                await asyncio.sleep(0)
                client.transport.pause_reading()
        await asyncio.sleep(0)


def resident_bytes(hub: TownHub) -> int:
    pages = int(Path(f"/proc/{hub.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def test_no_header_makes_a_hub_fail(two_hubs: Town) -> None:
    """G1, on the headers there are so far: refused as 400 or 401, or taken; never 5xx, and the connection goes on."""
    random, hub = Random(SEED), two_hubs.hubs[0]
    host, _, port = hub.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    told: list[int] = []
    good = two_hubs.token("till")
    for number in range(HEADERS):
        if reader.at_eof():
            await hung_up(writer)
            reader, writer = await asyncio.open_connection(host, int(port))
        body = msgspec.json.encode(sale(f"header-{number}", "HEADER"))
        lines = [b"POST /v1/events HTTP/1.1", b"Host: hub", b"Content-Length: %d" % len(body), *headers(random, good)]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        try:
            status = int((await asyncio.wait_for(reader.readline(), 5)).split()[1])
            told.append(status)
            await rest_of(reader)
        except (IndexError, ConnectionError, asyncio.IncompleteReadError):
            # It hung up, as it may on what is no HTTP.
            reader.feed_eof()
    await hung_up(writer)
    assert max(told) < 500, told
    assert {401, 200} <= set(told) | {200 if 202 in told else 0}
    assert all(each.deaths == 0 for each in two_hubs.hubs)


async def hung_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def rest_of(reader: asyncio.StreamReader) -> None:
    length = 0
    while (line := await asyncio.wait_for(reader.readline(), 5)) not in (b"\r\n", b""):
        if found := re.match(rb"content-length: *(\d+)", line, re.IGNORECASE):
            length = int(found[1])
    await reader.readexactly(length)


def headers(random: Random, good: str) -> list[bytes]:
    """Headers that claim who sends, most of them broken."""
    head, payload, signature = good.split(".")
    noise = bytes(random.randrange(1, 256) for _ in range(random.randrange(40))).translate(None, b"\r\n\0")
    choices = [
        good.encode(),
        f"{head}.{payload}.{signature[:-2]}".encode(),
        f"{head}.{payload}".encode(),
        f"{head}.{payload}.{signature}.".encode(),
        f"{'.' * random.randrange(5)}".encode(),
        f"{head}.{signature}.{payload}".encode(),
        b"eyJhbGciOiJub25lIn0." + payload.encode() + b".",
        b"A" * random.choice((1, 100, 4_000)),
        noise,
        "ключ".encode(),
        b"hub_" + noise,
    ]
    scheme = random.choice((b"Bearer ", b"Bearer  ", b"bearer ", b"Basic ", b"", b"Bearer", b"Bearer\t"))
    bearer = b"Authorization: " + scheme + random.choice(choices)
    others = [
        b"Hub-Sent-At: " + random.choice((b"1e9", b"nan", "٢٠٢٦".encode(), b"2026-11-22", noise, b"9" * 400)),
        b"webhook-signature: v1," + random.choice((b"", b"====", b"," * 500, noise)),
        b"webhook-timestamp: " + random.choice((b"1_674", b"nan", b"-1", b"1" * 300, noise)),
        b"webhook-id: " + noise,
        b"Content-Type: " + random.choice((b"application/json", b";;;", noise)),
        b"Idempotency-Key: " + noise,
    ]
    return [bearer, *random.sample(others, random.randrange(3))]


@pytest.fixture
async def public_screens(two_hubs: Town) -> AsyncIterator[list[Watcher]]:
    """Screens of the public pool, one at each hub."""
    made = [Watcher(two_hubs, f"public-{number}", SEED, skus=("QUIET",)) for number in range(2)]
    tasks = [asyncio.create_task(watcher.watch()) for watcher in made]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nothing_of_what_happens_to_a_private_fence_shows_in_public(
    two_hubs: Town, public_screens: list[Watcher]
) -> None:
    """H2: no frame, no number, no rev and no header of a public answer changes."""
    town, hub = two_hubs, two_hubs.hubs[0]
    at = {"location": "LON-KNB", "time": datetime.now(UTC).isoformat()}
    quiet = {"lines": [{"sku": "QUIET", "quantity": 7}]}
    await town.send(town.fact("private", "receipt", "quiet-in", **at, **quiet), hub)
    fence = {"pool": "vip", "lines": [{"sku": "QUIET", "quantity": 4}]}
    await town.send(town.fact("private", "ring_fence", "quiet-fence", **at, **fence), hub)

    async def asked() -> tuple[bytes, Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{hub.url}/v1/availability", params={"pool": POOL, "sku": "QUIET"}) as response,
        ):
            return await response.read(), sorted((k, v) for k, v in response.headers.items() if k != "Date")

    before = await asked()
    item = msgspec.json.decode(before[0])["items"][0]
    assert item["available"] == 3
    await until_so(lambda: all(each.view.get("QUIET", {}).get("rev") == item["rev"] for each in public_screens))
    frames = [watcher.frames for watcher in public_screens]

    one = {"lines": [{"sku": "QUIET", "quantity": 1}]}
    for number in range(4):
        answer = await town.send(town.fact("private", "sale", f"quiet-{number}", **at, pool="vip", **one), hub)
        assert answer is not None
    assert await asked() == before
    # A change that is public is heard next, and it is the very next number.
    await town.send(town.fact("private", "sale", "loud", **at, pool="online", **one), hub)
    await until_so(lambda: all(each.view["QUIET"]["available"] == 2 for each in public_screens))
    assert [each.view["QUIET"]["rev"] for each in public_screens] == [item["rev"] + 1] * 2
    # Heartbeats aside, that was the only frame.
    assert all(each.frames - had <= 2 for each, had in zip(public_screens, frames, strict=True))
