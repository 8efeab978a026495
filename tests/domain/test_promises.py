"""Units promised before they come, in the plain model: how many may be, for when, and what becomes of them."""

from datetime import UTC, datetime

import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings, RuleSettings
from hub.domain.command import REQUESTS, Asking, Fact, Line, Ordering, Selling, Supply, Verb
from hub.domain.expected import TABLE, ExpectedLine, lines_in
from hub.domain.holding.hold import Allocation, State, hold_from
from hub.domain.model import Model
from hub.domain.outcome import Outcome
from hub.domain.pools import Status, View
from hub.domain.position import Position
from hub.domain.rules import House

NOW_MS = 1_800_000_000_000
SOON_MS, LATER_MS = NOW_MS + 86_400_000, NOW_MS + 9 * 86_400_000
WAREHOUSE, PARIS = "WH", "PAR"
A, B = "reservation:a", "reservation:b"


def house_of(limit: int = 3, buffer: int = 0) -> House:
    places = (WAREHOUSE, PARIS)
    return House(
        HouseSettings(
            locations=tuple(LocationSettings(place, "store", "GB") for place in places),
            pools=(
                PoolSettings("online", locations=places),
                PoolSettings("paris", locations=(PARIS,)),
            ),
            rules=(RuleSettings(pool="online", preorder_limit=limit, buffer=buffer),),
        ),
        datetime(2026, 11, 22, tzinfo=UTC),
    )


class World:
    """A house that may promise, with nothing in it yet."""

    def __init__(self, house: House) -> None:
        self.model = Model(house)
        self.model.configure(house, booked_at_ms=NOW_MS)
        self.number = 0

    def tell(self, verb: Verb, *lines: Line, pool: str = "", detail: object = None, later_ms: int = 0) -> Outcome:
        self.number += 1
        id = f"e{self.number}"
        now_ms = NOW_MS + later_ms
        fact = Fact(
            verb,
            verb,
            "shop",
            id,
            id,
            now_ms,
            now_ms,
            True,
            "{}",
            pool=pool,
            lines=lines,
            detail=detail,  # type: ignore[arg-type]
        )
        return self.model.request(fact, now_ms) if verb in REQUESTS else self.model.apply(fact, now_ms)

    def expect(self, quantity: int, order: str = "PO", *, location: str = WAREHOUSE, eta_ms: int = SOON_MS) -> Outcome:
        return self.tell("expected", Line("BAG", location, quantity), detail=Supply(order, eta_ms))

    def receive(self, quantity: int, order: str = "PO", location: str = WAREHOUSE) -> Outcome:
        return self.tell("receipt", Line("BAG", location, quantity), detail=Supply(order) if order else None)

    def ask(self, verb: Verb, name: str = A, *units: int, ttl_ms: int = 1000, split: int = 0, at: str = "") -> Outcome:
        asked = tuple(("BAG", at, each) for each in units)
        step = str(self.number) if units and verb != "reserve" else ""
        asking = Asking(name, asked, ttl_ms=ttl_ms, step=step, owner=name, kind="cart", split=split)
        return self.tell(verb, Line("BAG", "", 0), pool="online", detail=asking)

    def order(self, verb: Verb, *units: int, id: str = "o", reservation: str = "", location: str = "") -> Outcome:
        asked = tuple(("BAG", "", each) for each in units)
        ordering = Ordering(id, asked, reservation=reservation, location=location)
        return self.tell(verb, Line("BAG", location, 0), pool="online", detail=ordering)

    def line(self, order: str = "PO") -> ExpectedLine:
        lines = lines_in(self.model.books.records.get(TABLE, {}).get("BAG"))
        return next(line for line in lines if line.purchase_order == order)

    def view(self, pool: str = "online") -> View:
        return self.model.views["BAG"][pool]

    def kept(self, name: str) -> tuple[Allocation, ...]:
        records = self.model.books.records
        hold = hold_from(records.get("holds", {}).get(name) or records["ended_holds"][name])
        return tuple(each for part in hold.parts for each in part.allocations)

    def state(self, name: str = A) -> State:
        records = self.model.books.records
        return hold_from(records.get("holds", {}).get(name) or records["ended_holds"][name]).state

    def position(self, location: str = WAREHOUSE) -> Position:
        return self.model.positions.get("BAG", {}).get(location, Position())


