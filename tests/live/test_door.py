"""Subscribing and being told, over real sockets."""

import asyncio
import json
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest

from hub.domain.entry import Seq, SetPosition
from hub.domain.position import Fence, Position
from hub.live.limits import LiveLimits

NOW_REV = 2**32 + 1


def moved(sku, vip):
    """What the journal says of a position with a fence."""
    fenced = SetPosition(0, "LON-KNB", Position(free=1, fences=(Fence("vip", vip, vip, 0, 0),)))
    return Seq(1, 99), SimpleNamespace(positions=(fenced,), views=(), skus=(sku,))


async def test_a_subscriber_gets_the_state_and_then_every_change(stage):
    await stage.change(("online", "A", 3))

    async with stage.screen() as screen:
        subscribed = await screen.subscribe("online", "A")
        (rev,) = await stage.change(("online", "A", 2))
        update = await screen.hear()

    assert subscribed == {
        "op": "subscribed",
        "ref": 1,
        "items": [
            {
                "sku": "A",
                "pool": "online",
                "available": 3,
                "status": "in_stock",
                "rev": NOW_REV,
                "at": "2026-11-18T11:06:40.000Z",
            }
        ],
    }
    assert update["op"] == "update"
    assert [(item["sku"], item["available"], item["rev"]) for item in update["items"]] == [("A", 2, rev)]


async def test_known_revs_are_not_sent_again(stage):
    (rev_a,) = await stage.change(("online", "A", 3))
    await stage.change(("online", "B", 4))

    async with stage.screen() as screen:
        subscribed = await screen.subscribe("online", "A", "B", known={"A": rev_a, "B": rev_a - 1})

    assert [item["sku"] for item in subscribed["items"]] == ["B"]


async def test_an_unknown_sku_is_sold_out_with_rev_0(stage):
    async with stage.screen() as screen:
        (item,) = (await screen.subscribe("online", "NEVER"))["items"]
        (hint,) = (await screen.subscribe("hints", "NEVER"))["items"]

    assert (item["available"], item["status"], item["rev"]) == (0, "out_of_stock", 0)
    assert "available" not in hint


async def test_an_alias_is_answered_by_the_houses_sku(stage):
    (rev,) = await stage.change(("online", "BAG", 1))

    async with stage.screen() as screen:
        named = await screen.subscribe("online", "3607340000001", "BAG")
        known = await screen.subscribe("online", "3607340000001", known={"3607340000001": rev})

    assert [item["sku"] for item in named["items"]] == ["BAG"]
    assert known["items"] == []


async def test_after_unsubscribing_nothing_comes(stage):
    async with stage.screen() as screen:
        await screen.subscribe("online", "A", "B")
        answer = await screen.ask(op="unsubscribe", ref=2, pool="online", skus=["A"])
        await stage.change(("online", "A", 1))
        await stage.change(("online", "B", 7))
        update = await screen.hear()

    assert answer == {"op": "unsubscribed", "ref": 2}
    assert [(item["sku"], item["available"]) for item in update["items"]] == [("B", 7)]


async def test_a_forbidden_pool_looks_like_an_unknown_one(stage):
    async with stage.screen() as screen:
        forbidden = await screen.subscribe("vip", "A")
        unknown = await screen.subscribe("vap", "A")

    assert json.dumps(forbidden).replace("vip", "vap") == json.dumps(unknown)
    assert forbidden["code"] == "unknown_pool"
    assert forbidden["ref"] == 1


async def test_a_vip_change_leaves_no_frame_for_a_public_watcher(stage):
    await stage.change(("online", "A", 5), ("vip", "A", 6))
    async with stage.screen() as public, stage.screen() as vip:
        await public.subscribe("online", "A")
        await vip.ask(op="auth", token="vip")
        await vip.subscribe("vip", "A")
        frames_before = stage.door.counters.frames
        await stage.change(("vip", "A", 5))
        # The kernel also rewrites a view whose parts moved while what it shows did not.
        await stage.change(("online", "A", 5), changed=0)
        told = await vip.hear()
        frames_for_vip = stage.door.counters.frames - frames_before
        await stage.change(("online", "A", 4))
        first = await public.hear()

    assert told["items"][0]["pool"] == "vip"
    assert frames_for_vip == 1
    # The public rev has no hole either.
    assert (first["items"][0]["available"], first["items"][0]["rev"]) == (4, 2**32 + 2)


