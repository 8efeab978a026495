"""The feed as Server-Sent Events: it goes on as things happen, and from any cursor on without a gap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from time import time
from typing import Any

import msgspec
import pytest

from hub.credentials import OpaqueKey
from tests.databases import closed_database
from tests.intake.door import Door, line, opaque_key
from tests.intake.feeding import STREAM, end_of, following, read, sent, types

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def streams_of(door: Door) -> Any:
    return door.hub._streams


@pytest.fixture(autouse=True)
async def all_are_free(door: Door, until: Until) -> AsyncIterator[None]:
    """Every reader that went has given its place back, before the next test begins."""

    async def is_free() -> bool:
        return bool(streams_of(door).open == 0)

    yield
    await until(is_free)


async def test_what_happens_is_told_as_it_happens(door: Door) -> None:
    async with following(door, after=await end_of(door), types="movement.*") as stream:
        assert stream.response.content_type == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "private, no-store"
        for sku in ("LIVE-1", "LIVE-2"):
            receipt = door.receipt(line(sku, 1))
            await door.send(receipt)

            item = await stream.item()

            assert (item["type"], item["data"]["sku"]) == ("movement.receipt", sku)
            assert item["data"]["event"]["id"] == receipt["id"]


async def test_it_goes_on_behind_the_last_item_without_a_gap_or_a_double(door: Door) -> None:
    after = await end_of(door)
    for number in range(3):
        await door.send(door.receipt(line(f"GAP-{number}", 1)))
    wanted = await read(door, after=after)
    told: list[Any] = []
    cursor = after
    while len(told) < len(wanted):
        # The address stays as it was; the header says how far the reader came.
        async with following(door, after=after, last=cursor) as stream:
            told += [await stream.item() for _ in range(min(4, len(wanted) - len(told)))]
            cursor = stream.cursor

    assert told == wanted


async def test_a_reader_that_sees_little_is_told_where_it_is_all_the_same(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.intake.feed_stream.HEARTBEAT_SECONDS", 0)
    token = door.token(["feed:read"], pools=["none"], locations=["NOWHERE"])
    after = await end_of(door)
    async with following(door, token=token, after=after, types="movement.*") as stream:
        await door.send(door.receipt(line("HIDDEN", 1), location="DXB-MALL"))
        seen = {(await stream.block())[0] for _ in range(4)}
        cursors = set()
        for _ in range(3):
            await stream.block()
            cursors.add(stream.cursor)

    assert seen == {"retry: 2000", ": heartbeat"}
    assert len(cursors) == 3
    assert await read(door, after=cursors.pop(), types="movement.*") == []


def questions_of(door: Door, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What streams ask the ledger from now on."""
    asked: list[Any] = []
    asking: Any = door.hub._stores.memories.followed._asking
    fetch = asking.fetch

    async def fetched(*question: Any) -> Any:
        asked.append(question)
        return await fetch(*question)

    monkeypatch.setattr(asking, "fetch", fetched)
    return asked


