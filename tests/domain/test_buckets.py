"""How units go from bucket to bucket, told as what happens in a house of luxury."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.buckets import (
    Alert,
    Change,
    Move,
    arrive,
    aside_bucket,
    fence_bucket,
    put_aside,
    remove,
    sell,
    set_fence,
    units_in,
)
from hub.domain.position import Fence, Position
from hub.domain.shifting import shift

POOLS = ("vip", "online", "store")
STATUSES = ("inspection", "damaged", "repair")
BUCKETS = (
    "free",
    "reserved",
    *map(fence_bucket, (*POOLS, "closed")),
    *map(aside_bucket, (*STATUSES, "forgotten")),
)


def fence(pool: str, quantity: int, target: int | None = None, *, standing: int = 0, set_at: int = 0) -> Fence:
    return Fence(pool, quantity, quantity if target is None else target, standing, set_at)


def sold(position: Position, quantity: int, pool: str) -> Change:
    return sell(position, quantity, pool, pools=POOLS)


def received(position: Position, quantity: int) -> Change:
    return arrive(position, quantity, source="supplier", pools=POOLS)


def adjusted(position: Position, quantity: int, bucket: str = "free") -> Change:
    return remove(position, quantity, bucket, pools=POOLS, statuses=STATUSES)


def moved(position: Position, quantity: int, bucket: str, to: str) -> Change:
    return shift(position, quantity, bucket, to, pools=POOLS, statuses=STATUSES)


def test_the_last_bag_is_sold_and_nothing_is_left() -> None:
    change = sold(Position(free=1), 1, "store")

    assert change == Change(Position(), (Move("free", "customer", 1),))


def test_a_vip_buys_the_bag_kept_for_her_and_the_target_falls() -> None:
    change = sold(Position(free=3, fences=(fence("vip", 2, 4),)), 1, "vip")

    assert change.position == Position(free=3, fences=(fence("vip", 1, 3),))
    assert change.moves == (Move("ring_fenced:vip", "customer", 1),)


def test_a_standing_fence_keeps_its_target_when_its_pool_buys() -> None:
    change = sold(Position(fences=(fence("vip", 2, 2, standing=1),)), 1, "vip")

    assert change.position.fences == (fence("vip", 1, 2, standing=1),)


def test_a_standing_fence_refills_from_the_next_arrival() -> None:
    position = sold(Position(fences=(fence("vip", 1, standing=1),)), 1, "vip").position

    assert received(position, 1).moves == (Move("supplier", "ring_fenced:vip", 1),)


def test_a_sale_takes_its_own_fence_before_free_and_free_before_others() -> None:
    position = Position(free=1, fences=(fence("store", 1), fence("online", 1), fence("vip", 1)))

    change = sold(position, 4, "online")

    assert [move.from_bucket for move in change.moves] == [
        "ring_fenced:online",
        "free",
        "ring_fenced:vip",
        "ring_fenced:store",
    ]


def test_a_till_that_sells_the_vips_bag_breaks_her_fence_and_its_target_stays() -> None:
    change = sold(Position(fences=(fence("vip", 1),)), 1, "store")

    assert change.position.fences == (fence("vip", 0, 1),)
    assert change.alerts == (Alert("fence_broken", 1, "vip"),)


def test_a_sale_never_takes_what_is_aside() -> None:
    change = sold(Position(aside=(("damaged", 3),)), 1, "store")

    assert change.position == Position(deficit=1, aside=(("damaged", 3),))


def test_a_sale_of_what_the_book_does_not_have_is_a_deficit_and_a_discrepancy() -> None:
    change = sold(Position(free=1), 3, "store")

    assert change.position == Position(deficit=2)
    assert change.moves == (Move("free", "customer", 1), Move("deficit", "customer", 2))
    assert change.alerts == (Alert("discrepancy", 2),)


def test_a_sale_takes_what_is_reserved_only_when_all_else_is_gone() -> None:
    change = sold(Position(free=1, reserved=2), 2, "store")

    assert change.position == Position(reserved=1)
    assert [move.from_bucket for move in change.moves] == ["free", "reserved"]


def test_what_arrives_repays_the_deficit_before_anything_is_sellable() -> None:
    change = received(Position(deficit=2), 3)

    assert change.position == Position(free=1)
    assert change.moves == (Move("supplier", "deficit", 2), Move("supplier", "free", 1))


def test_arrivals_fill_fences_in_configuration_order_then_free() -> None:
    position = Position(deficit=1, fences=(fence("store", 0, 2), fence("vip", 0, 1)))

    change = received(position, 5)

    assert change.moves == (
        Move("supplier", "deficit", 1),
        Move("supplier", "ring_fenced:vip", 1),
        Move("supplier", "ring_fenced:store", 2),
        Move("supplier", "free", 1),
    )


def test_fences_of_pools_no_longer_configured_come_last_as_stored() -> None:
    position = Position(fences=(fence("closed", 0, 1), fence("older", 0, 1), fence("store", 0, 1)))

    change = received(position, 3)

    assert [move.to_bucket for move in change.moves] == [
        "ring_fenced:store",
        "ring_fenced:closed",
        "ring_fenced:older",
    ]


def test_a_return_put_aside_for_inspection_repays_no_deficit() -> None:
    change = put_aside(Position(deficit=1), 1, "inspection", source="customer")

    assert change.position == Position(deficit=1, aside=(("inspection", 1),))
    assert change.moves == (Move("customer", "aside:inspection", 1),)


def test_a_minus_takes_free_then_fences_then_aside_then_reserved_then_deficit() -> None:
    position = Position(
        free=1,
        reserved=1,
        fences=(fence("store", 1), fence("vip", 1)),
        aside=(("repair", 1), ("inspection", 1)),
    )

    change = adjusted(position, 8)

    assert [move.from_bucket for move in change.moves] == [
        "free",
        "ring_fenced:vip",
        "ring_fenced:store",
        "aside:inspection",
        "aside:repair",
        "reserved",
        "deficit",
    ]
    assert change.moves[-1] == Move("deficit", "adjustment", 2)
    assert {alert.type for alert in change.alerts} == {"fence_broken", "discrepancy"}


def test_a_minus_of_damaged_units_takes_them_before_free() -> None:
    change = adjusted(Position(free=2, aside=(("damaged", 1),)), 2, "damaged")

    assert change.position == Position(free=1)
    assert change.moves == (Move("aside:damaged", "adjustment", 1), Move("free", "adjustment", 1))


def test_a_minus_leaves_the_targets_of_fences_it_breaks() -> None:
    change = adjusted(Position(fences=(fence("vip", 2),)), 1)

    assert change.position.fences == (fence("vip", 1, 2),)


def test_a_fence_is_filled_from_free_as_far_as_that_goes() -> None:
    change = set_fence(Position(free=1), "vip", 3, standing=0, time_ms=5)

    assert change.position == Position(fences=(fence("vip", 1, 3, set_at=5),))
    assert change.moves == (Move("free", "ring_fenced:vip", 1),)


def test_a_lowered_fence_gives_its_surplus_back_to_free() -> None:
    change = set_fence(Position(fences=(fence("vip", 3),)), "vip", 1, standing=0, time_ms=5)

    assert change.position == Position(free=2, fences=(fence("vip", 1, set_at=5),))
    assert change.moves == (Move("ring_fenced:vip", "free", 2),)


def test_a_fence_lowered_to_nothing_remembers_when() -> None:
    change = set_fence(Position(fences=(fence("vip", 1),)), "vip", 0, standing=0, time_ms=5)

    assert change.position == Position(free=1, fences=(fence("vip", 0, set_at=5),))


def test_an_older_ring_fence_that_comes_late_changes_nothing() -> None:
    position = Position(free=2, fences=(fence("vip", 1, set_at=10),))

    assert set_fence(position, "vip", 3, standing=1, time_ms=9) == Change(position)


def test_of_two_ring_fences_of_the_same_time_the_later_arrival_wins() -> None:
    position = Position(free=2, fences=(fence("vip", 1, set_at=10),))

    assert set_fence(position, "vip", 3, standing=0, time_ms=10).position.fences == (fence("vip", 3, set_at=10),)


counts = st.integers(0, 5)
fences = st.lists(
    st.builds(
        lambda pool, quantity, more, standing: fence(pool, quantity, quantity + more, standing=standing),
        st.sampled_from((*POOLS, "closed")),
        counts,
        counts,
        st.integers(0, 1),
    ),
    unique_by=lambda each: each.pool,
)
asides = st.lists(
    st.tuples(st.sampled_from((*STATUSES, "forgotten")), st.integers(1, 5)), unique_by=lambda each: each[0]
)
positions = st.builds(
    Position, free=counts, reserved=counts, deficit=counts, fences=fences.map(tuple), aside=asides.map(tuple)
)
Happening = Callable[[Position, int], Change]
happenings: list[Happening] = [
    received,
    lambda position, quantity: put_aside(position, quantity, "repair", source="customer"),
    lambda position, quantity: sold(position, quantity, "vip"),
    lambda position, quantity: sold(position, quantity, "unknown"),
    adjusted,
    lambda position, quantity: adjusted(position, quantity, "damaged"),
    lambda position, quantity: set_fence(position, "online", quantity, standing=0, time_ms=0),
]


@pytest.mark.parametrize("happen", happenings)
@given(position=positions, quantity=st.integers(1, 12))
def test_every_change_is_the_sum_of_its_movements(happen: Happening, position: Position, quantity: int) -> None:
    change = happen(position, quantity)

    for bucket in BUCKETS:
        came = sum(move.quantity for move in change.moves if move.to_bucket == bucket)
        went = sum(move.quantity for move in change.moves if move.from_bucket == bucket)
        assert units_in(change.position, bucket) - units_in(position, bucket) == came - went
        assert units_in(change.position, bucket) >= 0
    owed = sum(move.quantity for move in change.moves if move.from_bucket == "deficit")
    repaid = sum(move.quantity for move in change.moves if move.to_bucket == "deficit")
    assert change.position.deficit - position.deficit == owed - repaid
    assert change.position.deficit >= 0
    assert all(move.quantity > 0 and move.from_bucket != move.to_bucket for move in change.moves)


@given(position=positions, quantity=st.integers(1, 12))
def test_units_in_and_out_are_exactly_those_of_the_fact(position: Position, quantity: int) -> None:
    balance = position.on_hand - position.deficit

    after_sale, after_receipt = sold(position, quantity, "vip").position, received(position, quantity).position
    after_minus = adjusted(position, quantity, "damaged").position
    after_fence = set_fence(position, "vip", quantity, standing=0, time_ms=1).position

    assert after_sale.on_hand - after_sale.deficit == balance - quantity
    assert after_minus.on_hand - after_minus.deficit == balance - quantity
    assert after_receipt.on_hand - after_receipt.deficit == balance + quantity
    assert after_fence.on_hand - after_fence.deficit == balance


def test_an_inspected_bag_is_free_again_by_one_movement() -> None:
    change = moved(Position(aside=(("inspection", 2),)), 1, "inspection", "free")

    assert change == Change(Position(free=1, aside=(("inspection", 1),)), (Move("aside:inspection", "free", 1),))


def test_an_inspected_bag_repays_what_is_owed_and_fills_the_fences_first() -> None:
    change = moved(
        Position(deficit=1, fences=(fence("vip", 0, 1),), aside=(("inspection", 3),)), 3, "inspection", "free"
    )

    assert change.position == Position(free=1, fences=(fence("vip", 1),))
    assert [move.to_bucket for move in change.moves] == ["deficit", "ring_fenced:vip", "free"]


def test_a_scratched_bag_that_was_not_free_is_found_wherever_the_shelf_has_one() -> None:
    position = Position(free=1, reserved=1, fences=(fence("vip", 1),), aside=(("repair", 1),))

    change = moved(position, 5, "free", "damaged")

    assert change.position == Position(deficit=1, fences=(fence("vip", 0, 1),), aside=(("damaged", 5),))
    assert [move.from_bucket for move in change.moves] == [
        "free",
        "ring_fenced:vip",
        "aside:repair",
        "reserved",
        "deficit",
    ]
    assert change.alerts == (Alert("fence_broken", 1, "vip"), Alert("discrepancy", 1))


def test_a_fence_that_gets_its_unit_back_is_not_broken() -> None:
    change = moved(Position(fences=(fence("vip", 1),)), 1, "inspection", "free")

    assert change == Change(Position(fences=(fence("vip", 1),)))


def test_a_bag_nobody_had_is_inspected_all_the_same_and_somebody_hears_of_it() -> None:
    change = moved(Position(), 1, "inspection", "free")

    assert change == Change(Position(), (), (Alert("discrepancy", 1),))


def test_what_is_written_off_leaves_the_shelf() -> None:
    change = moved(Position(free=1, aside=(("damaged", 1),)), 3, "damaged", "written_off")

    assert change.position == Position(deficit=1)
    assert [(move.from_bucket, move.to_bucket) for move in change.moves] == [
        ("aside:damaged", "written_off"),
        ("free", "written_off"),
        ("deficit", "written_off"),
    ]
