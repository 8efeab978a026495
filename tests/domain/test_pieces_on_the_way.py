"""Pieces with serial numbers that a transfer takes from one place to another."""

import msgspec
import pytest

from hub.domain.answer import AnsweredAlert
from hub.domain.command import Fact, Line, Transfer
from hub.domain.model import Model, Outcome
from hub.domain.position import Position
from hub.domain.serials import field_of
from tests.domain.test_model import BAG, LONDON, LYON, NOW_MS, ONLINE, PARIS, VIP, fact, house_of
from tests.domain.test_transfers import movements, tell


@pytest.fixture
def model() -> Model:
    model = Model(house_of(VIP, ONLINE))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


def booked(model: Model, verb: str, *serials: str, at: str = LYON, at_ms: int = NOW_MS - 10) -> None:
    id = f"{verb}-{len(model.journal)}"
    line = Line(BAG, at, len(serials), serials=serials)
    model.apply(fact(verb, id, line, pool="online", at_ms=at_ms), NOW_MS)  # type: ignore[arg-type]


def sent(id: str, *serials: str, units: int = 0, at_ms: int = NOW_MS - 5, transfer: str = "T1") -> Fact:
    line = Line(BAG, LYON, units or len(serials), serials=serials)
    to = LONDON if transfer == "T1" else PARIS
    plain = fact("dispatch", id, line, at_ms=at_ms)
    return msgspec.structs.replace(plain, detail=Transfer(transfer, to, 0, own_lines=1))


def arrived(id: str, *serials: str, units: int = 0, final: int = 0, at_ms: int = NOW_MS) -> Fact:
    early = ((BAG, units or len(serials), serials),)
    return msgspec.structs.replace(fact("receive", id, at_ms=at_ms), detail=Transfer("T1", "", 0, final, early=early))


def where(model: Model, serial: str) -> tuple[str, str]:
    state, location, *_ = model.books.records["serials"][field_of(BAG, serial)]
    return state, location


def suspected(outcome: Outcome) -> int:
    return sum(alert.quantity for alert in outcome.alerts if alert.type == "counterfeit_suspect")


def suspects(number: int) -> tuple[AnsweredAlert, ...]:
    return (AnsweredAlert("counterfeit_suspect", BAG, LONDON, number),)


def test_a_piece_that_was_sent_is_there(model: Model) -> None:
    booked(model, "receipt", "S1", "S2")
    tell(model, sent("out", "S1", "S2"))

    outcome = tell(model, arrived("in", "S1"))

    assert suspected(outcome) == 0
    assert (where(model, "S1"), where(model, "S2")) == (("shelf", LONDON), ("transit", LYON))
    assert model.positions[BAG][LONDON] == Position(free=1)
    assert model.journal[-1].movements[0].serials == ("S1",)


@pytest.mark.parametrize("comes_first", ["dispatch", "receipt"])
@pytest.mark.parametrize("ahead_ms", [0, 1_000], ids=["right clock", "wrong clock"])
def test_a_piece_is_there_in_whatever_order_it_is_told(model: Model, comes_first: str, ahead_ms: int) -> None:
    """A clock that is ahead where it was sent does not leave it on the road."""
    facts = [sent("out", "S1", at_ms=NOW_MS - 2_000 + ahead_ms), arrived("in", "S1", final=1, at_ms=NOW_MS - 1_500)]
    for told in facts if comes_first == "dispatch" else facts[::-1]:
        outcome = tell(model, told)
        assert suspected(outcome) == 0

    assert where(model, "S1") == ("shelf", LONDON)
    assert model.positions[BAG][LONDON] == Position(free=1)


def test_a_dispatch_told_after_the_arrival_puts_no_piece_back_on_the_road(model: Model) -> None:
    tell(model, sent("first", "S1"))
    tell(model, arrived("in", "S1", "S2", at_ms=NOW_MS - 3))

    tell(model, sent("second", "S2", at_ms=NOW_MS - 1))

    assert where(model, "S2") == ("shelf", LONDON)


@pytest.mark.parametrize("doubt", ["sold", "on another shelf", "gone", "on another way", "never sent"])
def test_what_cannot_have_come_this_way_goes_where_a_person_looks_at_it(model: Model, doubt: str) -> None:
    tell(model, sent("out", "GOOD"))
    match doubt:
        case "sold":
            booked(model, "sale", "BAD", at=PARIS)
        case "on another shelf":
            booked(model, "receipt", "BAD", at=LYON)
        case "gone":
            line = Line(BAG, LYON, -1, serials=("BAD",))
            model.apply(fact("adjustment", "gone", line, at_ms=NOW_MS - 10), NOW_MS)
        case "on another way":
            tell(model, sent("other", "BAD", transfer="T2"))

    outcome = tell(model, arrived("in", "GOOD", "BAD"))

    assert outcome.alerts[:1] == suspects(1)
    assert model.positions[BAG][LONDON] == Position(free=1, aside=(("inspection", 1),))
    assert movements(model) == [
        (LONDON, "in_transit:T1", "free", 1),
        (LONDON, "unannounced", "aside:inspection", 1),
    ]
    assert [move.serials for move in model.journal[-1].movements] == [("GOOD",), ("BAD",)]
    assert where(model, "BAD") == ("shelf", LONDON)


@pytest.mark.parametrize("known", [True, False])
def test_a_piece_that_was_sent_without_its_serial_is_no_suspect(model: Model, known: bool) -> None:
    if known:
        booked(model, "receipt", "S1")
    tell(model, sent("out", units=1))

    outcome = tell(model, arrived("in", "S1"))

    assert suspected(outcome) == 0
    assert where(model, "S1") == ("shelf", LONDON)


def test_where_units_left_without_serials_no_piece_of_another_place_is_among_them(model: Model) -> None:
    booked(model, "receipt", "S1", at=PARIS)
    tell(model, sent("out", units=1))

    assert tell(model, arrived("in", "S1")).alerts[:1] == suspects(1)


def test_a_piece_that_waits_is_judged_with_its_dispatch(model: Model) -> None:
    assert tell(model, arrived("early", "S1", "NEVER-SENT", at_ms=NOW_MS - 1)).alerts == ()
    assert "serials" not in model.books.records

    outcome = tell(model, sent("out", "S1", "S2"))

    assert suspects(1)[0] in outcome.alerts
    assert where(model, "S1") == ("shelf", LONDON)
    assert model.positions[BAG][LONDON] == Position(free=1, aside=(("inspection", 1),))


def test_what_a_count_has_seen_stays_where_it_was_found(model: Model) -> None:
    model.books.positions[BAG] = {LONDON: Position(free=5, counted_at_ms=NOW_MS, counted_by=1)}
    tell(model, sent("out", "S1"))

    outcome = tell(model, arrived("in", "NEVER-SENT"))

    assert outcome.alerts == suspects(1)
    assert movements(model) == [(LONDON, "in_transit:T1", "variance", 1)]


def test_a_piece_of_a_transfer_from_before_that_was_kept_is_no_suspect(model: Model) -> None:
    tell(model, sent("out", "S1"))
    model.books.records["serials"][field_of(BAG, "S1")] = ["transit", LYON, NOW_MS - 5]

    assert suspected(tell(model, arrived("in", "S1"))) == 0
