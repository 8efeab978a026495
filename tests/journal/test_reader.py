"""A tail hands out every entry once, in order, and never skips a number."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, Seq
from hub.faults import Unavailable
from hub.journal.reader import EntryUnreadable, JournalGap, Tail, last_seq, reading_client

Append = Callable[..., Awaitable[None]]


def numbers(read: list[tuple[Seq, object]]) -> list[int]:
    return [seq.number for seq, _ in read]


async def test_entries_come_in_order_and_each_once(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 5)
    tail = Tail(redis_client, key, None)

    first = await tail.read(3, 0)
    second = await tail.read(3, 0)
    third = await tail.read(3, 0)

    assert numbers(first) == [0, 1, 2]
    assert [entry.id for _, entry in second] == ["e-3", "e-4"]
    assert third == []


async def test_a_tail_starts_behind_the_place_it_is_given(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 5)

    assert numbers(await Tail(redis_client, key, Seq(1, 2)).read(10, 0)) == [3, 4]


async def test_both_versions_of_the_protocol_read_alike(redis_url: str, key: str, append: Append) -> None:
    await append(1, 0, 2)
    found = []
    for protocol in (2, 3):
        async with Redis.from_url(redis_url, protocol=protocol) as client:
            found.append(await Tail(client, key, None).read(10, 0))

    assert numbers(found[0]) == [0, 1]
    assert found[0] == found[1]


async def test_a_waiting_read_wakes_when_an_entry_comes(redis_url: str, key: str, append: Append) -> None:
    async with reading_client(redis_url) as client:
        waiting = asyncio.create_task(Tail(client, key, None).read(10, 5_000))
        await append(1, 0, 1)

        assert numbers(await asyncio.wait_for(waiting, 3)) == [0]


async def test_a_cancelled_read_leaves_nothing_for_the_next_one(redis_url: str, key: str, append: Append) -> None:
    async with reading_client(redis_url) as client:
        tail = Tail(client, key, None)
        waiting = asyncio.create_task(tail.read(10, 5_000))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await append(1, 0, 1)

        assert numbers(await tail.read(10, 0)) == [0]


async def test_a_missing_number_is_a_gap(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 2)
    await append(1, 3, 5)
    tail = Tail(redis_client, key, None)

    before = await tail.read(10, 0)
    with pytest.raises(JournalGap) as gap:
        await tail.read(10, 0)

    assert numbers(before) == [0, 1]
    assert (gap.value.expected, gap.value.found) == (Seq(1, 2), Seq(1, 3))


async def test_a_gap_stays_a_gap(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 3, 5)
    tail = Tail(redis_client, key, Seq(1, 0))

    for _ in range(2):
        with pytest.raises(JournalGap):
            await tail.read(10, 0)


async def test_a_journal_trimmed_past_the_reader_is_a_gap(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 10)
    await redis_client.xtrim(key, minid="1-6", approximate=False)

    with pytest.raises(JournalGap) as gap:
        await Tail(redis_client, key, Seq(1, 2)).read(10, 0)

    assert (gap.value.expected, gap.value.found) == (Seq(1, 3), Seq(1, 6))


async def test_a_journal_without_its_beginning_is_a_gap(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 4, 5)

    with pytest.raises(JournalGap):
        await Tail(redis_client, key, None).read(10, 0)


async def test_a_new_epoch_goes_on_at_its_own_beginning(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 2)
    await append(2, 0, 2)

    read = await Tail(redis_client, key, None).read(10, 0)

    assert [str(seq) for seq, _ in read] == ["0-1-0", "0-1-1", "0-2-0", "0-2-1"]


async def test_a_new_epoch_that_lacks_its_beginning_is_a_gap(redis_client: Redis, key: str, append: Append) -> None:
    await append(1, 0, 2)
    await append(2, 1, 2)

    with pytest.raises(JournalGap) as gap:
        await Tail(redis_client, key, Seq(1, 1)).read(10, 0)

    assert gap.value.expected == Seq(2, 0)


async def test_an_unreadable_entry_is_told_and_the_tail_goes_on_behind_it(
    redis_client: Redis, key: str, append: Append
) -> None:
    await append(1, 0, 1)
    await redis_client.xadd(key, {FIELD: b"\xc1"}, id="1-1")
    await append(1, 2, 3)
    tail = Tail(redis_client, key, None)

    before = await tail.read(10, 0)
    with pytest.raises(EntryUnreadable) as unreadable:
        await tail.read(10, 0)
    behind = await tail.read(10, 0)

    assert numbers(before) == [0]
    assert unreadable.value.seq == Seq(1, 1)
    assert numbers(behind) == [2]


async def test_the_last_place_of_a_journal_is_told(redis_client: Redis, key: str, append: Append) -> None:
    assert await last_seq(redis_client, key) is None

    await append(1, 0, 3)

    assert await last_seq(redis_client, key) == Seq(1, 2)


async def test_a_redis_that_is_away_is_unavailable(key: str) -> None:
    async with reading_client("redis://127.0.0.1:1") as client:
        with pytest.raises(Unavailable):
            await Tail(client, key, None).read(10, 0)


async def test_a_cancellation_is_never_lost(redis_url: str, key: str) -> None:
    """On Python 3.11 `wait_for` loses one that comes while a command is being sent."""
    async with reading_client(redis_url) as client:
        for steps in range(30):
            tail = Tail(client, key, None)

            async def read_for_ever(tail: Tail = tail) -> None:
                while True:
                    await tail.read(10, 0)

            reading = asyncio.create_task(read_for_ever())
            for _ in range(steps):
                await asyncio.sleep(0)
            reading.cancel()
            done, _ = await asyncio.wait({reading}, timeout=2)

            assert done
            assert reading.cancelled()
