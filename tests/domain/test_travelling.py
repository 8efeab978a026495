"""Units of an order that travel, in the plain model: a boutique's piece goes to the warehouse to be packed."""

from typing import Any

import msgspec
import pytest

from hub.domain.command import Counting, Line, Ordering, Transfer
from hub.domain.holding.hold import KEPT, hold_from
from hub.domain.outcome import Outcome
from hub.domain.sending import HELD_MAX
from hub.domain.transfers import with_record
from hub.domain.transit import Record, record_from, stored_transfer
from tests.domain.test_orders import NOW_MS, ORDER, World

HOUR_MS = 3_600_000
# Where it is packed.
LON, PAR = "LON", "PAR"
ON_THE_WAY = (PAR, "transfer:T1")


class Travels(World):
    """A house in which one transfer goes from London to Paris."""

    @property
    def transfer(self) -> Record:
        records: dict[str, dict[str, Any]] = self.model.books.records
        found = records.get("transfers", {}).get("T1") or records.get("closed_transfers", {}).get("T1")
        return record_from(found) if found else Record()

    def tell_of_it(self, verb: Any, lines: tuple[Line, ...], detail: Transfer, at_ms: int) -> Outcome:
        fact = msgspec.structs.replace(self.fact(verb, lines, "", detail), time_ms=at_ms, stated_ms=at_ms)
        return self.model.apply(with_record(fact, self.transfer), NOW_MS)

    def send(self, quantity: int = 1, *, order: str = ORDER, start: str = LON, at_ms: int = NOW_MS) -> Outcome:
        detail = Transfer("T1", PAR, 0, own_lines=1, order=order)
        return self.tell_of_it("dispatch", (Line("BAG", start, quantity),), detail, at_ms)

    def receive(
        self, quantity: int = 1, *, final: int = 1, at_ms: int = NOW_MS, serials: tuple[str, ...] = ()
    ) -> Outcome:
        early: Any = (("BAG", quantity, serials) if serials else ("BAG", quantity),) if quantity else ()
        return self.tell_of_it("receive", (), Transfer("T1", "", 0, final, early=early), at_ms)

    def count(self, location: str, quantity: int) -> None:
        """The shelf is counted, and the count is still open."""
        self.tell("count", Line("BAG", location, quantity), pool="", detail=Counting(NOW_MS, "physical"))

    def place(self, id: str, quantity: int = 1, **more: Any) -> None:
        detail = Ordering(id, (("BAG", "", quantity),), **more)
        assert self.tell("order_place", Line("BAG", "", 0), detail=detail).kind == "applied"

    def kept(self, id: str = ORDER) -> dict[tuple[str, str], int]:
        """Units kept for an order, by place and what brings them; the place of what is owed is empty."""
        hold = hold_from(self.model.books.records["holds"][f"order:{id}"])
        parts = [part for part in hold.parts if part.state in KEPT]
        return {(each.location, each.coming_by): each.quantity for part in parts for each in part.allocations}


@pytest.fixture
def world() -> Travels:
    world = Travels()
    world.stock(LON, 3)
    return world


def test_what_is_kept_where_the_transfer_begins_stays_the_orders_on_the_way(world: Travels) -> None:
    world.place(ORDER, 2)

    world.send(3)

    assert world.kept() == {ON_THE_WAY: 2}
    assert world.transfer.held == (("BAG", f"order:{ORDER}", 2),)
    assert (world.reserved, world.left) == ({}, 0)
    world.receive(3)
    assert world.kept() == {(PAR, ""): 2}
    assert world.model.positions["BAG"][PAR].free == 1
    assert world.transfer.held == ()


def test_what_arrives_is_for_the_oldest_order_before_it_repays_anything(world: Travels) -> None:
    world.sell(1, location=PAR)
    world.place("first", only=(LON,))
    world.place("second", only=(LON,))
    world.send(order="second")
    world.send(order="first")

    world.receive(1, final=0)

    assert (world.kept("first"), world.kept("second")) == ({(PAR, ""): 1}, {ON_THE_WAY: 1})
    position = world.model.positions["BAG"][PAR]
    assert (position.reserved, position.deficit) == (1, 1)


def test_the_shop_chooses_the_piece_and_what_the_order_lacks_comes_before_what_it_has_elsewhere(world: Travels) -> None:
    world.stock(PAR, 1)
    world.place(ORDER, 5, prefer=(PAR,))
    assert world.kept() == {(PAR, ""): 1, (LON, ""): 3, ("", ""): 1}
    world.sell(3, order="other")  # a till takes what lay in London

    assert world.kept() == {(PAR, ""): 1, ("", ""): 4}
    world.send(4)
    assert world.kept() == {(PAR, ""): 1, ON_THE_WAY: 4}
    world.send(2)
    assert world.kept() == {ON_THE_WAY: 5}
    assert world.model.positions["BAG"][PAR].free == 1


def test_what_lies_where_the_transfer_goes_is_the_last_to_be_given_back(world: Travels) -> None:
    world.stock(PAR, 1)
    world.place(ORDER, 4, prefer=(PAR,))
    assert world.kept() == {(PAR, ""): 1, (LON, ""): 3}

    world.send(1, start="LYON")

    assert world.kept() == {(PAR, ""): 1, (LON, ""): 2, ON_THE_WAY: 1}


def test_units_out_of_a_fence_count_as_bought_when_they_leave(world: Travels) -> None:
    world.tell("ring_fence", Line("BAG", LON, 2))
    world.place(ORDER, 1)

    world.send()
    world.receive()

    [fence] = world.model.positions["BAG"][LON].fences
    assert (fence.quantity, fence.held, fence.target) == (1, 0, 1)
    assert world.kept() == {(PAR, ""): 1}


