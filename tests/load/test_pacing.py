"""When requests are due, and that a slow server cannot hide behind requests that were not sent."""

import heapq
import random
from collections.abc import Callable
from itertools import islice, pairwise

import pytest

from hub.load.histogram import Histogram
from hub.load.pacing import Lanes, Schedule, constant, poisson

END_SECONDS = 10.0


def latencies(lanes: Lanes, connections: int, answered_at: Callable[[float], float]) -> Histogram:
    """Play a load against a server whose clock is what it says: sent then, it is answered at that time."""
    found = Histogram()
    under_way: list[tuple[float, int, float]] = []
    for lane in range(connections):
        lanes.free(lane)
    now = 0.0
    while True:
        for _ in lanes.arrive(now):
            pass
        for lane, due in lanes.start(now):
            heapq.heappush(under_way, (answered_at(now), lane, due))
        instants = [under_way[0][0]] if under_way else []
        instants += [] if lanes.next_due is None else [lanes.next_due]
        if not instants:
            return found
        now = min(instants)
        while under_way and under_way[0][0] <= now:
            at, lane, due = heapq.heappop(under_way)
            found.record(round((at - due) * 1_000_000))
            lanes.free(lane)


def stalls(now: float) -> float:
    """A server that answers after a millisecond, but nothing between the fifth and the sixth second."""
    return 6.001 if 5.0 <= now < 6.0 else now + 0.001


def test_a_stall_of_a_second_is_in_the_percentiles_of_an_open_loop() -> None:
    lanes = Lanes(Schedule(constant(100.0), END_SECONDS), END_SECONDS)

    found = latencies(lanes, 2, stalls)

    # A tenth of all requests were due in that second, evenly: the 99th percentile waited nine tenths of it.
    assert found.total == lanes.asked == 1_000
    assert found.percentile(99) == pytest.approx(900_000, rel=0.02)
    assert found.percentile(95) == pytest.approx(500_000, rel=0.08)
    assert found.percentile(50) == pytest.approx(1_000, rel=0.01)


def test_a_closed_loop_sends_less_meanwhile_and_does_not_show_it() -> None:
    found = latencies(Lanes(None, END_SECONDS), 2, stalls)

    assert found.percentile(99) == pytest.approx(1_000, rel=0.01)
    assert found.highest == pytest.approx(1_001_000, rel=0.001)


def test_what_finds_no_free_connection_waits_from_when_it_was_due() -> None:
    lanes = Lanes(Schedule(constant(10.0), END_SECONDS), END_SECONDS)
    lanes.free(7)

    assert list(lanes.arrive(0.25)) == pytest.approx([0.25, 0.15, 0.05])
    assert list(lanes.start(0.25)) == [(7, 0.0)]
    assert lanes.waiting == 2
    lanes.free(7)
    assert list(lanes.start(0.5)) == [(7, 0.1)]
    assert lanes.give_up() == [0.2]
    assert lanes.waiting == 0


def test_a_connection_that_is_gone_takes_nothing() -> None:
    lanes = Lanes(None, END_SECONDS)
    lanes.free(1)
    lanes.free(2)

    lanes.lose(1)
    lanes.lose(3)

    assert list(lanes.start(0.0)) == [(2, 0.0)]


def test_stopped_nothing_more_is_due_and_what_waits_still_goes() -> None:
    lanes = Lanes(Schedule(constant(10.0), END_SECONDS), END_SECONDS)
    assert len(list(lanes.arrive(0.15))) == 2

    lanes.stop(0.15)

    assert lanes.next_due is None
    assert list(lanes.arrive(9.0)) == []
    lanes.free(0)
    assert list(lanes.start(9.0)) == [(0, 0.0)]
    closed = Lanes(None, END_SECONDS)
    closed.free(0)
    closed.stop(1.0)
    assert list(closed.start(1.0)) == []


def test_a_constant_schedule_does_not_drift_and_several_alternate() -> None:
    first, second = (list(islice(constant(1_000.0, phase), 1_000_000)) for phase in (0.0, 0.5))

    assert first[-1] == 999.999
    assert second[0] == 0.0005


def test_a_poisson_schedule_has_its_rate_and_is_the_same_again() -> None:
    times = list(islice(poisson(50.0, random.Random("x")), 20_000))

    assert times == list(islice(poisson(50.0, random.Random("x")), 20_000))
    assert times[-1] == pytest.approx(400.0, rel=0.03)
    gaps = [after - before for before, after in pairwise(times)]
    # Of such gaps e⁻¹ are longer than their mean; of even ones none would be.
    assert sum(gap > 1 / 50.0 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)
