"""Readers that are slow, stalled, dead or hostile cost nobody else anything."""

import pytest
from websockets.frames import Frame, Opcode

from hub.live.fanout import MESSAGE_BYTES_AIM

# Names long enough that few values fill a buffer.
SKUS = [f"{'LONG-NAME-' * 12}{number}" for number in range(5)]


@pytest.fixture
def open_narrow_door(open_door):
    """A door whose kernel buffers are as small as its limits."""

    def opened(**limits):
        return open_door(**{"slow_bytes": 4096, "send_buffer_bytes": 4096, **limits})

    return opened


async def _fill(stage, rounds, skus=SKUS, pool="online"):
    for available in range(1, rounds + 1):
        revs = await stage.change(*[(pool, sku, available) for sku in skus])
    return revs


async def _last_rev(screen, rev):
    """Hear until the rev has come; all revs of one SKU heard on the way."""
    heard = []
    while not heard or heard[-1] < rev:
        items = (await screen.hear())["items"]
        heard += [item["rev"] for item in items if item["sku"] == SKUS[-1]]
    return heard


@pytest.mark.parametrize("skus", [SKUS, SKUS[-1:]])
async def test_a_slow_reader_gets_fewer_newer_values_and_others_all_of_them(open_narrow_door, skus):
    rounds = 200
    async with open_narrow_door() as stage, stage.screen(slow=True) as slow, stage.screen() as quick:
        await slow.subscribe("online", *skus)
        await quick.subscribe("online", *skus)
        slow.client.transport.pause_reading()
        *_, rev = await _fill(stage, rounds, skus)
        quick_heard = await _last_rev(quick, rev)
        connection = _slowest(stage)
        unsent_bytes, conflated = connection.unsent_bytes, stage.door.counters.conflated
        slow.client.transport.resume_reading()
        slow_heard = await _last_rev(slow, rev)

    assert conflated > 0
    # The threshold, and one frame that went over it.
    assert unsent_bytes < 4096 + 2048
    assert len(slow_heard) < len(quick_heard) <= rounds
    assert slow_heard == sorted(set(slow_heard))
    assert slow_heard[-1] == quick_heard[-1] == rev


def _slowest(stage):
    return max(stage.door._upkeep.connections(), key=lambda connection: connection.unsent_bytes)


async def test_a_reader_that_takes_nothing_is_closed_with_1013(open_narrow_door, until):
    async with open_narrow_door(stalled_seconds=0.2, heartbeat_seconds=1) as stage, stage.screen(slow=True) as slow:
        await slow.subscribe("online", *SKUS)
        slow.client.transport.pause_reading()
        await _fill(stage, 100)
        await until(lambda: stage.door.counters.slow_closed == 1)
        slow.client.transport.resume_reading()

        assert await slow.ended() == 1013


async def test_a_reader_that_never_comes_back_is_cut(open_narrow_door, until):
    limits = {"stalled_seconds": 0.2, "heartbeat_seconds": 1, "closing_seconds": 0.2}
    async with open_narrow_door(**limits) as stage, stage.screen(slow=True) as slow:
        await slow.subscribe("online", *SKUS)
        slow.client.transport.pause_reading()
        await _fill(stage, 100)
        await until(lambda: stage.door.counters.connections == 0)
        slow.client.transport.abort()

    assert stage.door.counters.slow_closed == 1


async def test_stopping_does_not_wait_for_a_reader_that_takes_nothing(open_narrow_door, until):
    async with open_narrow_door() as stage, stage.screen(slow=True) as slow:
        await slow.subscribe("online", *SKUS)
        slow.client.transport.pause_reading()
        await _fill(stage, 100)
        await until(lambda: _slowest(stage).paused)
        await stage.door.stop()
        slow.client.transport.abort()

        assert stage.door.counters.connections == 0


async def test_pings_without_reading_the_pongs_are_cut_at_the_cap(open_narrow_door, until):
    async with open_narrow_door(unsent_bytes_max=16 * 1024) as stage, stage.screen(slow=True) as hostile:
        await hostile.subscribe("online", "A")
        hostile.client.transport.pause_reading()
        ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
        hostile.client.transport.write(ping * 2_000)
        await until(lambda: stage.door.counters.connections == 0)
        hostile.client.transport.abort()

    assert stage.door.counters.slow_closed == 1


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_reader_whose_own_machine_takes_all_for_it_is_closed_for_it_answers_no_ping(
    open_door, until, comes_back
):
    async with open_door(heartbeat_seconds=0.1, closing_seconds=0.5) as stage, stage.screen() as dead:
        await dead.subscribe("online", "A")
        dead.client.transport.pause_reading()
        await stage.change(("online", "A", 1))
        await until(lambda: stage.door.counters.silent_closed == 1)
        if comes_back:
            dead.client.transport.resume_reading()
            assert await dead.ended() == 1013
        await until(lambda: stage.door.counters.connections == 0)
        dead.client.transport.abort()

    assert (stage.door.counters.silent_closed, stage.door.counters.slow_closed) == (1, 0)