async def test_auth_widens_and_null_narrows(stage):
    async with stage.screen() as screen:
        widened = await screen.ask(op="auth", token="vip")
        await screen.subscribe("vip", "A")
        await screen.subscribe("online", "A")
        narrowed = await screen.ask(op="auth", token=None)
        await stage.change(("vip", "A", 1))
        await stage.change(("online", "A", 2))
        update = await screen.hear()

    assert widened["pools"] == ["online", "vip", "hints"]
    assert narrowed["pools"] == ["online", "hints"]
    assert [item["pool"] for item in update["items"]] == ["online"]


async def test_all_watchers_get_identical_bytes_in_one_frame_per_tick(stage):
    async with stage.screen() as one, stage.screen() as two:
        for screen in (one, two):
            await screen.subscribe("online", "A", "B", "C")
        await stage.change(("online", "A", 1), ("online", "C", 2))
        frames = [await screen.client.recv(decode=False) for screen in (one, two)]

    assert frames[0] == frames[1]
    assert [item["sku"] for item in json.loads(frames[0])["items"]] == ["A", "C"]


async def test_a_snapshot_raced_by_updates_never_goes_back_and_ends_on_the_newest(stage):
    await stage.change(("online", "A", 1))
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def held_back() -> None:
        reading.set()
        await go_on.wait()

    async with stage.screen() as watching, stage.screen() as joining:
        await watching.subscribe("online", "B")
        stage.stock.before_answer = held_back
        await joining.say(op="subscribe", ref=1, pool="online", skus=["A"])
        await reading.wait()
        revs = [(await stage.change(("online", "A", available)))[0] for available in (2, 3)]
        await stage.change(("online", "B", 9))
        # What B's watcher was told shows that both entries went through while the snapshot was read.
        while (await watching.hear())["items"][-1]["sku"] != "B":
            pass
        go_on.set()
        subscribed = await joining.hear()
        (last_rev,) = await stage.change(("online", "A", 4))
        update = await joining.hear()

    assert [item["rev"] for item in subscribed["items"]] == [revs[-1]]
    assert [item["rev"] for item in update["items"]] == [last_rev]


async def test_a_read_that_is_ahead_of_the_journal_is_told_to_all_watchers_once(stage):
    await stage.change(("online", "A", 1))
    async with stage.screen() as first, stage.screen() as second:
        await first.subscribe("online", "A")
        await stage.hold_the_journal(second)
        (rev,) = await stage.change(("online", "A", 2))
        subscribed = await second.subscribe("online", "A", known={"A": rev})
        told = await first.hear()
        stage.gate.set()
        await stage.change(("online", "A", 3))
        told_next = await first.hear()

    assert subscribed["items"] == []
    assert told["items"][0]["rev"] == rev
    assert told_next["items"][0]["rev"] == rev + 1


async def test_many_screens_of_one_sku_cost_one_read(stage):
    await stage.change(("online", "A", 1))
    async with stage.screen() as one, stage.screen() as two, stage.screen() as three:
        for screen in (one, two, three):
            (item,) = (await screen.subscribe("online", "A"))["items"]
            assert item["available"] == 1

        assert stage.stock.reads == 1


async def test_screens_that_come_while_others_are_read_for_share_a_read(stage):
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def held_back():
        asked.set()
        await may_answer.wait()

    names = [f"SKU-{number}" for number in range(20)]
    await stage.change(*(("online", name, number + 1) for number, name in enumerate(names)))
    stage.stock.before_answer = held_back
    async with AsyncExitStack() as screens:
        opened = [await screens.enter_async_context(stage.screen()) for _ in names]
        asking = [
            asyncio.create_task(screen.subscribe("online", name)) for screen, name in zip(opened, names, strict=True)
        ]
        await asked.wait()
        while len(stage.door.watched_skus()) < len(names):  # noqa: ASYNC110 - nobody tells that a screen waits
            await asyncio.sleep(0)
        may_answer.set()
        told = await asyncio.gather(*asking)

    assert [answer["items"][0]["available"] for answer in told] == list(range(1, 21))
    # As many as may be under way, and one for all who came meanwhile.
    assert stage.stock.reads <= LiveLimits().reads_at_once + 1