@pytest.fixture
def world() -> World:
    return World(house_of())


def promised(units: int, order: str = "PO", location: str = WAREHOUSE) -> Allocation:
    return Allocation(location, units, 0, f"purchase_order:{order}")


def alerts(outcome: Outcome) -> list[tuple[str, int]]:
    return [(each.type, each.quantity) for each in outcome.alerts]


def test_a_pool_shows_a_preorder_with_its_date_where_it_sees_units_coming(world: World) -> None:
    world.expect(5)

    view = world.view()
    assert (view.available, view.status, view.eta_ms, view.changes) == (0, Status.preorder, SOON_MS, 1)
    assert "paris" not in world.model.views["BAG"]
    assert world.model.positions == {}


def test_what_was_in_stock_once_is_a_backorder_for_good(world: World) -> None:
    world.receive(1, "")
    world.tell("sale", Line("BAG", WAREHOUSE, 1), pool="online")
    assert world.view().status == Status.emptied
    world.expect(5)
    assert (world.view().status, world.view().eta_ms) == (Status.backorder, SOON_MS)
    world.expect(0)
    assert (world.view().status, world.view().eta_ms) == (Status.emptied, 0)
    world.expect(5)
    assert world.view().status == Status.backorder


def test_a_preorder_that_ended_without_a_unit_is_a_preorder_again(world: World) -> None:
    world.expect(5)
    world.expect(0)
    assert (world.view().status, world.view().changes) == (Status.out_of_stock, 2)
    world.expect(1)
    assert world.view().status == Status.preorder


def test_no_more_is_promised_than_the_limit_and_than_what_comes(world: World) -> None:
    world.expect(5)
    assert world.ask("reserve", A, 2).kind == "applied"
    assert world.kept(A) == (promised(2),)
    assert world.line().promises == (("online", 2, 0),)
    refused = world.ask("reserve", B, 2)
    assert refused.denial is not None
    assert refused.denial.shortages == (("BAG", 2, 1),)
    assert world.ask("reserve", "reservation:c", 1).kind == "applied"
    assert (world.view().status, world.view().eta_ms) == (Status.out_of_stock, 0)
    assert world.position() == Position()


def test_what_is_in_stock_is_never_topped_up_by_a_promise(world: World) -> None:
    world.receive(1, "")
    world.expect(5)
    assert world.view().status == Status.in_stock
    refused = world.ask("reserve", A, 2)
    assert refused.denial is not None
    assert refused.denial.shortages == (("BAG", 2, 1),)


def test_confirmed_promises_are_sold_and_those_given_back_are_free_again(world: World) -> None:
    world.expect(5)
    world.ask("reserve", A, 2)
    world.ask("reserve", B, 1)
    world.ask("confirm", A)
    assert world.line().promises == (("online", 1, 2),)
    world.ask("release", B)
    assert world.line().promises == (("online", 0, 2),)
    assert world.view().status == Status.preorder


def test_a_promise_whose_time_is_over_is_given_back(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 3)
    assert world.tell("expire", Line("BAG", "", 0), detail=Asking(A), later_ms=2000).kind == "applied"
    assert world.state() == State.expired
    assert world.line().promises == ()
    assert world.view().status == Status.preorder


def test_units_are_promised_of_the_earliest_purchase_order_and_of_several_for_one_place(world: World) -> None:
    world.expect(2, "LATE", eta_ms=LATER_MS)
    world.expect(2, "SOON")
    assert world.view().eta_ms == SOON_MS
    world.ask("reserve", A, 3)
    assert world.kept(A) == (promised(2, "SOON"), promised(1, "LATE"))


