"""Every number a pool shows can be explained, and the explanation is the number."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import GroupSettings, HouseSettings, LocationSettings, PoolSettings
from hub.domain.explain import TERMS_MAX, Whole, explain, locations_of
from hub.domain.pools import Status, available, parts_of, supply, update_view
from hub.domain.position import Fence, Position
from hub.domain.rules import House
from protocol.reports import ExplainedLocation, OtherLocations
from tests.model.worlds import PLACES, POOLS, SKUS, house_of, houses

few = st.integers(0, 4)
positions = st.builds(
    Position,
    free=few,
    reserved=few,
    deficit=few,
    fences=st.lists(st.sampled_from(POOLS), unique=True, max_size=3).flatmap(
        lambda pools: st.tuples(*(st.builds(Fence, st.just(pool), few, few, few, few) for pool in pools))
    ),
    aside=st.sampled_from(((), (("damaged", 1),))),
)
# One place is known to no house.
shelves = st.dictionaries(st.sampled_from((*PLACES, "GONE")), positions)


def whole_of(house: House, sku: str, shelf: dict[str, Position]) -> Whole:
    return Whole(house, 1, sku, shelf, {})


@given(houses(), st.sampled_from(SKUS), shelves, st.sampled_from(((), ("LON",), PLACES)))
def test_an_explanation_is_what_is_shown_whoever_asks(
    settings: HouseSettings, sku: str, shelf: dict[str, Position], seen: tuple[str, ...]
) -> None:
    house = house_of(settings)
    profile = house.profile(sku)
    for number, terms in enumerate(profile.terms):
        parts = parts_of(shelf, profile, number)
        view = update_view(None, terms, parts, booked_at_ms=1)

        told = explain(whole_of(house, sku, shelf), terms.pool, lambda location: location in seen)

        assert tuple(group.part for group in told.groups) == parts
        assert all(sum(place.contribution for place in group.locations) == group.part for group in told.groups)
        assert sum(group.part_after for group in told.groups) == told.supply == supply(terms, parts)
        assert told.available == available(terms, parts)
        shown = -1 if told.shown.available is None else told.shown.available
        assert (shown, told.shown.capped, told.shown.status) == (
            view.available,
            view.capped == 1,
            Status(view.status).word,
        )
        named = [
            place.location for group in told.groups for place in group.locations if isinstance(place, ExplainedLocation)
        ]
        assert set(named) <= set(seen)
        assert len(set(named)) == len(named)
        assert all(f"({hidden})" not in told.formula for hidden in {*PLACES, "GONE"} - set(seen))


@given(houses(), st.sampled_from(SKUS), shelves)
def test_no_location_shows_more_than_its_pool(settings: HouseSettings, sku: str, shelf: dict[str, Position]) -> None:
    house = house_of(settings)
    for pool in house.pools:
        whole = whole_of(house, sku, shelf)
        told = explain(whole, pool.id, lambda _: True)

        items = locations_of(whole, pool.id)

        assert [item.location for item in items] == sorted(item.location for item in items)
        if pool.show_status:
            assert all(item.available is None for item in items)
            assert bool(items) == (told.shown.status != "out_of_stock")
        else:
            most = told.shown.available or 0
            assert all(item.available is not None and 0 < item.available <= most for item in items)
            assert bool(items) == (most > 0)


def house_with(count: int) -> House:
    shops = tuple(LocationSettings(f"SHOP-{n:02}", "store", "GB") for n in range(count))
    group = GroupSettings("boutiques", kinds=("store",), threshold=3, safety=1)
    pool = PoolSettings(
        "online", locations=("LYON", *(shop.id for shop in shops)), buffer=1, cap=3, low=1, group=(group,)
    )
    locations = (LocationSettings("LYON", "warehouse", "FR"), *shops)
    return House(HouseSettings(locations=locations, pools=(pool,)), datetime(2026, 11, 22, tzinfo=UTC))


def test_the_formula_can_be_read() -> None:
    shelf = {
        "LYON": Position(free=3),
        "SHOP-00": Position(free=2, fences=(Fence("online", 1, 1, 0, 0),)),
        "GONE": Position(9),
    }

    below = explain(whole_of(house_with(2), "BAG", shelf), "online", lambda _: True)
    enough = explain(
        whole_of(house_with(2), "BAG", {**shelf, "SHOP-01": Position(free=3)}),
        "online",
        lambda location: location != "SHOP-01",
    )

    assert below.formula == (
        "in no group: max(0, 3 − 1) + 0 (LYON) = 2; "
        "boutiques: max(0, 2 − 1) + 1 (SHOP-00) = 2, below its threshold 3, so 0; "
        "supply: 2 + 0 = 2; available: max(0, 2 − 0) = 2; shown: 2, in_stock"
    )
    assert enough.formula == (
        "in no group: max(0, 3 − 1) + 0 (LYON) = 2; "
        "boutiques: max(0, 2 − 1) + 1 (SHOP-00) + 2 elsewhere = 4, less the safety 1 = 3; "
        "supply: 2 + 3 = 5; available: max(0, 5 − 0) = 5; shown: 3 (capped), in_stock"
    )
    assert OtherLocations(2) in enough.groups[1].locations
    assert msgspec.to_builtins(enough.groups[1].locations[-1]) == {"contribution": 2, "locations": "other"}


def test_a_long_formula_sums_up_its_end() -> None:
    count = TERMS_MAX + 5
    shelf = {f"SHOP-{n:02}": Position(free=2) for n in range(count)}

    told = explain(whole_of(house_with(count), "BAG", shelf), "online", lambda _: True)

    assert " + 5 at 5 more = 25, less the safety 1 = 24" in told.formula
    assert len(told.groups[1].locations) == count


def test_a_sku_that_no_pool_ever_saw_is_explained_as_nothing() -> None:
    told = explain(whole_of(house_with(1), "NEVER", {}), "online", lambda _: True)

    assert (told.available, told.shown.status, told.shown.rev) == (0, "out_of_stock", 0)
    assert told.formula == "available: max(0, 0 − 0) = 0; shown: 0, out_of_stock"