async def test_who_knows_more_than_there_is_has_it_read_once(stage):
    await stage.change(("online", "A", 1))
    async with stage.screen() as screen:
        for known in (0, 2**53 - 1, 2**53 - 1, 2**53 - 2):
            (item,) = (await screen.subscribe("online", "A", known={"A": known}))["items"]
            assert item["rev"] == NOW_REV
        assert stage.stock.reads == 2
        # What nobody has read is read for this one, too.
        await screen.subscribe("online", "B")
        assert stage.stock.reads == 3


async def test_a_shop_sees_all_its_positions(stage):
    await stage.move("A", 4)
    async with stage.screen() as screen:
        await screen.ask(op="auth", token="till")
        subscribed = await screen.ask(op="subscribe", ref=4, location="LON-KNB")
        await stage.move("B", 1)
        update = await screen.hear()
        await screen.ask(op="unsubscribe", ref=5, location="LON-KNB")
        await stage.move("B", 2)
        (nothing_else,) = (await screen.subscribe("store", "A"))["items"]

    assert [(item["sku"], item["free"]) for item in subscribed["items"]] == [("A", 4)]
    assert update["items"] == [
        {
            "sku": "B",
            "location": "LON-KNB",
            "on_hand": 1,
            "free": 1,
            "ring_fenced": {},
            "reserved": 0,
            "aside": {},
            "deficit": 0,
        }
    ]
    assert nothing_else["sku"] == "A"


async def test_positions_read_ahead_of_the_journal_are_not_followed_by_older_ones(open_door):
    async with open_door(entries_per_tick=1) as stage, stage.screen() as screen:
        await screen.ask(op="auth", token="till")
        await stage.hold_the_journal(screen)
        for free in (4, 3, 2):
            await stage.move("A", free)
        read = asyncio.Event()

        async def tell_of_the_read() -> None:
            read.set()

        stage.stock.before_answer = tell_of_the_read
        await screen.say(op="subscribe", ref=4, location="LON-KNB")
        await read.wait()
        await stage.move("A", 1)
        await stage.move("B", 7)
        stage.gate.set()
        items = []
        while not items or items[-1]["sku"] != "B":
            items += (await screen.hear())["items"]

    # What came while it was read is in it or follows it, but nothing older does.
    assert [item["free"] for item in items if item["sku"] == "A"] in ([1], [2, 1])


async def test_a_shops_screen_names_only_fences_of_pools_that_its_token_may_see(stage):
    await stage.move("A", 4, vip=2)
    async with stage.screen() as screen:
        await screen.ask(op="auth", token="shop")
        (narrow,) = (await screen.ask(op="subscribe", ref=4, location="LON-KNB"))["items"]
        await stage.move("A", 3, vip=2)
        (moved,) = (await screen.hear())["items"]
        await screen.ask(op="auth", token="till")
        await stage.move("A", 2, vip=2)
        (widened,) = (await screen.hear())["items"]
        await screen.ask(op="auth", token="shop")
        await stage.door._conversations.refresh()
        (again,) = (await screen.hear())["items"]

    assert [item["ring_fenced"] for item in (narrow, moved, widened, again)] == [{}, {}, {"vip": 2}, {}]
    assert [item["on_hand"] for item in (narrow, moved, widened, again)] == [6, 5, 4, 4]


@pytest.mark.parametrize("is_owed", [False, True])
async def test_a_fence_that_was_taken_away_while_the_journal_was_waited_for_is_not_named(open_door, is_owed):
    async with open_door(entries_per_tick=1) as stage, stage.screen() as screen:
        await stage.move("A", 4, vip=2)
        await screen.ask(op="auth", token="till")
        await stage.hold_the_journal(screen)
        read = asyncio.Event()
        # It is still waited for when the key changes: the read is answered, the journal is not.
        await stage.move("B", 1, vip=1)

        async def tell_of_the_read():
            read.set()

        stage.stock.before_answer = tell_of_the_read
        await screen.say(op="subscribe", ref=4, location="LON-KNB")
        await read.wait()
        if is_owed:
            # One more entry comes through, with the fences of the old key.
            line = next(iter(stage.door._conversations._sessions))
            stage.door._conversations._fanout.apply([moved("C", 3)])
            assert line._owed
        stage.access.granted["till"] = stage.access.granted["shop"]
        stage.door.recheck_claims()
        stage.gate.set()
        items = []
        while {item["sku"] for item in items} < {"A", "B"} | ({"C"} if is_owed else set()):
            items += (await screen.hear())["items"]

    assert [item["ring_fenced"] for item in items] == [{}] * len(items)