def test_units_that_come_to_several_places_need_a_split(world: World) -> None:
    world.expect(1)
    world.expect(1, "PO-2", location=PARIS, eta_ms=LATER_MS)
    assert world.ask("reserve", A, 2).kind == "denied"
    assert world.ask("reserve", B, 2, split=1).kind == "applied"
    assert world.kept(B) == (promised(1), promised(1, "PO-2", PARIS))


def test_what_a_place_owes_on_arrival_is_promised_to_nobody(world: World) -> None:
    world.tell("ring_fence", Line("BAG", PARIS, 2), pool="paris")
    world.tell("sale", Line("BAG", PARIS, 1), pool="paris")
    world.expect(4, location=PARIS)
    assert world.position(PARIS).deficit == 1
    assert world.ask("reserve", A, 2).kind == "denied"
    assert world.ask("reserve", B, 1).kind == "applied"


def test_what_a_pool_holds_back_now_it_holds_back_of_what_comes() -> None:
    world = World(house_of(buffer=2))
    world.expect(3)
    assert world.ask("reserve", A, 2).kind == "denied"
    assert world.ask("reserve", B, 1).kind == "applied"


def test_arrivals_are_for_those_to_whom_they_were_promised_first_come_first_served(world: World) -> None:
    world.expect(5)
    world.ask("reserve", A, 2)
    world.ask("reserve", B, 1)
    came = world.receive(2)
    assert world.kept(A) == (Allocation(WAREHOUSE, 2),)
    assert world.kept(B) == (promised(1),)
    assert alerts(came) == [("promise_arrived", 2)]
    assert world.position() == Position(reserved=2)
    world.receive(3)
    assert world.kept(B) == (Allocation(WAREHOUSE, 1),)
    assert world.line().promises == ()
    assert world.position() == Position(free=2, reserved=3)


def test_what_the_deficit_takes_of_an_arrival_stays_promised_while_more_comes(world: World) -> None:
    world.expect(5)
    world.ask("reserve", A, 2)
    world.tell("sale", Line("BAG", WAREHOUSE, 2), pool="online")
    assert alerts(world.receive(3)) == [("promise_arrived", 1)]
    assert world.kept(A) == (Allocation(WAREHOUSE, 1), promised(1))
    assert world.line().promises == (("online", 1, 0),)


def test_a_purchase_order_that_falls_short_breaks_the_newest_unconfirmed_promise_first(world: World) -> None:
    world.expect(3)
    for name in (A, B, "reservation:c"):
        world.ask("reserve", name, 1)
    world.ask("confirm", "reservation:c")
    short = world.expect(2)
    assert alerts(short) == [("reservation_broken", 1), ("promise_short", 1)]
    assert [world.state(name).name for name in (A, B, "reservation:c")] == ["held", "broken", "confirmed"]
    assert world.line().promises == (("online", 1, 1),)


def test_a_promise_moves_to_another_purchase_order_and_says_that_it_is_later(world: World) -> None:
    world.expect(1)
    world.expect(2, "PO-2", eta_ms=LATER_MS)
    world.ask("reserve", A, 1)
    assert alerts(world.expect(0)) == [("promise_late", 1)]
    assert world.kept(A) == (promised(1, "PO-2"),)


def test_a_later_date_is_told_for_what_was_promised(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 2)
    late = world.expect(3, eta_ms=LATER_MS)
    assert alerts(late) == [("promise_late", 2)]
    assert world.view().eta_ms == LATER_MS
    assert alerts(world.expect(3, eta_ms=SOON_MS)) == []


def test_an_order_is_promised_what_comes_also_beyond_the_limit_and_owed_the_rest(world: World) -> None:
    world.receive(1, "")
    world.expect(5)
    placed = world.order("order_place", 8)
    assert ("oversold", 2) in alerts(placed)
    assert world.kept("order:o") == (Allocation(WAREHOUSE, 1), promised(5), Allocation("", 2))
    assert world.line().promises == (("online", 0, 5),)


