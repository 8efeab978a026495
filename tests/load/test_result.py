"""Seconds of several processes put together, and whether the generator was the bottleneck."""

import pytest

from hub.load.bottleneck import CPU_SHARE_MAX, generator_told
from hub.load.histogram import Histogram
from hub.load.measuring import UNKNOWN, Measuring
from hub.load.result import POINTS_MAX, Timeline, curve, latency_of
from hub.load.telling import Generated, Second


def times(*values: int) -> Histogram:
    found = Histogram()
    for value in values:
        found.record(value)
    return found


def test_a_second_is_whole_when_all_processes_have_told_it() -> None:
    timeline = Timeline(2)

    assert timeline.take(Second(0, asked=3, answered=2, latency=times(1_000), current=1, errors={"503": 1})) is None
    whole = timeline.take(Second(0, asked=4, answered=4, latency=times(9_000, 9_000), current=2, errors={"503": 2}))

    assert whole is not None
    assert (whole.asked, whole.answered, whole.current, whole.latency.total) == (7, 6, 3, 3)
    assert whole.errors == {"503": 3}
    [point] = timeline.points()
    assert (point.asked, point.p50_ms, point.max_ms, point.sockets_current) == (7.0, 9.0, 9.0, 3)


def test_a_long_load_has_few_points_and_loses_nothing() -> None:
    timeline = Timeline(1)
    for number in range(3 * POINTS_MAX + 1):
        timeline.take(Second(number, asked=number % 4, latency=times(number)))

    points = timeline.points()

    assert len(points) <= POINTS_MAX
    assert sum(point.asked * point.seconds for point in points) == pytest.approx(
        sum(number % 4 for number in range(3 * POINTS_MAX + 1)), rel=0.01
    )
    assert [point.second for point in points[:3]] == [0, points[0].seconds, 2 * points[0].seconds]


def test_the_curve_ends_with_the_longest_and_says_no_more_than_there_is() -> None:
    found = curve(times(*range(1_000, 101_000, 1_000)))

    assert found[0] == (0.0, pytest.approx(1.0, rel=0.008))
    assert found[-1] == (100.0, 100.0)
    assert max(percent for percent, _ in found[:-1]) <= 99.0
    assert found == sorted(found)
    assert latency_of(times(*range(1_000, 101_000, 1_000))).p99 == pytest.approx(99.0, rel=0.008)


def test_only_what_was_due_after_the_warm_up_is_measured() -> None:
    measuring = Measuring(2.0, 10.0)
    for due in (1.9, 2.0, 9.9):
        measuring.asked(due)
    measuring.answered("sale", 1.9, 2.1, 1)
    measuring.answered("sale", 2.0, 2.1, 1)
    measuring.answered(UNKNOWN, 3.0, 3.1, 0)
    measuring.answered("sale", 9.9, 10.1, 1)
    measuring.unsent("sale", 5.0, 12.0)

    found = measuring.measured()

    assert (found.seconds, found.asked, found.unsent) == (8.0, 2, 1)
    # By when the answer came: the second of the two before the end is of a request of the warm-up.
    assert (found.answered, found.booked) == (2, 2)
    assert found.latency["sale"].total == 3
    assert found.latency["sale"].highest == 7_000_000
    assert found.latency[UNKNOWN].total == 1


def told(cpu_seconds: float, lateness_us: int) -> Generated:
    return Generated(seconds=10.0, cpu_seconds=cpu_seconds, lateness=times(*[lateness_us] * 100))


def test_a_generator_that_is_idle_and_in_time_was_not_the_bottleneck() -> None:
    found = generator_told([told(1.0, 100), told(2.0, 300)], 5.0)

    assert not found.was_bottleneck
    assert found.cpu_shares == [0.2, 0.1]
    assert (found.lateness_p99_ms, found.lateness_max_ms) == (0.3, 0.3)
    assert found.said.startswith("The generator was not the bottleneck")


@pytest.mark.parametrize(
    ("processes", "word"),
    [([told(1.0, 100), told(10 * CPU_SHARE_MAX + 0.1, 100)], "--processes"), ([told(1.0, 5_000)], "late")],
)
def test_one_that_is_busy_or_late_was_and_says_so(processes: list[Generated], word: str) -> None:
    found = generator_told(processes, 5.0)

    assert found.was_bottleneck
    assert found.said.startswith("The generator was the bottleneck")
    assert word in found.said


def test_lateness_that_is_little_beside_the_answers_is_no_bottleneck() -> None:
    assert not generator_told([told(1.0, 5_000)], 100.0).was_bottleneck
