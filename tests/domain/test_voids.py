"""Voids, told as what a client changes her mind about at the till."""

from typing import Any

import msgspec
import pytest

from hub.domain.answer import AnsweredAlert
from hub.domain.command import Fact, Line, Voiding
from hub.domain.model import Model
from hub.domain.outcome import Outcome
from hub.domain.position import Fence, Position
from hub.domain.voids import WAITING_PER_SALE_MAX, given_back_in, put_back, with_sale
from tests.domain.test_model import BAG, LONDON, NOW_MS, ONLINE, STORE, VIP, WATCH, fact, house_of, receipt

HOUR_MS = 3_600_000
POOLS = ("vip", "online", "store")


@pytest.fixture
def model() -> Model:
    model = Model(house_of(VIP, ONLINE, STORE))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


def sale(id: str, *units: tuple[str, int], pool: str = "store", at_ms: int = NOW_MS) -> Fact:
    lines = tuple(Line(sku, LONDON, number) for sku, number in units)
    plain = fact("sale", id, *lines, pool=pool, at_ms=at_ms)
    return msgspec.structs.replace(plain, payload=f'{{"pool":"{pool}"}}')


def void(id: str, sale: str, *asked: tuple[str, int], at_ms: int = NOW_MS) -> Fact:
    return msgspec.structs.replace(fact("void", id, at_ms=at_ms), detail=Voiding(sale, 0, asked))


def tell(model: Model, told: Fact) -> Outcome:
    """Complete the void as booking does, and book it."""
    detail = told.detail
    assert isinstance(detail, Voiding)
    entry = next((entry for entry in model.journal if (entry.kind, entry.id) == ("fact", detail.sale)), None)
    return model.apply(told if entry is None else with_sale(told, entry, {}), NOW_MS)


def moves(model: Model) -> list[tuple[str, str, int]]:
    return [(move.from_bucket, move.to_bucket, move.quantity) for move in model.journal[-1].movements]


def test_what_was_sold_is_there_again(model: Model) -> None:
    model.apply(receipt("1", 2), NOW_MS)
    model.apply(sale("2", (BAG, 2)), NOW_MS)

    outcome = tell(model, void("3", "2"))

    assert outcome.lines == ((BAG, 2),)
    assert model.positions[BAG][LONDON] == Position(free=2)
    assert moves(model) == [("customer", "free", 2)]
    assert model.journal[-1].about == "2"
    assert model.views[BAG]["store"].available == 2


def test_her_bag_goes_back_into_her_fence_whose_target_rises_again(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)
    model.apply(fact("ring_fence", "2", Line(BAG, LONDON, 1), pool="vip"), NOW_MS)
    model.apply(sale("3", (BAG, 1), pool="vip"), NOW_MS)
    assert model.positions[BAG][LONDON].fences == (Fence("vip", 0, 0, 0, NOW_MS),)

    tell(model, void("4", "3"))

    assert model.positions[BAG][LONDON] == Position(fences=(Fence("vip", 1, 1, 0, NOW_MS),))


def test_a_fence_that_the_till_broke_is_mended_before_any_other(model: Model) -> None:
    position = Position(fences=(Fence("vip", 0, 1, 0, 0), Fence("online", 0, 1, 0, 0)))

    change = put_back(position, 1, "ring_fenced:online", "store", pools=POOLS)

    assert change.position.fences == (Fence("vip", 0, 1, 0, 0), Fence("online", 1, 1, 0, 0))


def test_what_is_owed_is_repaid_first_and_a_full_fence_takes_no_more(model: Model) -> None:
    position = Position(deficit=1, fences=(Fence("vip", 1, 1, 1, 0),))

    change = put_back(position, 3, "ring_fenced:vip", "vip", pools=POOLS)

    assert change.position == Position(free=2, fences=(Fence("vip", 1, 1, 1, 0),))


def test_only_what_was_asked_for_comes_back_in_the_order_it_was_taken(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)
    model.apply(sale("2", (BAG, 3), (WATCH, 1)), NOW_MS)

    outcome = tell(model, void("3", "2", (BAG, 2)))

    assert outcome.lines == ((BAG, 2),)
    assert outcome.alerts == ()
    assert moves(model) == [("customer", "deficit", 1), ("customer", "deficit", 1)]
    assert model.books.records["voided"] == {"till:2": [[BAG, 2]]}


