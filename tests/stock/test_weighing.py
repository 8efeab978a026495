"""What a command weighs: what makes it dear for Redis makes it heavier."""

import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import Fact, Line
from hub.domain.rules import House
from hub.stock.message import Refresh
from hub.stock.weighing import line_weight, weight
from tests.stock.partition import house_of

LOCATIONS = tuple(LocationSettings(f"L{n}", "store", "GB") for n in range(20))


def of(locations: int, pools: int) -> House:
    named = tuple(PoolSettings(f"pool-{n}") for n in range(pools))
    return house_of(HouseSettings(locations=LOCATIONS[:locations], pools=named))


def fact(lines: int, verb: str = "sale", serials: int = 0) -> Fact:
    pieces = tuple(str(n) for n in range(serials))
    line = Line("BAG", "L0", 1, serials=pieces)
    return Fact(verb, verb, "till", "1", "-", 0, 0, False, "{}", lines=(line,) * lines)  # type: ignore[arg-type]


def test_a_sale_of_one_line_in_four_pools_weighs_ten() -> None:
    assert weight(fact(1), of(5, 4)) == 10


@pytest.mark.parametrize("dear", [fact(2), fact(1, "close"), fact(1, serials=1)])
def test_lines_serials_and_closing_add_weight(dear: Fact) -> None:
    assert weight(dear, of(5, 4)) > weight(fact(1), of(5, 4))


def test_pools_add_weight_to_every_line_and_refresh_and_locations_to_a_refresh() -> None:
    small, wide, far = of(2, 3), of(2, 50), of(20, 3)
    assert weight(fact(1), wide) - weight(fact(1), small) == 50 - 3
    assert weight(Refresh("BAG"), wide) > weight(Refresh("BAG"), small)
    assert weight(Refresh("BAG"), far) > weight(Refresh("BAG"), small)
    assert weight(fact(1), far) == weight(fact(1), small)


def test_many_lines_in_one_command_are_cheaper_than_each_alone() -> None:
    assert weight(fact(100), of(5, 4)) < 100 * weight(fact(1), of(5, 4))


def test_what_has_no_line_weighs_something() -> None:
    assert weight(fact(0), of(1, 1)) > 0
    assert line_weight(of(1, 1)) > 0
