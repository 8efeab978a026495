"""Streams of Server-Sent Events, as the live door hands them to another door: the same frames, at the reader's pace."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hub.access import ANONYMOUS, Claims
from hub.faults import Unavailable
from hub.live.fanout import Counters
from hub.live.stream import LiveStream
from protocol.frames import Subscribe
from tests.live.conftest import PATIENCE_SECONDS, TOKENS, Stage


def wish(pool: str, *skus: str, **known: int) -> Subscribe:
    return Subscribe(ref=0, pool=pool, skus=skus, known=known)


async def heard(events: AsyncIterator[bytes] | None) -> dict[str, Any]:
    assert events is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        event = await anext(events)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    message: dict[str, Any] = json.loads(event[6:])
    return message


async def test_the_first_event_is_the_state_and_changes_follow(stage: Stage) -> None:
    await stage.change(("online", "A", 3))

    async with stage.door.follow(ANONYMOUS, wish("online", "A", "B")) as events:
        first = await heard(events)
        (rev,) = await stage.change(("online", "A", 2))
        then = await heard(events)
        assert stage.door.counters.connections == 1

    assert (first["op"], first["ref"]) == ("subscribed", 0)
    assert [(item["sku"], item["available"]) for item in first["items"]] == [("A", 3), ("B", 0)]
    assert (then["op"], then["items"][0]["available"], then["items"][0]["rev"]) == ("update", 2, rev)
    assert stage.door.counters.connections == 0
    assert stage.door.watched_skus() == set()


async def test_known_revs_are_not_told_again(stage: Stage) -> None:
    (rev,) = await stage.change(("online", "A", 3))

    async with stage.door.follow(ANONYMOUS, wish("online", "A", A=rev)) as events:
        assert (await heard(events))["items"] == []


async def test_a_reader_that_takes_nothing_is_owed_the_newest_value_of_each_sku_only(stage: Stage, until: Any) -> None:
    async with stage.screen() as quick, stage.door.follow(ANONYMOUS, wish("online", "A", "B")) as events:
        await quick.subscribe("online", "A", "B")
        await heard(events)
        for available in range(1, 51):
            *_, rev = await stage.change(("online", "A", available), ("online", "B", available))
        newest = 0
        while newest < rev:
            newest = max(item["rev"] for item in (await quick.hear())["items"])

        told = (await heard(events))["items"]

    assert sorted((item["sku"], item["available"]) for item in told) == [("A", 50), ("B", 50)]
    assert stage.door.counters.conflated >= 98


@pytest.mark.parametrize("claims", [ANONYMOUS, TOKENS["shop"]])
@pytest.mark.parametrize("pool", ["vip", "never"])
async def test_a_pool_that_may_not_be_seen_is_one_that_is_not_there(stage: Stage, claims: Claims, pool: str) -> None:
    async with stage.door.follow(claims, wish(pool, "A")) as events:
        assert events is None
    assert stage.door.counters.connections == 0


async def test_a_stream_says_that_it_is_still_there(open_door: Any) -> None:
    async with (
        open_door(heartbeat_seconds=0.05) as stage,
        stage.door.follow(ANONYMOUS, wish("online", "A")) as events,
    ):
        await heard(events)
        assert await heard(events) == {"op": "heartbeat"}


async def test_what_it_does_not_watch_puts_no_heartbeat_off(open_door: Any) -> None:
    async with (
        open_door(heartbeat_seconds=0.2) as stage,
        stage.door.follow(ANONYMOUS, wish("online", "A")) as events,
    ):
        await heard(events)
        beat = asyncio.ensure_future(heard(events))
        # Far more often than heartbeats come, for as long as none does.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not beat.done():
                await stage.change(("vip", "A", 1))
                await stage.change(("online", "A", 0), changed=0)
        assert beat.result() == {"op": "heartbeat"}


async def test_a_token_that_ends_or_is_revoked_ends_its_stream_and_says_so(stage: Stage) -> None:
    claims = stage.access.authenticate_token("vip", 0)
    async with stage.door.follow(claims, wish("vip", "A")) as events:
        await heard(events)
        del stage.access.granted["vip"]
        stage.door.recheck_claims()

        assert (await heard(events))["code"] == "unauthenticated"
        with pytest.raises(StopAsyncIteration):
            await heard(events)


async def test_a_stream_of_a_pool_that_is_taken_away_ends(stage: Stage) -> None:
    async with stage.door.follow(TOKENS["vip"], wish("vip", "A")) as events:
        await heard(events)
        stage.house.pools = stage.house.pools[:1]
        stage.house.pool_index = {"online": 0}
        stage.door.recheck()

        assert (await heard(events))["code"] == "unknown_pool"
        with pytest.raises(StopAsyncIteration):
            await heard(events)


async def test_streams_count_as_connections_and_the_one_too_many_is_told_to_come_later(open_door: Any) -> None:
    async with (
        open_door(connections_max=1) as stage,
        stage.door.follow(ANONYMOUS, wish("online", "A")),
    ):
        with pytest.raises(Unavailable):
            async with stage.door.follow(ANONYMOUS, wish("online", "A")):
                pass


async def test_a_state_that_cannot_be_read_leaves_nothing_behind(stage: Stage) -> None:
    stage.stock.is_away = True

    with pytest.raises(Unavailable):
        async with stage.door.follow(ANONYMOUS, wish("online", "A")):
            pass

    assert (stage.door.counters.connections, stage.door.watched_skus()) == (0, set())


def test_streams_that_were_told_the_same_do_not_beat_as_one() -> None:
    stream = LiveStream(Counters(), heartbeat_seconds=20)

    waits = {stream.until_heartbeat_seconds() for _ in range(1_000)}

    assert len(waits) > 900
    assert 15 <= min(waits) < 16
    assert 19 < max(waits) <= 20
