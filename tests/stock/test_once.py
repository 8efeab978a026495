"""Every event takes effect once: in one batch, over many, over a day's border, parked first or far from now."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from hub.domain.answer import Answer, AnsweredAlert
from hub.domain.entry import Seq
from hub.domain.remembering import DAY_MS
from hub.stock import keys
from hub.stock.outcome import Applied, AskLedger, Conflict, Duplicate, Parked
from tests.stock.partition import EPOCH, Partition, everything

AHEAD_MS = 5 * 60 * 1000
_pack = msgspec.msgpack.Encoder().encode


async def test_one_id_many_times_in_one_batch_takes_effect_once(partition: Partition) -> None:
    first, *others = await partition.call(*[partition.fact("one")] * 100)

    assert isinstance(first, Applied)
    assert others == [Duplicate(first.seq, Answer((("BAG", 1),)))] * 99
    assert (await partition.position()).free == 1


async def test_one_id_over_many_batches_gets_its_first_answer_each_time(partition: Partition) -> None:
    [first] = await partition.call(partition.sale("oversold", 2))
    assert isinstance(first, Applied)
    alert = AnsweredAlert("discrepancy", "BAG", "LON", 2)
    assert first.alerts == (alert,)

    for _ in range(3):
        [again] = await partition.call(partition.sale("oversold", 2))
        assert again == Duplicate(first.seq, Answer((("BAG", 2),), (alert,)))

    position = await partition.position()
    assert (position.free, position.deficit) == (0, 2)
    assert len(await partition.entries()) == 2


async def test_the_same_id_of_another_source_is_another_event(partition: Partition) -> None:
    outcomes = await partition.call(partition.fact("one"), partition.fact("one", source="shop"))

    assert [type(outcome) for outcome in outcomes] == [Applied, Applied]
    assert (await partition.position()).free == 2


async def test_a_source_and_id_that_read_alike_together_are_not_mixed_up(partition: Partition) -> None:
    outcomes = await partition.call(partition.fact("b:c", source="a"), partition.fact("c", source="a.b"))

    assert [type(outcome) for outcome in outcomes] == [Applied, Applied]


async def plant_record(partition: Partition, day: int, id: str, kind: str, hash: str, number: int) -> None:
    await partition.client.hset(keys.seen(day), f"till:{id}", _pack([kind, hash, EPOCH, number]))


@pytest.mark.parametrize("days_ago", [0, 1, 6, 7])
async def test_an_id_booked_on_an_earlier_day_is_known(partition: Partition, days_ago: int) -> None:
    day = partition.now_ms // DAY_MS - days_ago
    await plant_record(partition, day, "old", "fact", "content-1", 0)
    before = await everything(partition.client)

    [outcome] = await partition.call(partition.fact("old", ledger_checked=True))

    assert isinstance(outcome, Duplicate)
    assert outcome.seq == Seq(EPOCH, 0)
    assert await everything(partition.client) == before


async def test_a_batch_on_the_day_after_still_knows_the_day_before(partition: Partition) -> None:
    await partition.call(partition.fact("one"))
    # What Redis booked today is yesterday's now; the clock itself cannot be turned.
    today = partition.now_ms // DAY_MS
    await partition.client.rename(keys.seen(today), keys.seen(today - 1))

    [again, new] = await partition.call(partition.fact("one"), partition.fact("two"))

    assert isinstance(again, Duplicate)
    assert isinstance(new, Applied)
    assert await partition.client.hkeys(keys.seen(today)) == [b"till:two"]


async def test_a_process_that_slept_for_days_finds_today_by_itself(partition: Partition) -> None:
    partition.kernel.booked_at_ms -= 40 * DAY_MS
    partition.kernel.seen_from -= 40

    [outcome] = await partition.call(partition.fact("one"))

    assert isinstance(outcome, Applied)
    assert partition.kernel.booked_at_ms >= partition.now_ms
    assert await partition.client.hkeys(keys.seen(partition.now_ms // DAY_MS)) == [b"till:one"]


async def test_another_content_under_the_same_id_is_kept_once_and_changes_nothing(partition: Partition) -> None:
    [first] = await partition.call(partition.fact("one"))
    assert isinstance(first, Applied)
    other = partition.sale("one", hash="content-2", payload='{"other":1}')

    outcomes = [*await partition.call(other, other), *await partition.call(other)]

    assert outcomes == [Conflict(Seq(EPOCH, first.seq.number + 1))] * 3
    assert (await partition.position()).free == 1
    kept = [entry for _, entry in await partition.entries() if entry.kind == "conflict"]
    assert [(entry.hash, entry.payload, entry.positions) for entry in kept] == [("content-2", '{"other":1}', ())]
    [third] = await partition.call(partition.fact("one", hash="content-3"))
    assert third == Conflict(Seq(EPOCH, first.seq.number + 2))
    [again] = await partition.call(partition.fact("one"))
    assert isinstance(again, Duplicate)


async def test_a_conflict_that_the_ledger_found_is_kept_once(partition: Partition) -> None:
    found = partition.fact("old", verb="conflict", hash="content-2")

    first, second = [*await partition.call(found), *await partition.call(found)]

    assert isinstance(first, Conflict)
    assert second == first
    assert (await partition.position()).free == 0


async def test_a_parked_fact_is_kept_once_and_booked_when_it_is_mended(partition: Partition) -> None:
    parked = partition.fact("early", verb="park", lines=(), payload='{"early":1}')

    outcomes = [*await partition.call(parked, parked), *await partition.call(parked)]

    assert outcomes == [Parked(Seq(EPOCH, 1))] * 3
    [_, (_, entry)] = await partition.entries()
    assert (entry.kind, entry.payload, entry.positions) == ("parked", '{"early":1}', ())
    [mended] = await partition.call(partition.fact("early"))
    assert isinstance(mended, Applied)
    [again, parked_again] = await partition.call(partition.fact("early"), parked)
    assert isinstance(again, Duplicate)
    assert isinstance(parked_again, Duplicate)
    assert (await partition.position()).free == 1


async def test_another_content_under_a_parked_id_is_a_conflict(partition: Partition) -> None:
    [_, outcome] = await partition.call(
        partition.fact("early", verb="park", lines=()), partition.fact("early", hash="content-2")
    )

    assert isinstance(outcome, Conflict)
    assert (await partition.position()).free == 0


@pytest.mark.parametrize("offset_ms", [-8 * DAY_MS, -3_650 * DAY_MS, 6 * 60 * 1000, 10_000 * DAY_MS])
async def test_an_unknown_id_far_from_now_is_asked_about_and_nothing_is_written(
    partition: Partition, offset_ms: int
) -> None:
    before = await everything(partition.client)
    far = partition.fact("far", stated_ms=partition.now_ms + offset_ms)

    assert await partition.call(far, msgspec.structs.replace(far, verb="park", lines=())) == [AskLedger()] * 2
    assert await everything(partition.client) == before

    [outcome] = await partition.call(msgspec.structs.replace(far, ledger_checked=True))
    assert isinstance(outcome, Applied)
    [again] = await partition.call(far)
    assert isinstance(again, Duplicate)


@pytest.mark.parametrize("offset_ms", [0, -6 * DAY_MS, AHEAD_MS - 60_000])
async def test_an_unknown_id_near_now_is_not_asked_about(partition: Partition, offset_ms: int) -> None:
    [outcome] = await partition.call(partition.fact("near", stated_ms=partition.now_ms + offset_ms))

    assert isinstance(outcome, Applied)


async def test_an_id_stated_ahead_of_its_booking_is_asked_about_when_its_day_has_come(partition: Partition) -> None:
    ahead = partition.fact("ahead", stated_ms=partition.now_ms + 2 * DAY_MS, ledger_checked=True)
    [first] = await partition.call(ahead)
    assert isinstance(first, Applied)
    # Its day has come, and the day of its booking has been dropped.
    today = partition.now_ms // DAY_MS
    await partition.client.delete(keys.seen(today))
    late = partition.fact("ahead", stated_ms=partition.now_ms)
    await partition.client.sadd(keys.AHEAD, f"till:{today}")

    assert await partition.call(late) == [AskLedger()]
    assert await partition.client.sismember(keys.AHEAD, f"till:{today + 2}")


async def test_the_answer_of_an_entry_that_was_trimmed_is_left_to_the_ledger(partition: Partition) -> None:
    [first] = await partition.call(partition.fact("one"))
    assert isinstance(first, Applied)
    await partition.client.xtrim(keys.JOURNAL, maxlen=0, approximate=False)

    assert await partition.call(partition.fact("one")) == [Duplicate(first.seq, None)]


async def test_numbers_have_no_gap_and_no_refused_or_repeated_command_takes_one(partition: Partition) -> None:
    await partition.call(partition.fact("a"), partition.fact("a"), partition.fact("b", hash=""), partition.sale("c"))
    await partition.call(partition.fact("d", verb="park", lines=()), partition.fact("a", hash="content-2"))
    await partition.call(partition.fact("e", stated_ms=0), partition.fact("f"))

    entries: Any = await partition.entries()

    assert [(seq, entry.id) for seq, entry in entries] == [
        (Seq(EPOCH, number), id) for number, id in enumerate(["", "a", "c", "d", "a", "f"])
    ]
    assert await partition.next_number() == len(entries) == partition.kernel.floor
    assert all(one.booked_at_ms <= two.booked_at_ms for (_, one), (_, two) in pairwise(entries))


async def test_booking_never_goes_back_behind_what_was_booked(partition: Partition) -> None:
    ahead_ms = partition.now_ms + 60_000
    await partition.client.hset(keys.META, "booked_at", ahead_ms)

    await partition.call(partition.fact("one", time_ms=ahead_ms + 5_000))

    [_, (_, entry)] = await partition.entries()
    assert entry.booked_at_ms == ahead_ms
    assert entry.time_ms == ahead_ms
