"""What was applied twice is taken back by what its entry says, and only where it did nothing but move units."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import Counting, Fact, Line, Ordering, Supply
from hub.domain.entry import Seq
from hub.domain.model import Model
from hub.domain.position import Position
from hub.domain.reversing import is_plain, reversal_of
from hub.domain.rules import House

NOW_MS = 1_795_600_000_000
HOUSE = House(
    HouseSettings(
        locations=(LocationSettings("LON", "store", "GB"),),
        pools=(PoolSettings("online", locations=("LON",)), PoolSettings("vip")),
    ),
    datetime(2026, 11, 22, tzinfo=UTC),
)

Tell = Callable[..., Seq]


class World:
    """A hub that may forget an id."""

    def __init__(self) -> None:
        self.model = Model(HOUSE)
        self.model.configure(HOUSE, booked_at_ms=NOW_MS)

    def tell(self, id: str, *lines: Line, **changes: Any) -> Seq:
        """Book a receipt, or what the changes make of it; answers where it stands."""
        plain = Fact("receipt", "receipt", "till", id, "content", NOW_MS, NOW_MS, True, "{}", lines=lines)
        outcome = self.model.apply(msgspec.structs.replace(plain, **changes), NOW_MS)
        assert outcome.kind == "applied"
        assert outcome.seq is not None
        return outcome.seq

    def twice(self, id: str, *lines: Line, **changes: Any) -> Seq:
        """The same, forgotten and told again; answers where the second stands."""
        self.tell(id, *lines, **changes)
        del self.model.seen["till", id]
        return self.tell(id, *lines, **changes)

    def take_back(self, twice: Seq) -> None:
        outcome = self.model.apply(reversal_of(twice, self.model.journal[twice.number]), NOW_MS)
        assert outcome.kind == "applied"

    @property
    def position(self) -> Position:
        return self.model.positions["BAG"]["LON"]


def bag(units: int, bucket: str = "free", to: str = "") -> Line:
    return Line("BAG", "LON", units, bucket, to)


def of(verb: str, **more: Any) -> dict[str, Any]:
    return {"verb": verb, "type": verb, **more}


SALE = of("sale", pool="online", payload='{"pool":"online"}')


@pytest.fixture
def world() -> World:
    """Ten bags, of which two are damaged."""
    world = World()
    world.tell("in", bag(8))
    world.tell("broken", bag(2, "damaged"), **of("adjustment"))
    return world


@pytest.mark.parametrize(
    ("lines", "changes"),
    [
        ((bag(3),), SALE),
        ((bag(30),), SALE),
        ((bag(3),), {}),
        ((bag(3),), of("return")),
        ((bag(3, "damaged"),), of("return")),
        ((bag(-3),), of("adjustment")),
        ((bag(-1, "damaged"),), of("adjustment")),
        ((bag(-30),), of("adjustment")),
        ((bag(2, "free", "damaged"),), of("moved")),
        ((bag(1, "damaged", "free"),), of("moved")),
        ((bag(1, "damaged", "written_off"), bag(2, "free", "damaged")), of("moved")),
    ],
)
def test_a_hub_is_after_the_reversal_as_if_it_had_been_applied_once(
    world: World, lines: tuple[Line, ...], changes: dict[str, Any]
) -> None:
    once = World()
    once.tell("in", bag(8))
    once.tell("broken", bag(2, "damaged"), **of("adjustment"))
    once.tell("one", *lines, **changes)

    world.take_back(world.twice("one", *lines, **changes))

    assert world.position == once.position


def test_units_that_are_not_where_they_went_any_more_are_owed(world: World) -> None:
    twice = world.twice("more", bag(5))
    world.tell("sold", bag(17), **SALE)
    world.take_back(twice)

    # One was free still and two were damaged; of the five that never came the other two are owed.
    assert (world.position.on_hand, world.position.deficit) == (0, 2)


def test_the_target_of_the_pools_own_fence_rises_again(world: World) -> None:
    world.tell("fence", bag(4), **of("ring_fence", pool="vip"))
    twice = world.twice("sold", bag(1), **of("sale", pool="vip", payload='{"pool":"vip"}'))
    world.take_back(twice)

    [fence] = world.position.fences
    assert (fence.quantity, fence.target) == (3, 3)


def test_what_a_count_has_seen_since_goes_by_the_shelf(world: World) -> None:
    twice = world.twice("sold", bag(1), **SALE)
    world.tell("count", bag(9), **of("count", detail=Counting(NOW_MS, "physical")))
    before = world.position
    world.take_back(twice)

    assert world.position == before
    [move] = world.model.journal[-1].movements
    assert (move.from_bucket, move.to_bucket, move.quantity) == ("customer", "variance", 1)


@pytest.mark.parametrize(
    "changes",
    [
        of("receipt", detail=Supply("PO-1")),
        of("count", detail=Counting(NOW_MS, "physical")),
        of("ring_fence", pool="vip"),
        of("order_place", pool="online", detail=Ordering("W-1", (("BAG", "", 1),))),
    ],
)
def test_what_did_more_than_move_units_is_left_to_people(world: World, changes: dict[str, Any]) -> None:
    if changes["verb"] == "receipt":
        world.tell("sent", bag(3), **of("expected", detail=Supply("PO-1", NOW_MS)))
    line = Line("BAG", "", 0) if changes["verb"] == "order_place" else bag(1)
    seq = world.tell("one", line, **changes)

    assert not is_plain(world.model.journal[seq.number])
