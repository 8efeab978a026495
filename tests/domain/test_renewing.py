"""What an owner holds never blocks her: asked for again it is hers, whatever happened in between."""

from datetime import UTC, datetime
from itertools import count

import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings, RuleSettings
from hub.domain.command import Asking, Line
from hub.domain.holding.hold import Allocation, State
from hub.domain.outcome import Outcome
from hub.domain.position import Position
from hub.domain.rules import House
from tests.domain.test_promises import NOW_MS, PARIS, WAREHOUSE, World, house_of, promised

EVE, BOB = "eve", "bob"


class Visits(World):
    """The same house, and owners who come back."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._ids = count(1)
        self.name = ""

    def reserve(
        self,
        *asked: int | tuple[str, str, int],
        owner: str = EVE,
        split: int = 0,
        only: tuple[str, ...] = (),
        ttl_ms: int = 1000,
        later_ms: int = 0,
    ) -> Outcome:
        """Units of the bag, or of what is named, for the owner; in the place of what the owner holds."""
        lines = tuple(("BAG", "", each) if isinstance(each, int) else each for each in asked)
        self.name = f"reservation:{next(self._ids)}"
        detail = Asking(self.name, lines, ttl_ms=ttl_ms, owner=owner, kind="cart", split=split, only=only, is_named=1)
        skus = (Line(sku, "", 0) for sku in ("BAG", "HAT"))
        return self.tell("reserve", *skus, pool="online", detail=detail, later_ms=later_ms)

    def arrives(self, units: int, sku: str = "BAG", location: str = WAREHOUSE) -> None:
        """Otherwise than by a purchase order."""
        self.tell("adjustment", Line(sku, location, units))


@pytest.fixture
def visits() -> Visits:
    """Eve was promised two of five that are expected."""
    made = Visits(house_of(limit=4))
    made.expect(5)
    assert made.reserve(2).kind == "applied"
    return made


def short(outcome: Outcome) -> tuple[tuple[str, int, int], ...]:
    assert outcome.denial is not None
    assert outcome.denial.problem == "insufficient"
    return outcome.denial.shortages


def test_who_was_promised_units_is_promised_them_again_though_another_came_into_stock(visits: Visits) -> None:
    visits.arrives(1)
    assert visits.reserve(2).kind == "applied"
    assert visits.kept(visits.name) == (promised(2),)
    assert visits.position() == Position(free=1)
    assert visits.line().promises == (("online", 2, 0),)


def test_who_asks_for_less_gets_what_came_into_stock(visits: Visits) -> None:
    visits.arrives(1)
    visits.reserve(1)
    assert visits.kept(visits.name) == (Allocation(WAREHOUSE, 1),)
    assert visits.line().promises == ()


def test_who_asks_for_more_keeps_what_was_promised_and_gets_the_rest_as_anybody(visits: Visits) -> None:
    visits.arrives(1)
    assert short(visits.reserve(4)) == (("BAG", 4, 3),)
    assert visits.kept("reservation:1") == (promised(2),)
    assert visits.reserve(3).kind == "applied"
    assert visits.kept(visits.name) == (promised(2), Allocation(WAREHOUSE, 1))
    assert visits.line().promises == (("online", 2, 0),)


def test_more_is_promised_only_within_the_limit_and_counts_what_is_kept(visits: Visits) -> None:
    assert short(visits.reserve(5)) == (("BAG", 5, 4),)
    assert visits.reserve(4).kind == "applied"
    assert visits.line().promises == (("online", 4, 0),)


def test_the_rest_of_a_basket_is_found_beside_what_is_kept(visits: Visits) -> None:
    visits.arrives(1)
    visits.arrives(1, "HAT")
    visits.arrives(1, "HAT", PARIS)
    basket = (("BAG", "", 2), ("HAT", "", 1))
    assert visits.reserve(*basket).kind == "applied"
    assert visits.kept(visits.name) == (promised(2), Allocation(WAREHOUSE, 1))
    assert short(visits.reserve(("BAG", "", 2), ("HAT", "", 2))) == (("HAT", 2, 1),)
    assert visits.reserve(("BAG", "", 2), ("HAT", "", 2), split=1).kind == "applied"


def test_what_the_request_leaves_no_place_for_is_not_kept(visits: Visits) -> None:
    visits.arrives(1)
    assert short(visits.reserve(2, only=(PARIS,))) == (("BAG", 2, 1),)
    assert short(visits.reserve(("BAG", PARIS, 2))) == (("BAG", 2, 1),)
    assert visits.reserve(("BAG", WAREHOUSE, 2)).kind == "applied"


def test_what_came_in_part_is_kept_on_the_shelf_and_as_it_is_promised(visits: Visits) -> None:
    visits.receive(1)
    visits.arrives(1, location=PARIS)
    assert visits.reserve(2).kind == "applied"
    assert visits.kept(visits.name) == (Allocation(WAREHOUSE, 1), promised(1))
    assert visits.line().promises == (("online", 1, 0),)


def test_what_is_over_is_nobodys_though_nobody_gave_it_back_yet(visits: Visits) -> None:
    visits.arrives(1)
    assert short(visits.reserve(2, later_ms=5000)) == (("BAG", 2, 1),)


def test_what_is_over_is_expired_and_not_released_by_the_next(visits: Visits) -> None:
    visits.arrives(1)
    assert visits.reserve(1, later_ms=5000).kind == "applied"
    assert visits.state("reservation:1") == State.expired
    assert visits.reserve(1, later_ms=5500).kind == "applied"
    assert visits.state("reservation:2") == State.released


def test_nobody_else_and_no_other_kind_is_spared_the_rule(visits: Visits) -> None:
    visits.arrives(1)
    assert short(visits.reserve(2, owner=BOB)) == (("BAG", 2, 1),)


def test_what_a_buffer_would_hold_back_by_now_is_kept() -> None:
    visits = Visits(house_of(limit=0, buffer=2))
    visits.arrives(5)
    assert visits.reserve(3).kind == "applied"
    visits.arrives(-2)
    assert visits.position() == Position(reserved=3)
    assert visits.reserve(3).kind == "applied"
    assert visits.position() == Position(reserved=3)
    assert short(visits.reserve(4)) == (("BAG", 4, 3),)


def test_below_a_threshold_more_is_told_where_more_could_be_had() -> None:
    places = (WAREHOUSE, PARIS)
    settings = HouseSettings(
        locations=tuple(LocationSettings(place, "store", "GB") for place in places),
        pools=(PoolSettings("online", locations=places),),
        rules=(RuleSettings(pool="online", threshold=3),),
    )
    visits = Visits(House(settings, datetime(2026, 11, 22, tzinfo=UTC)))
    visits.arrives(3)
    assert visits.reserve(1).kind == "applied"
    assert short(visits.reserve(5)) == (("BAG", 5, 3),)
    visits.arrives(-2)
    assert visits.reserve(1).kind == "applied"
    assert visits.position() == Position(reserved=1)


def test_the_rest_that_names_a_place_is_found_there_wherever_the_others_are_kept() -> None:
    visits = Visits(house_of(limit=0, buffer=1))
    visits.arrives(2)
    visits.arrives(5, "HAT", PARIS)
    assert visits.reserve(1).kind == "applied"
    visits.arrives(-1)
    assert visits.reserve(1, ("HAT", PARIS, 1)).kind == "applied"
    assert visits.kept(visits.name) == (Allocation(WAREHOUSE, 1), Allocation(PARIS, 1))
    assert visits.reserve(1, ("HAT", PARIS, 3)).kind == "applied"
    assert short(visits.reserve(1, ("HAT", PARIS, 5))) == (("HAT", 5, 4),)


@pytest.fixture
def hidden() -> Visits:
    """Eve holds two bags in the warehouse, which a buffer would hold back by now, and five more are expected."""
    visits = Visits(house_of(limit=5, buffer=2))
    visits.arrives(4)
    visits.expect(5)
    assert visits.reserve(2).kind == "applied"
    visits.arrives(-2)
    return visits


def test_what_she_holds_on_the_shelf_is_not_exchanged_for_a_promise(hidden: Visits) -> None:
    for units in (2, 1):
        assert hidden.reserve(units).kind == "applied"
        assert hidden.kept(hidden.name) == (Allocation(WAREHOUSE, units),)
    assert hidden.reserve(1, owner=BOB).kind == "applied"
    assert hidden.kept(hidden.name) == (promised(1),)


def test_who_asks_for_more_than_she_holds_on_the_shelf_is_promised_the_rest(hidden: Visits) -> None:
    assert hidden.reserve(3).kind == "applied"
    assert hidden.kept(hidden.name) == (Allocation(WAREHOUSE, 2), promised(1))
    # Of both, the shelf is kept first.
    assert hidden.reserve(2).kind == "applied"
    assert hidden.kept(hidden.name) == (Allocation(WAREHOUSE, 2),)


def test_who_asks_for_more_gets_what_anybody_would_where_the_rest_is_not_beside_hers(hidden: Visits) -> None:
    hidden.expect(0)
    hidden.expect(6, "PO-2", location=PARIS)
    assert hidden.reserve(3).kind == "applied"
    assert hidden.kept(hidden.name) == (promised(3, "PO-2", PARIS),)
    assert hidden.position() == Position(free=2)
    assert hidden.line("PO-2").promises == (("online", 3, 0),)


def test_what_a_till_left_of_it_in_two_places_is_kept_in_both() -> None:
    visits = Visits(house_of(limit=0))
    visits.arrives(2)
    visits.reserve(2)
    visits.arrives(1, location=PARIS)
    visits.tell("sale", Line("BAG", WAREHOUSE, 1), pool="paris")
    both = (Allocation(WAREHOUSE, 1), Allocation(PARIS, 1))
    assert visits.kept(visits.name) == both
    assert visits.reserve(2).kind == "applied"
    assert visits.kept(visits.name) == both


def test_what_is_kept_has_the_new_time_and_the_old_one_is_released(visits: Visits) -> None:
    visits.arrives(1)
    visits.reserve(2, ttl_ms=9000)
    hold = visits.model.books.records["holds"][visits.name]
    assert [part[3] for part in hold[11]] == [NOW_MS + 9000]
    assert visits.state("reservation:1") == State.released