async def test_positions_need_the_scope_and_the_location(stage):
    async with stage.screen() as screen:
        without_scope = await screen.ask(op="subscribe", ref=1, location="LON-KNB")
        await screen.ask(op="auth", token="till")
        elsewhere = await screen.ask(op="subscribe", ref=2, location="PAR-FSH")

    assert without_scope["code"] == "forbidden"
    assert elsewhere["code"] == "unknown_location"


async def test_a_house_that_hides_a_pool_drops_its_watchers(stage):
    async with stage.screen() as screen:
        await screen.subscribe("online", "A")
        await screen.subscribe("hints", "A")
        house = stage.house
        house.pools = tuple(pool for pool in house.pools if pool.id != "online")
        house.pool_index = {pool.id: index for index, pool in enumerate(house.pools)}
        stage.door.recheck()
        told = await screen.hear()
        await stage.change(("online", "A", 1), ("hints", "A", 1))
        update = await screen.hear()

    assert (told["op"], told["code"], "ref" in told) == ("error", "unknown_pool", False)
    assert [item["pool"] for item in update["items"]] == ["hints"]


async def test_a_snapshot_that_cannot_be_read_asks_to_come_back(stage):
    stage.stock.is_away = True
    async with stage.screen() as screen:
        await screen.say(op="subscribe", ref=1, pool="online", skus=["A"])

        assert await screen.ended() == 1013


async def test_more_than_a_message_should_hold_comes_in_several(stage):
    skus = [f"{'LONG-NAME-' * 11}{number}" for number in range(400)]
    async with stage.screen() as screen:
        await screen.subscribe("online", *skus)
        await stage.change(*[("online", sku, 1) for sku in skus])
        told, sizes = [], []
        while len(told) < len(skus):
            raw = await screen.client.recv()
            sizes.append(len(raw))
            told += [item["sku"] for item in json.loads(raw)["items"]]

    assert told == skus
    assert len(sizes) > 1
    assert max(sizes) < 80_000


async def test_the_positions_of_a_large_location_come_in_several_messages(stage):
    await stage.client.hset("test:shelf:LON-KNB", mapping={f"S{number}": number for number in range(1_100)})
    async with stage.screen() as screen:
        await screen.ask(op="auth", token="till")
        messages = [await screen.ask(op="subscribe", ref=4, location="LON-KNB")]
        while sum(len(message["items"]) for message in messages) < 1_100:
            messages.append(await screen.hear())

    assert [message["op"] for message in messages] == ["subscribed", "update", "update"]
    assert len({item["sku"] for message in messages for item in message["items"]}) == 1_100


async def test_a_large_message_is_answered_before_the_next_and_others_are_told_meanwhile(stage):
    # As many as one message may name, of nobody before.
    skus = [f"S{number:04d}" for number in range(6_000)]
    async with stage.screen() as large, stage.screen() as other:
        await other.subscribe("online", "A")
        reads = []

        async def changed():
            # In the middle of it: the state is being read.
            reads.append(len(reads))
            if len(reads) == 3:
                await stage.change(("online", "A", 7), ("online", skus[0], 3))
                assert (await other.hear())["items"][0]["available"] == 7

        stage.stock.before_answer = changed
        await large.say(op="subscribe", ref=1, pool="online", skus=skus)
        await large.say(op="unsubscribe", ref=2, pool="online", skus=skus[1:])
        answers = [await large.hear()]
        while answers[-1].get("ref") != 2:
            answers.append(await large.hear())
        revs = [item["rev"] for answer in answers for item in answer.get("items", ()) if item["sku"] == skus[0]]
        after = await stage.change(("online", skus[0], 2), ("online", skus[1], 2))
        last = await large.hear()

    assert len(reads) >= 6_000 // 250
    assert [answer["op"] for answer in answers if answer["op"] != "update"] == ["subscribed", "unsubscribed"]
    assert answers[0]["op"] == "subscribed"
    assert [item["sku"] for item in answers[0]["items"]] == skus
    assert revs == sorted(revs)
    assert [(item["sku"], item["rev"]) for item in last["items"]] == [(skus[0], after[0])]
