"""The answer to a large subscription: others have their turn meanwhile, and what changes meanwhile is not lost."""

import asyncio
import itertools
import json
from types import SimpleNamespace

import pytest

from hub.access import ANONYMOUS
from hub.live.fanout import Counters, Fanout
from hub.live.limits import LiveLimits
from hub.live.session import Session, Terms
from hub.live.snapshot import KEYS_PER_SLICE, snapshot, watched
from hub.live.stream import LiveStream
from hub.live.subscriptions import Subscriptions
from protocol.answers import AvailabilityItem
from protocol.frames import Subscribe

SKUS = tuple(f"S-{number}" for number in range(10 * KEYS_PER_SLICE))
AT = "2026-11-22T10:00:00.000Z"


def learnt(fanout, sku, rev):
    fanout.learn("online", [AvailabilityItem(sku=sku, available=rev, status="in_stock", rev=rev, at=AT)])


@pytest.fixture
def house():
    pool = SimpleNamespace(id="online", public=True, show_status=False)
    return SimpleNamespace(pools=(pool,), pool_index={"online": 0}, locations={}, sku=lambda name: name)


@pytest.fixture
def watching(house):
    """A session that has asked for all SKUs, its line, what it asked for, and what others are told by."""
    session = Session(Terms(lambda: house, None, LiveLimits()), 0)
    show = session.open(ANONYMOUS, Subscribe(ref=1, pool="online", skus=SKUS), 0)
    subscriptions = Subscriptions()
    line = LiveStream(Counters(), 20)
    line.hold()
    for key in show.keys:
        subscriptions.watch(line, key)
    fanout = Fanout(subscriptions)
    for sku in SKUS:
        learnt(fanout, sku, 1)
    return subscriptions, line, session, show, fanout


async def test_others_have_their_turn_and_what_changes_meanwhile_follows_the_answer(watching):
    subscriptions, line, session, show, fanout = watching
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            # One that was put together already, and one that was not.
            learnt(fanout, SKUS[0], 1 + turns)
            learnt(fanout, SKUS[-1], 1 + turns)
            await asyncio.sleep(0)

    busy = asyncio.create_task(others())
    items = [json.loads(item) for item in await snapshot(subscriptions, line, session, show, 0)]
    busy.cancel()

    assert turns >= len(SKUS) // KEYS_PER_SLICE - 1
    assert [item["sku"] for item in items] == list(SKUS)
    assert (items[0]["rev"], items[-1]["rev"]) == (1, turns + 1)
    assert {key: json.loads(item)["rev"] for key, item in line._owed.items()} == {("online", SKUS[0]): turns + 1}


async def test_what_the_house_took_away_between_two_slices_is_not_answered(watching, house):
    subscriptions, line, session, show, _ = watching

    async def take_away():
        house.pools[0].public = False
        session.narrow()

    taking = asyncio.create_task(take_away())

    assert await snapshot(subscriptions, line, session, show, 0) == []
    await taking


async def test_others_have_their_turn_while_thousands_begin_to_be_watched(house):
    session = Session(Terms(lambda: house, None, LiveLimits()), 0)
    show = session.open(ANONYMOUS, Subscribe(ref=1, pool="online", skus=SKUS, known={SKUS[-1]: 7}), 0)
    subscriptions, line, seen = Subscriptions(), LiveStream(Counters(), 20), []

    async def others():
        while True:
            seen.append(len(subscriptions.topics))
            await asyncio.sleep(0)

    busy = asyncio.create_task(others())
    wishes = await watched(subscriptions, line, session, show)
    busy.cancel()

    assert [topic.key[1] for topic, _ in wishes] == list(SKUS)
    assert [known for _, known in wishes] == [0] * (len(SKUS) - 1) + [7]
    assert all(later - earlier <= KEYS_PER_SLICE for earlier, later in itertools.pairwise(seen))
    assert len(seen) >= len(SKUS) // KEYS_PER_SLICE - 1


async def test_what_is_taken_away_while_it_begins_to_be_watched_is_watched_by_nobody(house):
    session = Session(Terms(lambda: house, None, LiveLimits()), 0)
    show = session.open(ANONYMOUS, Subscribe(ref=1, pool="online", skus=SKUS), 0)
    subscriptions, line = Subscriptions(), LiveStream(Counters(), 20)

    async def take_away():
        house.pools[0].public = False
        for key in session.narrow().keys:
            subscriptions.unwatch(line, key)

    taking = asyncio.create_task(take_away())
    wishes = await watched(subscriptions, line, session, show)
    await taking

    assert len(wishes) == KEYS_PER_SLICE
    assert not subscriptions.topics
    assert not session.topics
