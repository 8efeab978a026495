"""Waiters are answered when the ledger has their entry, or when their time is up."""

import asyncio
from itertools import count

import pytest

from hub.domain.entry import Seq
from hub.faults import Unavailable
from hub.journal.watermark import Watermark


async def test_what_is_committed_is_covered_at_once() -> None:
    watermark = Watermark(Seq(1, 5))

    assert watermark.covers(Seq(1, 5))
    assert not watermark.covers(Seq(1, 6))
    assert await watermark.wait(Seq(1, 4), 0)


async def test_nothing_is_covered_before_the_first_commit() -> None:
    assert not Watermark().covers(Seq(1, 0))


async def test_a_later_epoch_covers_everything_of_an_earlier_one() -> None:
    assert Watermark(Seq(2, 0)).covers(Seq(1, 10**9))


async def test_an_advance_wakes_whoever_it_covers_and_nobody_else() -> None:
    watermark = Watermark()
    waits = [asyncio.create_task(watermark.wait(Seq(1, number), 5)) for number in (2, 0, 1)]
    await asyncio.sleep(0)

    watermark.advance(Seq(1, 1))
    await asyncio.sleep(0)

    assert [wait.done() for wait in waits] == [False, True, True]
    watermark.advance(Seq(1, 2))
    assert await asyncio.gather(*waits) == [True, True, True]


async def test_the_watermark_never_goes_back() -> None:
    watermark = Watermark(Seq(1, 5))

    watermark.advance(Seq(1, 3))

    assert watermark.at == Seq(1, 5)


async def test_a_wait_ends_when_its_time_is_up() -> None:
    watermark = Watermark(Seq(1, 0))

    assert not await asyncio.wait_for(watermark.wait(Seq(1, 1), 0.01), 2)


async def test_a_short_wait_is_not_held_up_by_a_long_one() -> None:
    watermark = Watermark()
    long = asyncio.create_task(watermark.wait(Seq(1, 0), 30))
    await asyncio.sleep(0)

    assert not await asyncio.wait_for(watermark.wait(Seq(1, 1), 0.01), 2)

    assert not long.done()
    watermark.advance(Seq(1, 0))
    assert await long


async def test_a_waiter_that_is_cancelled_does_not_disturb_the_others() -> None:
    watermark = Watermark()
    cancelled, kept = (asyncio.create_task(watermark.wait(Seq(1, 0), 5)) for _ in range(2))
    await asyncio.sleep(0)

    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    watermark.advance(Seq(1, 0))

    assert await kept


async def test_a_ledger_that_is_away_does_not_fill_the_memory() -> None:
    watermark = Watermark()
    for round_ in range(20):
        waits = [watermark.wait(Seq(1, 100 * round_ + number), 0.001) for number in range(100)]
        assert not any(await asyncio.gather(*waits))

    assert watermark.waiting <= 100


async def test_whoever_waits_for_what_an_ended_epoch_lost_is_told_so() -> None:
    watermark = Watermark(Seq(1, 5))
    kept, lost, next_one = (asyncio.create_task(watermark.wait(seq, 5)) for seq in (Seq(1, 6), Seq(1, 7), Seq(2, 1)))
    await asyncio.sleep(0)

    watermark.advance(Seq(1, 6))
    watermark.advance(Seq(2, 0))

    assert await kept
    with pytest.raises(Unavailable, match="lost"):
        await lost
    with pytest.raises(Unavailable, match="lost"):
        await watermark.wait(Seq(1, 8), 5)
    assert [watermark.covers(Seq(1, number)) for number in (6, 7)] == [True, False]
    watermark.advance(Seq(2, 1))
    assert await next_one


async def test_what_another_process_had_written_of_an_ended_epoch_is_covered_once_that_is_known() -> None:
    watermark = Watermark(Seq(1, 5))

    watermark.advance(Seq(3, 0))
    assert not watermark.covers(Seq(1, 9))
    watermark.note_end(1, 9)

    assert [watermark.covers(seq) for seq in (Seq(1, 9), Seq(1, 10), Seq(2, 0))] == [True, False, False]


async def test_epochs_that_ended_before_the_start_are_the_ledgers_whole() -> None:
    watermark = Watermark()

    watermark.advance(Seq(4, 2))

    assert watermark.covers(Seq(2, 10**9))


async def test_a_first_entry_that_was_lost_is_told_though_the_ledger_was_empty() -> None:
    watermark = Watermark()
    lost = asyncio.create_task(watermark.wait(Seq(1, 0), 5))
    await asyncio.sleep(0)

    watermark.advance(Seq(2, 0))

    with pytest.raises(Unavailable, match="lost"):
        await lost


async def test_what_is_to_be_done_before_somebody_is_told_that_the_ledger_is_late_is_done_only_then() -> None:
    watermark, done, answered = Watermark(Seq(1, 0)), list[int](), count(7)

    async def note(calls: int) -> None:
        done.append(calls)

    watermark.before_late, watermark.calls = note, lambda: next(answered)
    assert await watermark.wait(Seq(1, 0), 0.01)
    assert done == []
    assert not await watermark.wait(Seq(1, 1), 0.01)
    # As many calls as had been answered when the wait began.
    assert done == [7]
    assert next(answered) == 8


async def test_an_epoch_that_seemed_to_have_ended_goes_on() -> None:
    watermark = Watermark(Seq(1, 0))
    watermark.note_end(1, 0)
    with pytest.raises(Unavailable):
        await watermark.wait(Seq(1, 1), 0)

    watermark.note_goes_on(1)

    watermark.advance(Seq(1, 1))
    assert await watermark.wait(Seq(1, 1), 0)