def test_no_unit_is_given_back_twice_and_somebody_hears_what_was_asked_too_much(model: Model) -> None:
    model.apply(sale("1", (BAG, 3)), NOW_MS)
    tell(model, void("2", "1", (BAG, 2)))

    second = tell(model, void("3", "1", (BAG, 2), (WATCH, 1)))
    third = tell(model, void("4", "1"))

    assert second.lines == ((BAG, 1),)
    assert second.alerts == (AnsweredAlert("discrepancy", "", "", 2),)
    assert (third.lines, third.alerts) == ((), ())
    assert model.positions[BAG][LONDON] == Position()


def test_a_void_before_its_sale_takes_effect_with_it_as_of_its_own_time(model: Model) -> None:
    outcome = tell(model, void("1", "2", (BAG, 1), at_ms=NOW_MS - HOUR_MS))
    assert (outcome.kind, outcome.lines) == ("applied", ())
    assert model.positions == {}
    model.apply(receipt("3", 2), NOW_MS)

    answer = model.apply(sale("2", (BAG, 2)), NOW_MS)

    assert answer.lines == ((BAG, 2),)
    assert moves(model) == [("free", "customer", 2), ("customer", "free", 1)]
    assert [move.time_ms for move in model.journal[-1].movements] == [None, NOW_MS - HOUR_MS]
    assert model.books.records["voids"] == {}
    assert given_back_in(model.journal, "till:2") == {BAG: 1}


def test_a_void_that_a_count_has_seen_leaves_the_shelf_alone(model: Model) -> None:
    model.apply(receipt("1", 2), NOW_MS)
    model.apply(sale("2", (BAG, 1), at_ms=NOW_MS - HOUR_MS), NOW_MS)
    counted = msgspec.structs.replace(model.positions[BAG][LONDON], counted_at_ms=NOW_MS - 1, counted_by=3)
    model.books.positions[BAG][LONDON] = counted

    tell(model, void("3", "2", at_ms=NOW_MS - 2))

    assert moves(model) == [("customer", "variance", 1)]
    assert model.positions[BAG][LONDON] == counted


def test_a_sale_that_a_count_has_seen_and_that_was_voided_after_it_comes_back(model: Model) -> None:
    model.books.positions[BAG] = {LONDON: Position(free=1, counted_at_ms=NOW_MS - HOUR_MS, counted_by=0)}
    model.apply(sale("1", (BAG, 1), at_ms=NOW_MS - 2 * HOUR_MS), NOW_MS)
    assert moves(model) == [("variance", "customer", 1)]

    tell(model, void("2", "1"))

    assert moves(model) == [("customer", "free", 1)]


@pytest.mark.parametrize(("sale", "kind"), [("self", "refused"), ("2", "look_again")])
def test_a_void_made_of_nothing_it_can_void_is_not_booked(model: Model, sale: str, kind: str) -> None:
    model.apply(receipt("2", 1), NOW_MS)
    entries = len(model.journal)

    assert model.apply(void("self", sale), NOW_MS).kind == kind
    assert len(model.journal) == entries


def test_only_so_many_voids_wait_for_one_sale(model: Model) -> None:
    outcomes = [tell(model, void(f"void-{n}", "sale")) for n in range(WAITING_PER_SALE_MAX + 1)]

    assert [outcome.kind for outcome in outcomes[-2:]] == ["applied", "parked"]
    model.apply(sale("sale", (BAG, 200)), NOW_MS)
    assert tell(model, void(f"void-{WAITING_PER_SALE_MAX}", "sale")).kind == "applied"


@pytest.mark.parametrize("known", [{}, {BAG: 1}, {BAG: 9}], ids=repr)
def test_what_the_ledger_knows_to_be_given_back_counts_too(model: Model, known: dict[str, Any]) -> None:
    model.apply(sale("1", (BAG, 3)), NOW_MS)

    outcome = model.apply(with_sale(void("2", "1"), model.journal[-1], known), NOW_MS)

    left = max(0, 3 - known.get(BAG, 0))
    assert outcome.lines == (((BAG, left),) if left else ())


@pytest.mark.parametrize(("asked", "state"), [((), "shelf"), (((BAG, 2),), "shelf"), (((BAG, 1),), "sold")])
def test_pieces_with_serials_lie_on_the_shelf_again_when_all_of_them_came_back(
    model: Model, asked: tuple[tuple[str, int], ...], state: str
) -> None:
    model.apply(fact("receipt", "1", Line(BAG, LONDON, 2, serials=("S1", "S2"))), NOW_MS)
    sold = msgspec.structs.replace(sale("2"), lines=(Line(BAG, LONDON, 2, serials=("S1", "S2")),))
    model.apply(sold, NOW_MS)

    tell(model, void("3", "2", *asked))

    assert {piece[0] for piece in model.books.records["serials"].values()} == {state}
