"""What the watchers are told when the journal does not simply go on."""

import msgspec

from hub.domain.pools import View
from hub.faults import Unavailable

JOURNAL = "hub:{0}:journal"


async def test_after_a_gap_the_state_is_read_again(stage):
    await stage.change(("online", "A", 3))
    async with stage.screen() as screen:
        await screen.subscribe("online", "A", "B")
        await stage.change(("online", "A", 2))
        await screen.hear()
        # Two entries are lost to the reader, the next number jumps.
        stage.number += 2
        lost = View(changes=5, available=7, status=2)
        await stage.client.hset("test:shown", "online A", msgspec.msgpack.encode((1, lost)))
        await stage.change(("online", "B", 1))
        told = {}
        while len(told) < 2:
            told |= {item["sku"]: item["available"] for item in (await screen.hear())["items"]}

    assert told == {"A": 7, "B": 1}


async def test_a_new_epoch_sends_every_sku_again(stage):
    await stage.change(("online", "A", 3), ("online", "B", 4))
    async with stage.screen() as screen:
        await screen.subscribe("online", "A", "B")
        stage.epoch, stage.number = 2, 0
        untouched = View(changes=1, available=4, status=2)
        await stage.client.hset("test:shown", "online B", msgspec.msgpack.encode((2, untouched)))
        await stage.change(("online", "A", 2))
        told = {}
        while len(told) < 2:
            told |= {item["sku"]: item["rev"] for item in (await screen.hear())["items"]}

    assert told == {"A": 2 * 2**32 + 2, "B": 2 * 2**32 + 1}


async def test_redis_away_is_waited_for_and_then_all_is_read_again(stage, until):
    await stage.change(("online", "A", 3))
    async with stage.screen() as screen:
        await screen.subscribe("online", "A")
        open_tail, tries = stage.open_tail, []

        async def away_once():
            tries.append(1)
            if len(tries) == 1:
                # Missed for good: no entry will ever say it.
                missed = View(changes=9, available=1, status=1)
                await stage.client.hset("test:shown", "online A", msgspec.msgpack.encode((1, missed)))
                raise Unavailable("Redis is away.")
            return await open_tail()

        stage.door._conversations.follower._open_tail = away_once
        await stage.client.client_kill_filter(_type="normal", skipme=True)
        update = await screen.hear()
        await until(lambda: stage.door.is_following)

    assert update["items"][0]["available"] == 1
    assert len(tries) == 2


async def test_an_entry_that_cannot_be_read_costs_one_read_of_the_state(stage):
    await stage.change(("online", "A", 3))
    async with stage.screen() as screen:
        await screen.subscribe("online", "A")
        missed = View(changes=4, available=1, status=1)
        await stage.client.hset("test:shown", "online A", msgspec.msgpack.encode((1, missed)))
        await stage.client.xadd(JOURNAL, {b"e": b"\xc1"}, id=f"1-{stage.number}")
        stage.number += 1
        update = await screen.hear()

    assert update["items"][0]["available"] == 1


async def test_a_state_that_is_not_newer_is_not_sent_again(stage):
    await stage.change(("online", "A", 3))
    async with stage.screen() as screen:
        await screen.subscribe("online", "A")
        frames_before = stage.door.counters.frames
        await stage.door.refresh()

        assert stage.door.counters.frames == frames_before
