"""Which SKU comes how often."""

import random
from collections import Counter

import pytest

from hub.load.choosing import HOT_SHARE, Choice, Skew, sku_name, weights

DRAWN = 20_000


@pytest.mark.parametrize("skew", ["uniform", "hot", "zipf"])
@pytest.mark.parametrize("skus", [1, 2, 1_000])
def test_the_weights_are_all_there_is(skew: Skew, skus: int) -> None:
    found = weights(skew, skus)

    assert len(found) == skus
    assert sum(found) == pytest.approx(1.0)
    assert min(found) > 0


def test_half_of_all_is_the_hot_one() -> None:
    choice = Choice("hot", 50, random.Random(1))

    drawn = Counter(choice.next() for _ in range(DRAWN))

    assert drawn[0] / DRAWN == pytest.approx(HOT_SHARE, abs=0.02)
    assert set(drawn) == set(range(50))


def test_by_zipf_the_first_comes_ten_times_as_often_as_the_tenth() -> None:
    choice = Choice("zipf", 100, random.Random(1))

    drawn = Counter(choice.next() for _ in range(DRAWN))

    assert drawn[0] / drawn[9] == pytest.approx(10, rel=0.2)


def test_names_sort_as_their_numbers() -> None:
    assert [sku_name("LOAD", number) for number in (7, 10)] == ["LOAD-00007", "LOAD-00010"]