async def test_a_stream_reads_the_ledger_only_when_there_is_news(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.intake.feed_stream.HEARTBEAT_SECONDS", 0)
    asked = questions_of(door, monkeypatch)
    after = await end_of(door)
    async with following(door, after=after) as one, following(door, after=after) as two:
        for stream in (one, two):
            while ": heartbeat" not in await stream.block():
                pass
        quiet = len(asked)
        # Each beat here is a look, at which nothing had happened.
        for _ in range(3):
            await one.block()
            await two.block()
        assert len(asked) == quiet
        await door.send(door.receipt(line("NEWS", 1)))
        assert types([await one.item(), await two.item()]) == ["movement.receipt"] * 2


async def test_a_stream_ends_within_a_second_of_its_token(door: Door) -> None:
    # Tokens are good for a minute longer than they say.
    ends_soon = door.token(["feed:read"], ttl="2s", now=time() - 60)
    async with following(door, token=ends_soon, after=await end_of(door)) as stream:
        began = asyncio.get_running_loop().time()
        await stream.ends()

        assert asyncio.get_running_loop().time() - began < 5
    refused = await door.get(STREAM, token=ends_soon)
    assert (refused.status, refused.problem) == (401, "unauthenticated")


async def test_a_token_that_ends_while_it_is_used_has_no_leeway(door: Door) -> None:
    began = time()
    ends_soon = door.token(["feed:read"], ttl="2s")
    async with following(door, token=ends_soon, after=await end_of(door)) as reader:
        await reader.ends()

    assert time() - began < 10
    # Which is for clocks that differ: it may come back for a minute.
    assert (await door.get("/v1/feed", token=ends_soon)).status == 200


async def test_a_stream_ends_within_a_second_of_its_key(door: Door) -> None:
    text, _ = opaque_key()
    access: Any = door.hub._access
    before = access.keys
    key = OpaqueKey(
        id="erp", hash=f"sha256:{sha256(text.encode()).hexdigest()}", sub="erp", scope=("feed:read",), pools=("*",)
    )
    access.take(msgspec.structs.replace(before, opaque_keys=(*before.opaque_keys, key)))
    async with following(door, token=text, after=await end_of(door)) as stream:
        await stream.block()
        # As a reload of the file does.
        access.take(before)
        began = asyncio.get_running_loop().time()
        await stream.ends()

        assert asyncio.get_running_loop().time() - began < 5
    assert (await door.get(STREAM, token=text)).status == 401


async def test_more_streams_than_there_may_be_are_asked_to_come_later(
    door: Door, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    streams = streams_of(door)
    monkeypatch.setattr(streams, "_streams_max", 1)
    async with following(door, after=await end_of(door)):
        assert streams.open == 1
        refused = await door.get(STREAM, token=door.till)

    assert (refused.status, refused.problem, refused.headers["Retry-After"]) == (503, "unavailable", "5")

    async def is_free() -> bool:
        return bool(streams.open == 0)

    await until(is_free)
    async with following(door, after=await end_of(door)) as stream:
        await stream.block()


@pytest.mark.parametrize("params", [{"types": "nothing"}, {"after": "nowhere"}, {"limit": "5"}])
async def test_a_question_that_cannot_be_read_is_refused(door: Door, params: dict[str, str]) -> None:
    reply = await door.get(STREAM, token=door.till, **params)

    assert (reply.status, reply.problem) == (400, "malformed")


async def test_only_who_may_read_the_feed_follows_it(door: Door) -> None:
    nobody, other = await door.get(STREAM), await door.get(STREAM, token=door.token(["positions:read"]))

    assert (nobody.status, other.status) == (401, 403)


async def test_a_stream_outlives_a_ledger_that_is_away(door: Door, database: str, until: Until) -> None:
    async def is_booked() -> bool:
        return bool(await door.positions(sku="AWAY"))

    async with following(door, after=await end_of(door), types="movement.*") as stream:
        await stream.block()
        async with closed_database(database):
            sending = asyncio.create_task(door.send(door.receipt(line("AWAY", 1))))
            await until(is_booked)
        # The ledger is reached again after a moment, and has what was booked meanwhile.
        assert (await stream.item())["data"]["sku"] == "AWAY"
        await sending


async def test_a_reader_that_takes_nothing_is_left(door: Door, monkeypatch: pytest.MonkeyPatch, until: Until) -> None:
    monkeypatch.setattr("hub.intake.feed_stream.STALLED_SECONDS", 0.5)
    # Far more than the sockets of both sides hold.
    monkeypatch.setattr("hub.intake.feed_stream._HELLO", b": " + b"x" * 30_000_000 + b"\n\n")
    head = f"GET {STREAM} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {door.till}\r\n\r\n"
    _, writer = await asyncio.open_connection(*door.address, limit=1)
    try:
        writer.write(head.encode())

        async def is_open(streams: int) -> bool:
            return bool(streams_of(door).open == streams)

        await until(lambda: is_open(1))
        await until(lambda: is_open(0))
    finally:
        writer.close()


async def test_a_reader_whose_kernel_takes_nothing_is_left_though_the_hub_s_takes_all(
    door: Door, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr("hub.intake.readers.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("hub.intake.readers.STALLED_SECONDS", 0.5)
    monkeypatch.setattr("hub.intake.feed_stream._HELLO", b": " + b"x" * 16_000 + b"\n\n")
    _, writer = await sent(door, f"{STREAM}?after={await end_of(door)}", door.till)
    assert streams_of(door).open == 1

    async def is_left() -> bool:
        return bool(streams_of(door).open == 0)

    await until(is_left)
    writer.close()


async def test_nothing_is_read_for_a_reader_that_takes_nothing_until_it_does(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = questions_of(door, monkeypatch)
    # Far more than the sockets of both sides hold.
    monkeypatch.setattr("hub.intake.feed_stream._HELLO", (b": " + b"x" * 1_000 + b"\n") * 20_000 + b"\n")
    async with following(door, after=await end_of(door), types="movement.*") as stream:
        async with following(door, after=await end_of(door), types="movement.*"):
            for number in range(3):
                await door.send(door.receipt(line(f"SLOW-{number}", 1)))
        assert asked == []

        assert len(await stream.block()) == 20_000
        told = [(await stream.item())["data"]["sku"] for _ in range(3)]

    assert told == ["SLOW-0", "SLOW-1", "SLOW-2"]
    assert asked
