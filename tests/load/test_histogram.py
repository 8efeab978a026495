"""Percentiles against the plain definition, on drawn values."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from hub.load.histogram import VALUE_MAX, Histogram, highest_of

VALUES = st.lists(st.one_of(st.integers(0, 2_000), st.integers(0, 10**9)), min_size=1, max_size=300)


def histogram(values: list[int]) -> Histogram:
    found = Histogram()
    for value in values:
        found.record(value)
    return found


@given(VALUES, st.sampled_from([0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_never_too_low_and_at_most_one_in_128_too_high(values: list[int], percent: float) -> None:
    exact = sorted(values)[max(1, math.ceil(len(values) * percent / 100 - 1e-9)) - 1]

    found = histogram(values).percentile(percent)

    assert exact <= found <= exact + exact // 128


@given(VALUES, VALUES)
def test_two_together_are_as_one_that_heard_all(first: list[int], second: list[int]) -> None:
    together = histogram(first)
    together.add(histogram(second))

    assert together == histogram(first + second)
    assert together == Histogram.of({"a": histogram(first), "b": histogram(second)})
    assert together.mean == sum(first + second) / len(first + second)


def test_buckets_follow_each_other_without_a_gap() -> None:
    highest = [highest_of(bucket) for bucket in range(4_000)]

    assert highest[:257] == [*range(256), 257]
    assert all(after > before for before, after in itertools.pairwise(highest))
    for value in {*range(5_000), *highest[:3_000], *(value + 1 for value in highest[:3_000])}:
        [(upper, count)] = histogram([value]).buckets()
        assert count == 1
        assert value <= upper
        assert upper in highest


def test_what_is_out_of_range_counts_at_its_ends() -> None:
    found = histogram([-5, 2**60])

    assert found.percentile(50) == 0
    assert found.percentile(100) == found.highest == VALUE_MAX
    assert Histogram().percentile(99) == 0
    assert Histogram().mean == 0.0


def test_999_of_1000_are_the_999th() -> None:
    assert histogram(list(range(1, 1_001))).percentile(99.9) == 999
