"""Purchase orders: what is still to come, whatever comes first, and how much is remembered of it."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings
from hub.domain.command import Fact, Line, Supply
from hub.domain.entry import SetRecord
from hub.domain.expected import KEPT_MAX, OPEN_MAX, TABLE, ExpectedLine, lines_in
from hub.domain.model import Model
from hub.domain.position import Position
from hub.domain.rules import House

NOW_MS = 1_795_000_000_000
ETA_MS = NOW_MS + 86_400_000
BAG, LONDON, PARIS = "BAG-NOIR", "LON-KNB", "PAR-STH"


@pytest.fixture
def model() -> Model:
    places = (LocationSettings(LONDON, "store"), LocationSettings(PARIS, "store"))
    model = Model(House(HouseSettings(locations=places), datetime(2026, 11, 22, tzinfo=UTC)))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


def expected(id: str, *lines: Line, order: str = "PO-1", eta_ms: int = ETA_MS, at_ms: int = NOW_MS) -> Fact:
    detail = Supply(order, eta_ms)
    return Fact("expected", "expected", "erp", id, "as sent", at_ms, at_ms, True, "{}", lines=lines, detail=detail)


def receipt(id: str, quantity: int, *, order: str = "PO-1", location: str = LONDON, at_ms: int = NOW_MS) -> Fact:
    lines = (Line(BAG, location, quantity),)
    return Fact("receipt", "receipt", "erp", id, "as sent", at_ms, at_ms, True, "{}", lines=lines, detail=Supply(order))


def bags(quantity: int, location: str = LONDON) -> Line:
    return Line(BAG, location, quantity)


def tell(model: Model, *facts: Fact) -> list[ExpectedLine]:
    """What is expected of the bag after the facts."""
    for fact in facts:
        assert model.apply(fact, NOW_MS).kind == "applied"
    return lines_in(model.books.records.get(TABLE, {}).get(BAG))


def test_a_purchase_order_is_expected_and_moves_no_unit(model: Model) -> None:
    [line] = tell(model, expected("1", bags(5)))

    assert line == ExpectedLine(LONDON, "PO-1", 5, 0, ETA_MS, NOW_MS)
    assert line.outstanding == 5
    entry = model.journal[-1]
    assert (entry.about, entry.skus, entry.lines) == ("PO-1", (BAG,), ((0, 5),))
    assert (entry.positions, entry.movements, entry.views) == ((), (), ())
    assert entry.records == (SetRecord(TABLE, BAG, [[LONDON, "PO-1", 5, 0, ETA_MS, NOW_MS]]),)
    assert model.positions == {}


def test_what_arrives_is_no_longer_expected(model: Model) -> None:
    [line] = tell(model, expected("1", bags(5)), receipt("2", 2))

    assert (line.received, line.outstanding) == (2, 3)
    assert model.journal[-1].about == "PO-1"
    assert model.positions[BAG][LONDON] == Position(free=2)


def test_more_than_was_ordered_leaves_nothing_outstanding(model: Model) -> None:
    [line] = tell(model, expected("1", bags(5)), receipt("2", 7))

    assert (line.received, line.outstanding) == (7, 0)


def test_a_receipt_may_come_before_its_purchase_order(model: Model) -> None:
    [early] = tell(model, receipt("1", 2))
    assert (early.quantity, early.outstanding, early.set_at_ms) == (0, 0, None)
    # What is not known is not stored, so that both languages store the same.
    assert model.books.records[TABLE][BAG] == [[LONDON, "PO-1", 0, 2, 0]]

    [line] = tell(model, expected("2", bags(5)))

    assert (line.quantity, line.received, line.outstanding, line.eta_ms) == (5, 2, 3, ETA_MS)


def test_the_later_statement_counts_and_not_the_later_arrival(model: Model) -> None:
    newer, older = expected("new", bags(3), at_ms=NOW_MS - 1), expected("old", bags(9), at_ms=NOW_MS - 2)

    assert [line.quantity for line in tell(model, newer, older)] == [3]
    # It is booked all the same, and says that nothing was set.
    assert (model.journal[-1].id, model.journal[-1].records) == ("old", ())


def test_of_two_statements_of_one_time_the_later_arrival_counts(model: Model) -> None:
    assert [line.quantity for line in tell(model, expected("1", bags(3)), expected("2", bags(4)))] == [4]


def test_a_statement_from_the_future_is_of_now_and_blocks_no_later_one(model: Model) -> None:
    [line] = tell(model, expected("1", bags(3), at_ms=NOW_MS + 10**9), expected("2", bags(4)))

    assert (line.quantity, line.set_at_ms) == (4, NOW_MS)


def test_nothing_cancels_a_purchase_order_for_good(model: Model) -> None:
    [line] = tell(model, expected("0", bags(0)), expected("late", bags(5), at_ms=NOW_MS - 1))

    assert (line.quantity, line.outstanding) == (0, 0)


def test_two_lines_of_one_sku_are_expected_together(model: Model) -> None:
    [line] = tell(model, expected("1", bags(5), bags(1)))

    assert line.quantity == 6
    assert model.journal[-1].lines == ((0, 5), (0, 1))


def test_a_purchase_order_for_two_places_is_two_lines(model: Model) -> None:
    lines = tell(model, expected("1", bags(5), bags(2, PARIS)), receipt("2", 5, location=PARIS))

    assert {line.location: line.outstanding for line in lines} == {LONDON: 5, PARIS: 0}


def test_what_a_count_has_seen_has_arrived_all_the_same(model: Model) -> None:
    model.positions[BAG] = {LONDON: Position(free=4, counted_at_ms=NOW_MS)}

    [line] = tell(model, expected("1", bags(5)), receipt("2", 4))

    assert line.outstanding == 1
    assert model.positions[BAG][LONDON].free == 4


def test_any_order_of_the_same_facts_leaves_the_same_supply(model: Model) -> None:
    told = [
        expected("first", bags(9), at_ms=NOW_MS - 3),
        expected("changed", bags(4), eta_ms=ETA_MS + 1, at_ms=NOW_MS - 2),
        receipt("some", 1),
        receipt("more", 2),
    ]

    for order in permutations(told):
        other = Model(model.house)
        assert tell(other, *order) == [ExpectedLine(LONDON, "PO-1", 4, 3, ETA_MS + 1, NOW_MS - 2)]


def test_a_receipt_without_a_purchase_order_leaves_what_is_expected_alone(model: Model) -> None:
    plain = Fact("receipt", "receipt", "erp", "1", "as sent", NOW_MS, NOW_MS, True, "{}", lines=(bags(2),))

    assert tell(model, plain) == []
    assert (model.journal[-1].about, model.journal[-1].records) == ("", ())


def test_of_what_arrived_the_last_are_remembered_and_of_what_is_open_all(model: Model) -> None:
    orders = [f"PO-{n}" for n in range(KEPT_MAX + 3)]
    tell(model, expected("open", bags(1), order="OPEN"))
    settled = [tell(model, expected(o, bags(1), order=o), receipt(f"{o}-r", 1, order=o))[-1] for o in orders]

    early = [tell(model, receipt(f"{o}-early", 1, order=f"EARLY-{o}"))[-1] for o in orders]

    kept = lines_in(model.books.records[TABLE][BAG])
    assert [line.purchase_order for line in kept[:1]] == ["OPEN"]
    assert kept[1:] == settled[3:] + early[3:]


def test_more_open_lines_than_are_kept_are_parked_but_no_receipt_is(model: Model) -> None:
    tell(model, *(expected(f"{n}", bags(1), order=f"PO-{n}") for n in range(OPEN_MAX)))
    before = model.books.records[TABLE][BAG]
    entries = len(model.journal)

    parked = [model.apply(expected("more", bags(1), order="MORE"), NOW_MS) for _ in range(2)]

    assert [outcome.kind for outcome in parked] == ["parked"] * 2
    assert "200 lines" in parked[1].why
    assert model.books.records[TABLE][BAG] == before
    # It is kept once, however often it is told.
    assert len(model.journal) == entries + 1
    assert (model.journal[-1].kind, model.journal[-1].why) == ("parked", parked[0].why)
    # Changed lines are no more lines, and receipts are facts.
    tell(
        model,
        expected("changed", bags(2), order="PO-7"),
        receipt("unknown", 1, order="NEVER"),
        receipt("arrived", 1, order="PO-8"),
    )
    tell(model, expected("more", bags(1), order="MORE"))
