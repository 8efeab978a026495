"""Orders in the plain model: a unit leaves once, whatever is told of it and in whatever order."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import ORDER_VERBS, REQUESTS, Asking, Fact, Line, Ordering, Selling, Verb, Voiding
from hub.domain.holding.hold import KEPT, hold_from
from hub.domain.holding.ordering import leaves_from
from hub.domain.holding.orders import Order, order_from
from hub.domain.model import Model
from hub.domain.outcome import Outcome
from hub.domain.rules import House
from hub.domain.voids import with_sale

PLACES = ("LON", "PAR")
HOUSE = House(
    HouseSettings(
        locations=tuple(LocationSettings(place, "store", "GB") for place in PLACES),
        pools=(PoolSettings("vip", locations=PLACES), PoolSettings("online", locations=PLACES)),
    ),
    datetime(2026, 11, 22, tzinfo=UTC),
)
R, ORDER = "reservation:r", "o"
NOW_MS = 1_800_000_000_000


class World:
    """A house with nothing in it yet."""

    def __init__(self) -> None:
        self.model = Model(HOUSE)
        self.model.configure(HOUSE, booked_at_ms=NOW_MS)
        self.number = 0

    def fact(self, verb: Verb, lines: tuple[Line, ...], pool: str, detail: object, id: str = "") -> Fact:
        self.number += 1
        return Fact(
            verb,
            verb,
            "shop",
            id or f"e{self.number}",
            "h",
            NOW_MS,
            NOW_MS,
            True,
            "{}",
            pool=pool,
            lines=lines,
            detail=detail,  # type: ignore[arg-type]
        )

    def tell(
        self,
        verb: Verb,
        *lines: Line,
        pool: str = "online",
        detail: object = None,
        later_ms: int = 0,
        id: str = "",
    ) -> Outcome:
        fact = self.fact(verb, lines, pool, detail, id)
        now_ms = NOW_MS + later_ms
        return self.model.request(fact, now_ms) if verb in REQUESTS else self.model.apply(fact, now_ms)

    def stock(self, location: str = "LON", quantity: int = 3) -> None:
        assert self.tell("receipt", Line("BAG", location, quantity), pool="").kind == "applied"

    def reserve(
        self, quantity: int = 1, *, owner: str = "ada", is_named: int = 1, only: tuple[str, ...] = ()
    ) -> Outcome:
        asking = Asking(
            R, (("BAG", "", quantity),), ttl_ms=1000, owner=owner, kind="cart", is_named=is_named, only=only
        )
        return self.tell("reserve", Line("BAG", "", 0), detail=asking)

    def order(self, verb: Verb, *units: int, **changes: object) -> Outcome:
        ordering = Ordering(ORDER, tuple(("BAG", "", each) for each in units), **changes)  # type: ignore[arg-type]
        known = self.model.books.records.get("orders", {}).get(ORDER)
        where = leaves_from(ordering, order_from(known) if known else Order())
        return self.tell(verb, Line("BAG", where, 0), detail=ordering)

    def sell(
        self, quantity: int = 1, *, name: str = "", order: str = "", location: str = "LON", id: str = ""
    ) -> Outcome:
        detail = Selling(name, order) if name or order else None
        return self.tell("sale", Line("BAG", location, quantity), pool="online", detail=detail, id=id)

    def void(self, sale: str) -> Outcome:
        seen = self.model.seen.get(("shop", sale))
        fact = self.fact("void", (), "", Voiding(sale, 0))
        if seen is not None and seen.answer.seq is not None:
            fact = with_sale(fact, self.model.journal[seen.answer.seq.number], {})
        return self.model.apply(fact, NOW_MS)

    @property
    def left(self) -> int:
        """Units on the shelves, less what is owed."""
        return sum(each.on_hand - each.deficit for each in self.model.positions["BAG"].values())

    @property
    def reserved(self) -> dict[str, int]:
        return {place: each.reserved for place, each in self.model.positions["BAG"].items() if each.reserved}

    @property
    def owed(self) -> int:
        holds = map(hold_from, self.model.books.records.get("holds", {}).values())
        parts = (part for hold in holds for part in hold.parts if part.state in KEPT)
        return sum(each.quantity for part in parts for each in part.allocations if not each.is_placed)


def meeting(world: World, what: str) -> None:
    """One of the things that happen to one unit."""
    match what:
        case "place":
            world.order("order_place", 1, reservation=R)
        case "till by reservation":
            world.sell(name=R)
        case "till by order":
            world.sell(order=ORDER)
        case "till by both":
            world.sell(name=R, order=ORDER)
        case "fulfil":
            world.order("order_fulfil", 1)
        case "fulfil at":
            world.order("order_fulfil", 1, location="LON")
        case "fulfil elsewhere":
            world.order("order_fulfil", 1, location="PAR")
        case "fulfil all":
            world.order("order_fulfil")


@pytest.mark.parametrize("fulfil", ["fulfil", "fulfil at", "fulfil elsewhere", "fulfil all"])
@pytest.mark.parametrize("till", ["till by reservation", "till by order", "till by both"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_hold_an_order_and_a_till_meet_on_one_unit_and_it_leaves_once(
    fulfil: str, till: str, order: tuple[int, ...]
) -> None:
    world = World()
    world.stock("LON", 3)
    world.stock("PAR", 2)
    assert world.reserve().kind == "applied"
    happened = ["place", till, fulfil]

    for index in order:
        meeting(world, happened[index])

    assert (world.left, world.reserved, world.owed) == (4, {}, 0)


@pytest.mark.parametrize("order", list(permutations(["place", "cancel 1", "cancel 1", "fulfil 1", "till"])))
def test_facts_of_an_order_leave_the_same_stock_in_any_order(order: tuple[str, ...]) -> None:
    world = World()
    world.stock("LON", 3)

    for what in order:
        match what:
            case "place":
                world.order("order_place", 4)
            case "cancel 1":
                world.order("order_cancel", 1)
            case "fulfil 1":
                world.order("order_fulfil", 1)
            case "till":
                world.sell(order=ORDER)

    assert (world.left, world.reserved, world.owed) == (2, {"LON": 1}, 0)


def test_an_order_takes_the_fence_then_what_is_free_and_the_rest_is_owed_to_it() -> None:
    world = World()
    world.stock("LON", 3)
    world.tell("ring_fence", Line("BAG", "LON", 1), pool="online")

    outcome = world.order("order_place", 5)

    assert [(alert.type, alert.quantity) for alert in outcome.alerts if alert.type == "oversold"] == [("oversold", 2)]
    assert (world.reserved, world.owed) == ({"LON": 3}, 2)
    world.stock("PAR", 1)
    assert (world.reserved, world.owed) == ({"LON": 3, "PAR": 1}, 1)
    world.order("order_cancel")
    assert (world.reserved, world.owed, world.left) == ({}, 0, 4)


def test_an_order_takes_over_the_holds_of_its_owner() -> None:
    world = World()
    world.stock("LON", 1)
    world.reserve()

    world.order("order_place", 1, owner="ada")

    assert (world.reserved, world.owed) == ({"LON": 1}, 0)
    assert world.sell(name=R).kind == "applied"
    assert (world.reserved, world.left) == ({}, 0)


def test_a_till_that_takes_a_held_unit_has_another_held_where_the_pool_has_one() -> None:
    world = World()
    world.stock("LON", 1)
    world.stock("PAR", 1)
    world.order("order_place", 1, prefer=("LON",))

    first = world.sell()
    assert (world.reserved, {alert.type for alert in first.alerts}) == ({"PAR": 1}, {"sold_out"})
    second = world.sell(location="PAR")

    assert [alert.type for alert in second.alerts] == ["reservation_broken"]
    assert (world.reserved, world.owed) == ({}, 1)


@pytest.mark.parametrize(("verb", "later_ms"), [("release", 0), ("expire", 1000)])
def test_what_a_reservation_gives_back_is_owed_to_orders_first(verb: Verb, later_ms: int) -> None:
    world = World()
    world.stock("LON", 1)
    world.reserve()
    world.order("order_place", 1)
    assert world.owed == 1

    outcome = world.tell(verb, Line("BAG", "", 0), detail=Asking(R), later_ms=later_ms)

    assert outcome.hold is not None
    assert outcome.hold.owner == "ada"
    assert (world.reserved, world.owed) == ({"LON": 1}, 0)


@pytest.mark.parametrize("till", ["till by reservation", "till by order", "till by both"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_where_a_till_sold_the_unit_it_left_though_a_fulfilment_guessed_elsewhere(
    till: str, order: tuple[int, ...]
) -> None:
    world = World()
    world.stock("LON", 2)
    world.stock("PAR", 2)
    world.reserve(only=("PAR",))
    happened = ["place", till, "fulfil"]

    for index in order:
        meeting(world, happened[index])

    assert {place: each.on_hand for place, each in world.model.positions["BAG"].items()} == {"LON": 1, "PAR": 2}
    assert (world.reserved, world.owed) == ({}, 0)


@pytest.mark.parametrize("order", list(permutations(["place", "till", "void", "fulfil"])))
def test_a_sale_for_an_order_that_did_not_stand_is_kept_for_it_again_and_leaves_once(order: tuple[str, ...]) -> None:
    world = World()
    world.stock("LON", 3)

    for what in order:
        match what:
            case "place":
                world.order("order_place", 1)
            case "till":
                world.sell(order=ORDER, id="sold")
            case "void":
                world.void("sold")
            case "fulfil":
                world.order("order_fulfil", 1)

    assert (world.left, world.reserved, world.owed) == (2, {}, 0)


def test_a_sale_for_an_order_that_did_not_stand_is_kept_for_it_again() -> None:
    world = World()
    world.stock("LON", 3)
    world.order("order_place", 1)
    world.sell(order=ORDER, id="sold")
    assert (world.left, world.reserved) == (2, {})

    world.void("sold")

    assert (world.left, world.reserved, world.owed) == (3, {"LON": 1}, 0)


def test_what_was_reserved_and_is_not_ordered_is_free_again() -> None:
    world = World()
    world.stock("LON", 3)
    world.tell("receipt", Line("BOX", "LON", 2), pool="")
    asking = Asking(R, (("BAG", "", 1), ("BOX", "", 1)), ttl_ms=1000, owner="ada", kind="cart", is_named=1)
    world.tell("reserve", Line("BAG", "", 0), Line("BOX", "", 0), detail=asking)

    ordering = Ordering(ORDER, (("BAG", "", 1),), reservation=R)
    world.tell("order_place", Line("BAG", "", 0), Line("BOX", "", 0), detail=ordering)

    assert (world.reserved, world.model.positions["BOX"]["LON"].reserved) == ({"LON": 1}, 0)


def test_an_order_that_grows_after_all_of_it_left_keeps_what_is_due() -> None:
    world = World()
    world.stock("LON", 5)
    world.sell(order=ORDER)
    world.order("order_place", 1)

    world.order("order_change", 3)

    assert (world.left, world.reserved, world.owed) == (4, {"LON": 2}, 0)


@pytest.mark.parametrize("order", list(permutations(["till", "place", "fulfil"])))
def test_a_client_who_collects_a_hold_whose_time_is_over_takes_one_unit(order: tuple[str, ...]) -> None:
    world = World()
    world.stock("LON", 3)
    world.reserve()
    world.tell("expire", Line("BAG", "", 0), detail=Asking(R), later_ms=2000)

    for what in order:
        match what:
            case "till":
                world.sell(name=R)
            case "place":
                world.order("order_place", 1, reservation=R)
            case "fulfil":
                world.order("order_fulfil", 1)

    assert (world.left, world.reserved, world.owed) == (2, {}, 0)


def test_an_order_takes_over_what_its_owner_confirmed_and_what_was_reserved_for_it() -> None:
    for changes in ({"owner": "ada"}, {}):
        world = World()
        world.stock("LON", 3)
        asking = Asking(R, (("BAG", "", 1),), ttl_ms=1000, owner="ada", kind="cart", is_named=1, order=ORDER)
        world.tell("reserve", Line("BAG", "", 0), detail=asking)
        world.tell("confirm", Line("BAG", "", 0), detail=Asking(R))

        world.order("order_place", 1, **changes)

        assert (world.reserved, world.owed) == ({"LON": 1}, 0)


def test_more_than_is_owed_cannot_wait_to_be_fulfilled() -> None:
    world = World()
    world.stock("LON", 3)
    world.order("order_place", 1)

    outcome = world.order("order_fulfil", 2)

    assert [(alert.type, alert.quantity) for alert in outcome.alerts if alert.type == "discrepancy"] == [
        ("discrepancy", 1)
    ]
    assert (world.left, world.reserved, world.owed) == (2, {}, 0)


def test_an_order_of_another_pool_with_the_same_id_is_kept_apart() -> None:
    world = World()
    world.stock("LON", 3)
    world.order("order_place", 1)
    ordering = Ordering(ORDER, (("BAG", "", 2),))

    outcome = world.tell("order_place", Line("BAG", "", 0), pool="vip", detail=ordering)

    assert (outcome.kind, outcome.why) == ("parked", "order o was placed in pool online")
    assert world.reserved == {"LON": 1}


def test_a_late_confirm_takes_units_where_they_were_asked_for() -> None:
    world = World()
    world.stock("LON", 1)
    world.stock("PAR", 1)
    asking = Asking(R, (("BAG", "LON", 1), ("BAG", "PAR", 1)), ttl_ms=1000, owner="ada", kind="cart")
    world.tell("reserve", Line("BAG", "", 0), detail=asking)

    late = world.tell("confirm", Line("BAG", "", 0), detail=Asking(R), later_ms=2000)

    assert (late.kind, world.reserved) == ("applied", {"LON": 1, "PAR": 1})


def test_verbs_of_orders_are_facts() -> None:
    assert not ORDER_VERBS & REQUESTS
