"""Group commit over a real partition: everybody gets their own answers, whatever else is in the call."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from hub.domain.command import Asking, Counting, Fact, Line
from hub.domain.rules import House
from hub.faults import ServerRefused, Unavailable
from hub.stock.batcher import CALM_WEIGHT, COMMANDS_PER_CALL_MAX, REFRESHES_WEIGHT, RUSH_PART, Batcher
from hub.stock.message import Command, Refresh
from hub.stock.outcome import Applied, Duplicate, Outcome
from hub.stock.weighing import weight
from tests.stock.partition import Fixed, Partition

PATIENCE_SECONDS = 20


class Gate:
    """A kernel that waits in front of the real one until it is let through, and counts."""

    def __init__(self, partition: Partition) -> None:
        self._kernel = partition.kernel
        self.open = asyncio.Event()
        self.open.set()
        self.reached = asyncio.Event()
        self.calls: list[int] = []
        self.fault: Exception | None = None

    async def call(self, commands: Sequence[Command], house: House) -> list[Outcome]:
        self.calls.append(len(commands))
        self.reached.set()
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        return await self._kernel.call(commands, house)


@asynccontextmanager
async def batching(partition: Partition, **limits: Any) -> AsyncIterator[tuple[Batcher, Gate]]:
    gate = Gate(partition)
    bounds = {"weight_max": 2_000, "waiting_weight_max": 50_000, **limits}
    batcher = Batcher(gate, Fixed(partition.house), **bounds)  # type: ignore[arg-type]
    running = asyncio.create_task(batcher.run())
    try:
        yield batcher, gate
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def in_flight(batcher: Batcher, gate: Gate, fact: Fact) -> asyncio.Task[list[Outcome]]:
    """Submit a fact whose call stands at the closed gate."""
    gate.open.clear()
    gate.reached.clear()
    task = asyncio.create_task(batcher.submit([fact]))
    await asyncio.wait_for(gate.reached.wait(), PATIENCE_SECONDS)
    return task


async def test_many_submitters_get_an_answer_each_and_share_calls(partition: Partition) -> None:
    async with batching(partition) as (batcher, gate):
        submits = [batcher.submit([partition.fact(f"{n}-a"), partition.fact(f"{n}-b")]) for n in range(500)]
        answers = await asyncio.gather(*submits)

    seqs = [outcome.seq.number for pair in answers for outcome in pair if isinstance(outcome, Applied)]
    assert sorted(seqs) == list(range(1, 1001))
    assert all(first.seq < second.seq for first, second in answers)  # type: ignore[union-attr]
    assert (await partition.position()).free == 1000
    assert len(gate.calls) < 50


async def test_one_id_submitted_a_hundred_times_at_once_takes_effect_once(partition: Partition) -> None:
    async with batching(partition) as (batcher, _):
        answers = await asyncio.gather(*(batcher.submit([partition.sale("one")]) for _ in range(100)))

    kinds = [type(outcome) for [outcome] in answers]
    assert (kinds.count(Applied), kinds.count(Duplicate)) == (1, 99)
    assert {outcome.seq.number for [outcome] in answers} == {1}  # type: ignore[union-attr]


async def test_nothing_to_book_is_answered_at_once(partition: Partition) -> None:
    async with batching(partition) as (batcher, gate):
        assert await batcher.submit([]) == []
        assert gate.calls == []


async def test_a_call_carries_no_more_than_its_weight_but_always_one_command(partition: Partition) -> None:
    heavy = Line("BAG", "LON", 1)
    async with batching(partition, weight_max=30) as (batcher, gate):
        held = await in_flight(batcher, gate, partition.fact("first"))
        # Of two pools: 12 and 16 fill a call, 404 goes alone.
        rest = asyncio.create_task(
            batcher.submit(
                [
                    partition.fact("two", lines=(heavy,) * 2),
                    partition.fact("three", lines=(heavy,) * 3),
                    partition.fact("hundred", lines=(heavy,) * 100),
                    partition.fact("one"),
                ]
            )
        )
        gate.open.set()
        outcomes = [*await held, *await rest]

    assert gate.calls == [1, 2, 1, 1]
    assert [outcome.seq.number for outcome in outcomes if isinstance(outcome, Applied)] == [1, 2, 3, 4, 5]


async def test_serials_take_room_in_a_call(partition: Partition) -> None:
    named = Line("BAG", "LON", 4, serials=("s1", "s2", "s3", "s4"))
    async with batching(partition, weight_max=30) as (batcher, gate):
        held = await in_flight(batcher, gate, partition.fact("first"))
        # With its serials it weighs 16: a plain command of 8 fits beside it, a second of 16 does not.
        named_ones = [partition.fact("named", named), partition.fact("plain"), partition.fact("again", named)]
        rest = asyncio.create_task(batcher.submit(named_ones))
        gate.open.set()
        await held
        await rest

    assert gate.calls == [1, 2, 1]


async def test_a_request_weighs_what_it_costs_to_look_at_each_sku_that_it_may_touch(partition: Partition) -> None:
    lines = (Line("BAG", "", 0), Line("BOX", "", 0))
    request = msgspec.structs.replace(partition.fact("r-1"), verb="release", lines=lines, detail=Asking("r-1"))
    plain = partition.fact("plain")
    house = partition.house
    assert weight(request, house) > weight(msgspec.structs.replace(plain, lines=plain.lines * 2), house)
    room = weight(request, house) + weight(plain, house)
    async with batching(partition, weight_max=room) as (batcher, gate):
        held = await in_flight(batcher, gate, partition.fact("first"))
        rest = asyncio.create_task(batcher.submit([request, plain, partition.fact("second")]))
        gate.open.set()
        await held
        await rest
        assert batcher.requests_per_call() >= 1

    assert gate.calls == [1, 2, 1]


async def test_calls_are_short_while_little_waits_and_take_a_part_of_what_waits_in_a_rush(partition: Partition) -> None:
    each = weight(partition.fact("one"), partition.house)
    waiting = 2 * RUSH_PART * CALM_WEIGHT // each
    async with batching(partition) as (batcher, gate):
        await batcher.submit([partition.fact(str(n)) for n in range(waiting)])

    sizes = [size * each for size in gate.calls]
    assert sizes[0] == 2 * CALM_WEIGHT
    assert sizes[1] == (waiting * each - sizes[0]) // RUSH_PART // each * each
    assert all(size <= CALM_WEIGHT for size in sizes[len(sizes) // 2 :])


async def test_even_in_a_rush_no_call_is_heavier_than_the_limit(partition: Partition) -> None:
    async with batching(partition, weight_max=300) as (batcher, gate):
        await batcher.submit([partition.fact(str(n)) for n in range(500)])

    assert max(gate.calls) == 300 // weight(partition.fact("one"), partition.house)


async def test_a_call_carries_at_most_so_many_commands(partition: Partition) -> None:
    async with batching(partition, weight_max=20_000) as (batcher, gate):
        gate.fault = Unavailable("nothing of it is to be booked")
        with pytest.raises(Unavailable):
            await batcher.submit([partition.fact(str(n)) for n in range(RUSH_PART * COMMANDS_PER_CALL_MAX + 1_000)])

    assert gate.calls[0] == COMMANDS_PER_CALL_MAX


async def test_what_is_too_much_to_wait_is_turned_away_at_once_and_nothing_of_it_is_booked(
    partition: Partition,
) -> None:
    async with batching(partition, waiting_weight_max=400) as (batcher, gate):
        held = await in_flight(batcher, gate, partition.fact("first"))
        waiting = [asyncio.create_task(batcher.submit([partition.fact(f"w{n}") for n in range(25)])) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="waiting"):
            await batcher.submit([partition.fact("too-much")])
        gate.open.set()
        await asyncio.gather(held, *waiting)

        [room_again] = await batcher.submit([partition.fact("too-much")])

    assert isinstance(room_again, Applied)
    assert (await partition.position()).free == 1 + 25 + 1


async def test_more_than_may_wait_is_taken_when_nothing_else_waits(partition: Partition) -> None:
    async with batching(partition, waiting_weight_max=10) as (batcher, _):
        outcomes = await batcher.submit([partition.fact(str(n)) for n in range(50)])

    assert all(isinstance(outcome, Applied) for outcome in outcomes)


async def test_a_submitter_that_went_away_disturbs_nobody_and_is_booked(partition: Partition) -> None:
    async with batching(partition) as (batcher, gate):
        held = await in_flight(batcher, gate, partition.fact("held"))
        gone = asyncio.create_task(batcher.submit([partition.fact("gone-1"), partition.fact("gone-2")]))
        stays = asyncio.create_task(batcher.submit([partition.fact("stays")]))
        await asyncio.sleep(0)
        gone.cancel()
        held.cancel()
        gate.open.set()
        [outcome] = await stays
        [again] = await batcher.submit([partition.fact("gone-2")])

    assert isinstance(outcome, Applied)
    assert isinstance(again, Duplicate)
    assert (await partition.position()).free == 4


@pytest.mark.parametrize("fault", [Unavailable("away"), ServerRefused("other server")])
async def test_a_fault_of_a_call_is_told_to_everybody_in_it_and_to_nobody_else(
    partition: Partition, fault: Exception
) -> None:
    async with batching(partition) as (batcher, gate):
        gate.fault = fault
        held = await in_flight(batcher, gate, partition.fact("held"))
        waiting = asyncio.create_task(batcher.submit([partition.fact("waiting")]))
        await asyncio.sleep(0)
        gate.open.set()
        for task in (held, waiting):
            with pytest.raises(type(fault)):
                await task
        gate.fault = None

        [outcome] = await batcher.submit([partition.fact("waiting")])

    assert isinstance(outcome, Applied)


async def test_whoever_waits_when_the_batcher_stops_is_told_so(partition: Partition) -> None:
    async with batching(partition) as (batcher, gate):
        held = await in_flight(batcher, gate, partition.fact("held"))
        waiting = asyncio.create_task(batcher.submit([partition.fact("waiting")]))
        await asyncio.sleep(0)

    for task in (held, waiting):
        with pytest.raises(Unavailable, match="stopping"):
            await task


async def test_a_defect_ends_the_batcher_and_leaves_nobody_waiting(partition: Partition) -> None:
    gate = Gate(partition)
    gate.fault = AssertionError("a defect")
    batcher = Batcher(gate, Fixed(partition.house), weight_max=2_000, waiting_weight_max=50_000)  # type: ignore[arg-type]
    running = asyncio.create_task(batcher.run())

    with pytest.raises(Unavailable):
        await asyncio.wait_for(batcher.submit([partition.fact("one")]), PATIENCE_SECONDS)
    with pytest.raises(AssertionError, match="a defect"):
        await running


async def test_what_is_submitted_after_the_end_does_not_wait_for_ever(
    partition: Partition, until: Callable[..., Any]
) -> None:
    async with batching(partition) as (batcher, _):
        await batcher.submit([partition.fact("one")])

    with pytest.raises(Unavailable):
        await asyncio.wait_for(batcher.submit([partition.fact("late")]), 2)


async def test_each_call_is_measured(partition: Partition) -> None:
    measured: list[tuple[int, float]] = []
    async with batching(partition, on_call=lambda count, seconds: measured.append((count, seconds))) as (batcher, _):
        await batcher.submit([partition.fact("one"), partition.fact("two")])

    [(count, seconds)] = measured
    assert count == 2
    assert 0 < seconds < PATIENCE_SECONDS


async def test_counts_are_answerable_for_their_part_of_a_call_and_sales_for_nothing(partition: Partition) -> None:
    counting = Counting(partition.now_ms, "system")
    async with batching(partition) as (batcher, _):
        await batcher.submit([partition.fact("sold", Line("BAG", "LON", 1))])
        assert batcher.counting_seconds == 0

        counted = partition.fact("counted", Line("BAG", "LON", 1), verb="count", type="count", detail=counting)
        await batcher.submit([counted])

        assert batcher.counting_seconds > 0


async def test_as_many_lines_fill_a_call_as_it_has_room_for_when_their_count_is_closed(partition: Partition) -> None:
    closing = partition.fact("closed", *(Line("BAG", "LON", 1),) * 12, verb="close")
    async with batching(partition, weight_max=weight(closing, partition.house)) as (batcher, _):
        assert batcher.lines_per_call() == 12
    async with batching(partition, weight_max=20_000) as (batcher, _):
        assert 12 < batcher.lines_per_call() <= CALM_WEIGHT // 8


async def test_few_refreshes_make_a_call_whatever_its_limit(partition: Partition) -> None:
    each = weight(Refresh("BAG"), partition.house)
    async with batching(partition, weight_max=20_000) as (batcher, _):
        assert batcher.refreshes_per_call() == REFRESHES_WEIGHT // each
    async with batching(partition, weight_max=2 * each) as (batcher, _):
        assert batcher.refreshes_per_call() == 2
    async with batching(partition, weight_max=1) as (batcher, _):
        assert batcher.refreshes_per_call() == 1