async def test_one_that_answers_pings_is_not_closed_however_little_it_is_told(open_door, until):
    # Long enough for a busy machine to answer.
    limits = {"heartbeat_seconds": 0.5, "closing_seconds": 0.1}
    async with open_door(**limits) as stage, stage.screen() as alive, stage.screen() as dead:
        for screen in (alive, dead):
            await screen.subscribe("online", "A")
        dead.client.transport.pause_reading()
        await until(lambda: stage.door.counters.connections == 1)
        dead.client.transport.abort()
        await stage.change(("online", "A", 1))

        assert (await alive.hear())["items"][0]["available"] == 1


async def test_a_slow_reader_is_owed_one_value_for_each_sku_and_its_buffer_holds_one_message_more(open_narrow_door):
    skus = [f"SKU-{number}" for number in range(299)] + SKUS[-1:]
    owed, unsent_bytes = [], []
    async with open_narrow_door() as stage, stage.screen(slow=True) as slow, stage.screen() as quick:
        await slow.subscribe("online", *skus)
        await quick.subscribe("online", *skus)
        slow.client.transport.pause_reading()
        for available in range(1, 31):
            *_, rev = await stage.change(*[("online", sku, available) for sku in skus])
            await _last_rev(quick, rev)
            owed.append(len(_slowest(stage)._owed or ()))
            unsent_bytes.append(_slowest(stage).unsent_bytes)
        slow.client.transport.abort()

    assert max(owed) == len(skus)
    assert max(unsent_bytes) < 4096 + MESSAGE_BYTES_AIM


async def test_answers_are_not_queued_for_who_does_not_read_them(open_narrow_door, until):
    async with open_narrow_door() as stage, stage.screen(slow=True) as greedy:
        await greedy.subscribe("online", *SKUS)
        greedy.client.transport.pause_reading()
        for _ in range(60):
            await greedy.say(op="subscribe", ref=1, pool="online", skus=SKUS)
        await until(lambda: _slowest(stage).paused)
        unsent_bytes = _slowest(stage).unsent_bytes
        greedy.client.transport.resume_reading()
        answers = [await greedy.hear() for _ in range(60)]

    assert unsent_bytes < 4096 + 2048
    assert all(len(answer["items"]) == len(SKUS) for answer in answers)


async def test_a_slow_reader_that_hangs_up_is_no_defect(open_narrow_door, until, caplog):
    async with open_narrow_door() as stage:
        async with stage.screen(slow=True) as slow:
            slow.client.transport.pause_reading()
            await slow.say(op="subscribe", ref=1, pool="online", skus=[f"{SKUS[0]}-{number}" for number in range(300)])
            await until(lambda: any(each.paused for each in stage.door._upkeep.connections()))
            # With answers unread, which resets the connection.
            slow.client.transport.abort()
        await until(lambda: stage.door.counters.connections == 0)

    assert not caplog.records


async def test_who_hangs_up_leaves_nothing_of_what_was_said_or_owed(open_narrow_door, until):
    """The collector may find the connection much later, and megabytes of it would be there until then."""
    door = open_narrow_door(messages_per_second=2, messages_at_once=1, skus_charged=1)
    async with door as stage, stage.screen(slow=True) as slow, stage.screen() as quick:
        await quick.subscribe("online", *SKUS)
        await slow.subscribe("online", *SKUS)
        slow.client.transport.pause_reading()
        for _ in range(3):
            await slow.say(op="subscribe", ref=1, pool="online", skus=SKUS)
        *_, rev = await _fill(stage, 200)
        await _last_rev(quick, rev)
        left = _slowest(stage)
        await until(lambda: left._owed and left.recv_messages.frames)
        slow.client.transport.abort()
        await until(lambda: left._owed is None and not left.recv_messages.frames)


async def test_what_is_owed_to_a_slow_reader_is_dropped_when_its_token_is_narrowed(open_narrow_door, until):
    async with open_narrow_door() as stage, stage.screen(slow=True) as slow, stage.screen() as quick:
        for screen in (slow, quick):
            await screen.ask(op="auth", token="vip")
            await screen.subscribe("vip", *SKUS)
        slow.client.transport.pause_reading()
        *_, rev = await _fill(stage, 60, pool="vip")
        await _last_rev(quick, rev)
        owing = stage.door.counters.conflated
        await slow.say(op="auth", token=None)
        await until(lambda: not any(watched for watched in _watchers(stage) if watched > 1))
        slow.client.transport.resume_reading()
        heard = [await slow.hear()]
        while heard[-1]["op"] != "authorized":
            heard.append(await slow.hear())
        after = await slow.subscribe("online", "A")

    assert owing > 0
    assert after["op"] == "subscribed"
    assert max(item["rev"] for message in heard[:-1] for item in message["items"]) < rev


def _watchers(stage):
    return [len(topic.watchers) for topic in stage.door._conversations._subscriptions.topics.values()]