@pytest.mark.parametrize("order", ["", "nobody", "later"])
def test_a_dispatch_for_no_order_that_keeps_anything_is_a_plain_one(world: Travels, order: str) -> None:
    world.order("order_place", 1)

    world.send(order=order)

    assert (world.kept(), world.transfer.held) == ({(LON, ""): 1}, ())


def test_an_order_that_is_cancelled_on_the_way_lets_its_units_arrive_free(world: Travels) -> None:
    world.order("order_place", 2)
    world.send(2)

    world.order("order_cancel")
    world.receive(2)

    assert world.transfer.held == ()
    assert world.model.positions["BAG"][PAR].free == 2


@pytest.mark.parametrize("told", ["order.fulfilled", "sale"])
def test_what_leaves_where_the_transfer_goes_before_it_is_received_is_what_was_on_the_way(
    world: Travels, told: str
) -> None:
    world.place(ORDER, 2)
    world.send(1)

    if told == "sale":
        world.sell(order=ORDER, location=PAR)
    else:
        world.order("order_fulfil", 1, location=PAR)

    assert (world.kept(), world.transfer.held) == ({(LON, ""): 1}, ())
    world.receive(1)
    assert (world.left, world.reserved) == (2, {LON: 1})
    assert world.model.positions["BAG"][PAR].deficit == 0


def test_a_fulfilment_that_says_nowhere_leaves_with_the_arrival(world: Travels) -> None:
    world.place(ORDER, 1)
    world.send()
    world.order("order_fulfil", 1)
    assert world.kept() == {ON_THE_WAY: 1}

    world.receive()

    assert (world.left, world.reserved) == (2, {})
    assert world.transfer.held == ()


def test_what_the_last_arrival_lacks_is_what_nobody_holds_first(world: Travels) -> None:
    world.place("first")
    world.place("second")
    world.send(1, order="second")
    world.send(1, order="first")
    world.send(1, order="")

    told = world.receive(1)

    assert world.kept("first") == {(PAR, ""): 1}
    assert world.kept("second") == {("", ""): 1}
    broken = [alert for alert in told.alerts if alert.type == "reservation_broken"]
    assert [(alert.location, alert.quantity) for alert in broken] == [(PAR, 1)]


def test_of_what_is_lost_others_are_kept_rather_where_the_transfer_goes(world: Travels) -> None:
    world.place(ORDER, 2)
    world.send(2)
    world.stock(PAR, 1)

    world.receive(0)

    assert world.kept() == {(PAR, ""): 1, (LON, ""): 1}


def test_a_last_arrival_of_other_skus_looks_again_for_what_is_lost(world: Travels) -> None:
    world.place(ORDER, 1)
    world.send()
    detail = Transfer("T1", PAR, 1, 1, own_lines=1)

    told = world.tell("receive", Line("HAT", PAR, 1), detail=detail, pool="")

    assert told.kind == "look_again"


def test_pieces_that_a_person_looks_at_are_not_the_orders_yet(world: Travels) -> None:
    world.place(ORDER, 1)
    sold = Line("BAG", LON, 1, serials=("s-1",))
    world.tell("sale", sold, pool="online")
    sent = Transfer("T1", PAR, 0, own_lines=1, order=ORDER)
    world.tell_of_it("dispatch", (Line("BAG", LON, 1, serials=("s-2",)),), sent, NOW_MS)

    world.receive(1, final=0, serials=("s-1",))

    assert world.kept() == {(LON, ""): 1}
    assert dict(world.model.positions["BAG"][PAR].aside) == {"inspection": 1}


def test_what_a_count_has_seen_leave_travels_and_what_it_kept_there_is_free(world: Travels) -> None:
    world.place(ORDER, 1)
    world.count(LON, 2)

    world.send(at_ms=NOW_MS - HOUR_MS)

    assert world.kept() == {ON_THE_WAY: 1}
    assert (world.model.positions["BAG"][LON].free, world.reserved) == (3, {})


def test_what_a_count_has_seen_arrive_is_found_there(world: Travels) -> None:
    world.place(ORDER, 1)
    world.send()
    world.stock(PAR, 1)
    world.count(PAR, 2)

    world.receive(1, at_ms=NOW_MS - HOUR_MS)

    assert world.kept() == {(PAR, ""): 1}
    assert world.transfer.held == ()


def test_what_was_received_early_is_the_orders_with_the_dispatch(world: Travels) -> None:
    world.place(ORDER, 2)
    world.receive(1)

    world.send(2)

    assert world.kept() == {(PAR, ""): 1, (LON, ""): 1}
    assert (world.transfer.is_final, world.transfer.held) == (1, ())


def test_what_came_unannounced_does_not_travel_and_is_kept_where_it_lies(world: Travels) -> None:
    world.send(1, order="")
    world.receive(2, final=0)
    world.place(ORDER, 1, prefer=(LON,))

    world.send()

    assert (world.kept(), world.transfer.held) == ({(PAR, ""): 1}, ())


def test_a_transfer_brings_units_for_so_many_orders_and_no_more(world: Travels) -> None:
    world.place(ORDER, 1)
    world.send(1, order="")
    full = tuple(("BAG", f"order:{number}", 1) for number in range(HELD_MAX))
    known = msgspec.structs.replace(world.transfer, held=full)
    world.model.books.records["transfers"]["T1"] = stored_transfer(known)

    told = world.send()

    assert (told.kind, told.why) == ("parked", f"a transfer keeps units for at most {HELD_MAX} lines of orders")
    assert world.kept() == {(LON, ""): 1}