def test_what_is_owed_is_promised_once_more_is_expected_and_served_by_what_comes_before(world: World) -> None:
    world.order("order_place", 2)
    world.expect(3)
    assert world.kept("order:o") == (promised(2),)
    assert world.view().status == Status.preorder
    world.tell("return", Line("BAG", PARIS, 1))
    assert world.kept("order:o") == (Allocation(PARIS, 1), promised(1))
    assert world.line().promises == (("online", 0, 1),)
    world.receive(1)
    assert world.kept("order:o") == (Allocation(PARIS, 1), Allocation(WAREHOUSE, 1))
    assert world.model.books.records["shortfalls"] == {}


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("is_expected_first", [True, False])
def test_what_is_ordered_beyond_the_limit_is_promised_whichever_came_first(limit: int, is_expected_first: bool) -> None:
    world = World(house_of(limit))
    told = [lambda: world.expect(3), lambda: world.order("order_place", 2)]
    outcomes = [tell() for tell in (told if is_expected_first else reversed(told))]

    assert world.kept("order:o") == (promised(2),)
    assert world.line().promises == (("online", 0, 2),)
    assert world.model.books.records["shortfalls"] == {"BAG": ["order:o"]}
    # When nothing was expected nobody had the units.
    oversold = [units for outcome in outcomes for kind, units in alerts(outcome) if kind == "oversold"]
    assert oversold == ([] if is_expected_first else [2])


def test_nobody_is_promised_what_an_order_is_owed_also_when_the_limit_was_reached_before(world: World) -> None:
    world.expect(5, location=PARIS)
    world.ask("reserve", A, 3)
    assert "oversold" not in dict(alerts(world.order("order_place", 1)))
    world.order("order_change", 2)
    assert world.kept("order:o") == (promised(2, location=PARIS),)
    assert world.line().promises == (("online", 3, 2),)
    assert ("oversold", 1) in alerts(world.order("order_change", 3))
    assert world.kept("order:o") == (promised(2, location=PARIS), Allocation("", 1))


def test_what_is_ordered_beyond_the_limit_is_for_the_first_in_line(world: World) -> None:
    world.expect(4)
    world.ask("reserve", A, 3)
    world.order("order_place", 2, id="first")
    world.order("order_place", 1, id="second")
    world.ask("release", A, 3)
    assert world.kept("order:first") == (promised(2),)
    assert world.kept("order:second") == (promised(1),)
    assert world.line().promises == (("online", 0, 3),)


def test_a_promise_given_back_is_for_whom_units_are_owed(world: World) -> None:
    world.expect(1)
    world.ask("reserve", A, 1)
    world.order("order_place", 1)
    assert world.kept("order:o") == (Allocation("", 1),)
    world.ask("release", A)
    assert world.kept("order:o") == (promised(1),)


def test_the_limit_breaks_no_promise_that_only_moves(world: World) -> None:
    world.expect(3)
    world.expect(9, "PO-2", eta_ms=LATER_MS)
    world.ask("reserve", A, 1)
    world.ask("confirm", A)
    world.order("order_place", 2)
    moved = world.expect(0)
    assert alerts(moved) == [("promise_late", 1), ("promise_late", 2)]
    assert (world.kept(A), world.kept("order:o")) == ((promised(1, "PO-2"),), (promised(2, "PO-2"),))
    assert world.line("PO-2").promises == (("online", 0, 3),)


def test_of_those_that_lose_a_promise_the_first_gets_another_first(world: World) -> None:
    world.expect(3)
    world.expect(1, "PO-2", eta_ms=LATER_MS)
    for name in (A, B):
        world.ask("reserve", name, 1)
        world.ask("confirm", name)
    world.expect(0)
    assert world.kept(A) == (promised(1, "PO-2"),)
    assert world.state(B) == State.broken


def test_a_lost_promise_that_is_served_from_a_shelf_says_that_it_arrived(world: World) -> None:
    world.expect(2)
    world.ask("reserve", A, 1)
    world.receive(1, "", PARIS)
    moved = world.expect(0)
    assert ("promise_arrived", 1) in alerts(moved)
    assert world.kept(A) == (Allocation(PARIS, 1),)


