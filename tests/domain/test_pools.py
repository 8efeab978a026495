"""What pools show, told as what a house of luxury wants its audiences to see."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import GroupSettings, HouseSettings, LocationSettings, PoolSettings
from hub.domain.pools import (
    REVS_PER_EPOCH,
    Shown,
    Status,
    Terms,
    View,
    above,
    available,
    contribution,
    parts_of,
    shown,
    supply,
    update_view,
)
from hub.domain.position import Fence, Position
from hub.domain.rules import House, PoolTerms, Profile

LONDON, PARIS, LYON = "LON-KNB", "PAR-STH", "DC-LYON"
BOUTIQUES = (LONDON, PARIS)


def profile_of(*pools: PoolSettings) -> Profile:
    locations = (
        LocationSettings(LONDON, "store", "GB"),
        LocationSettings(PARIS, "store", "FR"),
        LocationSettings(LYON, "warehouse", "FR"),
    )
    house = House(HouseSettings(locations=locations, pools=pools), datetime(2026, 11, 22, tzinfo=UTC))
    return house.profile("BAG-NOIR")


def pool_of(id: str = "online", **rules: object) -> PoolSettings:
    settings: dict[str, object] = {"locations": (*BOUTIQUES, LYON), **rules}
    return PoolSettings(id, **settings)  # type: ignore[arg-type]  # each test names real fields


def shown_by(pool: PoolSettings, positions: dict[str, Position]) -> Shown:
    profile = profile_of(pool)
    return shown(profile.terms[0], parts_of(positions, profile, 0))


def terms_of(**changes: int) -> PoolTerms:
    terms: dict[str, int] = {
        "sell": 1, "threshold": 0, "safety": 0, "low": 0, "cap": -1, "show_status": 0
    } | changes  # fmt: skip
    return PoolTerms(pool="online", groups=((0, 0),), **terms)


def test_the_last_bag_is_seen_by_every_pool_that_sees_the_boutique() -> None:
    profile = profile_of(pool_of("online"), pool_of("store"), pool_of("elsewhere", locations=(PARIS,)))
    bag = {LONDON: Position(free=1)}

    numbers = [available(profile.terms[number], parts_of(bag, profile, number)) for number in range(3)]

    assert numbers == [1, 1, 0]


def test_a_bag_fenced_for_the_vip_is_invisible_to_the_others() -> None:
    profile = profile_of(pool_of("vip", locations=()), pool_of("online"))
    bag = {LONDON: Position(fences=(Fence("vip", 1, 1, 0, 0),))}

    assert [parts_of(bag, profile, number) for number in range(2)] == [(1,), (0,)]


def test_a_fence_counts_where_its_pool_does_not_see_the_location() -> None:
    position = Position(free=5, fences=(Fence("vip", 2, 2, 0, 0),))

    assert contribution(position, "vip", (0, 0)) == 2


def test_a_buffer_holds_back_the_last_units_of_each_location_but_no_fenced_ones() -> None:
    position = Position(free=1, fences=(Fence("online", 1, 1, 0, 0),))

    assert contribution(position, "online", (1, 3)) == 1


def test_units_aside_reserved_or_fenced_for_others_are_not_seen() -> None:
    position = Position(reserved=2, aside=(("damaged", 2),), fences=(Fence("vip", 2, 2, 0, 0),))

    assert contribution(position, "online", (1, 0)) == 0


AT_LEAST_3_IN_BOUTIQUES = pool_of(group=(GroupSettings("boutiques", locations=BOUTIQUES, threshold=3),))


def test_boutiques_below_their_threshold_do_not_count_and_the_warehouse_still_does() -> None:
    positions = {LONDON: Position(free=1), PARIS: Position(free=1), LYON: Position(free=1)}

    assert shown_by(AT_LEAST_3_IN_BOUTIQUES, positions).available == 1


def test_boutiques_at_their_threshold_count_with_all_they_have() -> None:
    positions = {LONDON: Position(free=2), PARIS: Position(free=1), LYON: Position(free=1)}

    assert shown_by(AT_LEAST_3_IN_BOUTIQUES, positions).available == 4


def test_a_groups_safety_is_held_back_from_the_group_alone() -> None:
    pool = pool_of(group=(GroupSettings("boutiques", locations=BOUTIQUES, safety=2),))

    assert shown_by(pool, {LONDON: Position(free=1), LYON: Position(free=4)}).available == 4


def test_a_pools_threshold_and_safety_are_for_its_whole_supply() -> None:
    assert available(terms_of(threshold=3, safety=1), (2,)) == 0
    assert available(terms_of(threshold=3, safety=1), (3,)) == 2


def test_a_pool_that_does_not_sell_a_sku_shows_it_sold_out() -> None:
    assert shown(terms_of(sell=0), (9,)) == Shown(0, 0, Status.out_of_stock)


def test_a_safety_larger_than_what_is_there_shows_nothing_rather_than_less() -> None:
    assert above(2, threshold=0, safety=5) == 0


@pytest.mark.parametrize(("units", "status"), [(0, "out_of_stock"), (2, "low_stock"), (3, "in_stock")])
def test_the_status_is_low_at_or_under_low(units: int, status: str) -> None:
    assert Status(shown(terms_of(low=2), (units,)).status).word == status


@pytest.mark.parametrize(("units", "expected"), [(9, (9, 0)), (10, (10, 0)), (11, (10, 1))])
def test_a_cap_hides_only_what_is_above_it(units: int, expected: tuple[int, int]) -> None:
    value = shown(terms_of(cap=10), (units,))

    assert (value.available, value.capped) == expected


def test_the_status_comes_from_the_number_before_the_cap() -> None:
    assert shown(terms_of(cap=1, low=1), (5,)).status == Status.in_stock


def test_a_pool_that_shows_only_the_status_shows_no_number_and_no_cap() -> None:
    assert shown(terms_of(show_status=1, cap=1), (5,)) == Shown(-1, 0, Status.in_stock)


def test_the_first_unit_ever_shown_is_the_first_change() -> None:
    view = update_view(None, terms_of(), (1,), booked_at_ms=7)

    assert view == View(changes=1, at_ms=7, available=1, status=Status.in_stock, parts=(1,))
    assert view.rev(epoch=3) == 3 * REVS_PER_EPOCH + 1


def test_a_sku_that_was_never_shown_counts_as_shown_sold_out() -> None:
    assert update_view(None, terms_of(threshold=3), (2,), booked_at_ms=7) == View(parts=(2,))
    assert update_view(None, terms_of(show_status=1, threshold=3), (2,), booked_at_ms=7).changes == 0


def test_a_view_never_shown_has_rev_0() -> None:
    assert View(parts=(0,)).rev(epoch=3) == 0


def test_a_change_that_alters_nothing_shown_leaves_no_trace_but_the_parts() -> None:
    first = update_view(None, terms_of(cap=1), (5,), booked_at_ms=7)

    second = update_view(first, terms_of(cap=1), (4,), booked_at_ms=8)

    assert (second.changes, second.at_ms) == (1, 7)
    assert second.parts == (4,)


parts = st.lists(st.integers(0, 9), min_size=1, max_size=4)


@given(parts=parts, groups=st.data(), threshold=st.integers(0, 5), safety=st.integers(0, 5))
def test_a_pool_never_shows_more_than_there_is(
    parts: list[int], groups: st.DataObject, threshold: int, safety: int
) -> None:
    limits = st.tuples(st.integers(0, 5), st.integers(0, 5))
    rules = groups.draw(st.lists(limits, min_size=len(parts), max_size=len(parts)))
    terms: Terms = PoolTerms("online", 1, threshold, safety, 0, -1, 0, tuple(rules))

    assert 0 <= available(terms, parts) <= supply(terms, parts) <= sum(parts)