def test_units_owed_to_an_order_are_promised_to_nobody_else(world: World) -> None:
    world.order("order_place", 2)
    world.expect(3)
    assert world.ask("reserve", A, 2).kind == "denied"
    assert world.ask("reserve", B, 1).kind == "applied"
    world.receive(3)
    assert world.kept(B) == (Allocation(WAREHOUSE, 1),)
    assert world.kept("order:o") == (Allocation(WAREHOUSE, 2),)


def test_an_order_takes_over_what_was_promised_to_its_reservation(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 2)
    world.order("order_place", 3, reservation=A)
    assert world.kept("order:o") == (promised(3),)
    assert world.line().promises == (("online", 0, 3),)
    world.order("order_cancel", 1)
    assert world.kept("order:o") == (promised(2),)


def test_an_order_that_was_fulfilled_before_its_units_came_leaves_when_they_do(world: World) -> None:
    world.expect(3)
    world.order("order_place", 2)
    world.order("order_fulfil")
    assert world.line().promises == (("online", 0, 2),)
    world.receive(3)
    assert world.position() == Position(free=1)
    assert world.line().promises == ()


def test_an_order_whose_purchase_order_is_cancelled_is_owed(world: World) -> None:
    world.expect(3)
    world.order("order_place", 2)
    assert alerts(world.expect(0)) == [("promise_short", 2), ("oversold", 2)]
    assert world.kept("order:o") == (Allocation("", 2),)
    world.receive(1, "")
    assert world.kept("order:o") == (Allocation(WAREHOUSE, 1), Allocation("", 1))


def test_what_has_not_arrived_can_be_neither_collected_nor_looked_for(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 2)
    world.ask("confirm", A)
    verbs: tuple[Verb, ...] = ("fulfil", "reallocate")
    for verb in verbs:
        denied = world.ask(verb, A)
        assert denied.denial is not None
        assert denied.denial.problem == "not_arrived"
    world.receive(1)
    assert world.ask("fulfil", A).kind == "applied"
    assert world.kept(A) == (promised(1),)


def test_a_till_that_sells_for_a_reservation_ends_its_promise(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 1)
    world.receive(1, "", PARIS)
    world.tell("sale", Line("BAG", PARIS, 1), pool="online", detail=Selling(A))
    assert world.state() == State.fulfilled
    assert world.line().promises == ()
    assert world.position(PARIS) == Position()


def test_an_order_fulfilled_before_its_units_came_leaves_also_with_units_that_came_otherwise(world: World) -> None:
    world.expect(1)
    world.order("order_place", 1)
    world.order("order_fulfil")
    world.receive(1, "")
    cut = world.expect(0)
    assert "discrepancy" not in dict(alerts(cut))
    assert world.position() == Position()


def test_a_partial_confirm_confirms_what_arrived_first(world: World) -> None:
    world.expect(2)
    world.ask("reserve", A, 2)
    world.receive(1)
    world.ask("confirm", A, 1)
    assert world.tell("expire", Line("BAG", "", 0), detail=Asking(A), later_ms=2000).kind == "applied"
    assert world.kept(A) == (Allocation(WAREHOUSE, 1),)
    assert world.line().promises == ()


def test_what_is_owed_comes_before_a_promise_that_was_made_later(world: World) -> None:
    world.order("order_place", 2)
    world.expect(5)
    world.ask("reserve", A, 1)
    world.receive(2)
    assert world.kept("order:o") == (Allocation(WAREHOUSE, 2),)
    assert world.kept(A) == (promised(1),)


def test_only_what_stays_promised_is_late(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 2)
    world.ask("reserve", B, 1)
    told = alerts(world.expect(1, eta_ms=LATER_MS))
    assert [units for kind, units in told if kind == "promise_late"] == [1]
    assert sum(units for kind, units in told if kind == "promise_short") == 2
