"""What waits for a fact that never comes does not wait for ever, and somebody hears of it."""

import msgspec
import pytest

from hub.domain.answer import AnsweredAlert
from hub.domain.command import Fact, Transfer, Voiding
from hub.domain.entry import SetRecord
from hub.domain.lapsing import LAPSES_AFTER_MS, is_overdue
from hub.domain.model import Model
from hub.domain.position import Position
from hub.domain.transit import Early, Record, record_from
from tests.domain.test_model import BAG, LONDON, LYON, NOW_MS, ONLINE, VIP, WATCH, fact, house_of
from tests.domain.test_transfers import dispatch, received, tell
from tests.domain.test_voids import sale, void

LATER_MS = NOW_MS + LAPSES_AFTER_MS
WAITS = {"transfers": "T1", "voids": "till:sale"}


@pytest.fixture
def model() -> Model:
    model = Model(house_of(VIP, ONLINE))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


def wait(model: Model, table: str, id: str, units: int = 2, *, now_ms: int = NOW_MS) -> None:
    told: Fact = void(id, "sale", (BAG, units)) if table == "voids" else received(id, (BAG, units))
    if table == "transfers":
        record = model.books.records.get(table, {}).get("T1")
        assert isinstance(told.detail, Transfer)
        version = record[0] if record else 0
        told = msgspec.structs.replace(told, detail=msgspec.structs.replace(told.detail, version=version))
    assert model.apply(msgspec.structs.replace(told, ledger_checked=True), now_ms).kind == "applied"


@pytest.mark.parametrize("table", WAITS)
def test_what_waits_too_long_is_forgotten_and_told_with_its_units(model: Model, table: str) -> None:
    wait(model, table, "1", 2)
    wait(model, table, "2", 3)
    assert model.lapse(table, WAITS[table], LATER_MS - 1) is None

    outcome = model.lapse(table, WAITS[table], LATER_MS)

    assert outcome is not None
    assert outcome.alerts == (AnsweredAlert("never_explained", "", "", 5),)
    entry = model.journal[-1]
    assert (entry.kind, entry.about, entry.booked_at_ms) == ("lapsed", WAITS[table], LATER_MS)
    assert entry.records == (SetRecord(table, WAITS[table], None),)
    assert model.lapse(table, WAITS[table], LATER_MS) is None


@pytest.mark.parametrize("table", WAITS)
def test_what_came_later_goes_on_waiting_and_takes_effect(model: Model, table: str) -> None:
    wait(model, table, "1", 2)
    wait(model, table, "2", 3, now_ms=NOW_MS + 1)

    outcome = model.lapse(table, WAITS[table], LATER_MS)

    assert outcome is not None
    assert [alert.quantity for alert in outcome.alerts] == [2]
    if table == "voids":
        model.apply(sale("sale", (BAG, 9)), NOW_MS)
        assert model.positions[BAG][LONDON] == Position(deficit=6)
    else:
        tell(model, dispatch("out", (BAG, 9)))
        assert model.positions[BAG] == {LYON: Position(deficit=9), LONDON: Position(free=3)}


def test_an_early_receipt_that_nothing_more_arrives_lapses_as_one_unit(model: Model) -> None:
    assert tell(model, received("1")).kind == "applied"

    outcome = model.lapse("transfers", "T1", LATER_MS)

    assert outcome is not None
    assert [alert.quantity for alert in outcome.alerts] == [1]
    assert model.books.records["transfers"] == {}


@pytest.mark.parametrize("table", WAITS)
def test_what_comes_after_that_waits_anew(model: Model, table: str) -> None:
    wait(model, table, "1")
    model.lapse(table, WAITS[table], LATER_MS)

    wait(model, table, "2", now_ms=LATER_MS)

    assert model.lapse(table, WAITS[table], LATER_MS + LAPSES_AFTER_MS - 1) is None
    assert model.lapse(table, WAITS[table], LATER_MS + LAPSES_AFTER_MS) is not None


def test_a_void_of_a_whole_sale_counts_as_one(model: Model) -> None:
    model.apply(void("1", "sale"), NOW_MS)
    model.apply(void("2", "sale", (BAG, 2), (WATCH, 1)), NOW_MS)

    outcome = model.lapse("voids", "till:sale", LATER_MS)

    assert outcome is not None
    assert [alert.quantity for alert in outcome.alerts] == [1 + 3]


def test_a_dispatch_made_from_what_lapsed_is_made_anew(model: Model) -> None:
    wait(model, "transfers", "1")
    wait(model, "transfers", "2", now_ms=NOW_MS + 1)
    looked = msgspec.structs.replace(dispatch("out", (BAG, 1)), detail=Transfer("T1", LONDON, 2, own_lines=1))

    model.lapse("transfers", "T1", LATER_MS)

    assert model.apply(looked, LATER_MS).kind == "look_again"


def test_what_is_under_way_does_not_lapse(model: Model) -> None:
    tell(model, dispatch("out", (BAG, 1)))

    assert model.lapse("transfers", "T1", LATER_MS) is None
    assert model.lapse("transfers", "never", LATER_MS) is None


def test_of_those_that_go_on_waiting_each_reach_is_kept_once(model: Model) -> None:
    reaches = [(LONDON,), (LYON,), (LYON,), (), (LONDON, LYON)]
    for number, reach in enumerate(reaches):
        detail = Transfer("T1", "", number, early=((BAG, 1),), reach=reach)
        told = msgspec.structs.replace(fact("receive", f"{number}"), detail=detail, ledger_checked=True)
        model.apply(told, NOW_MS + number)
    record = record_from(model.books.records["transfers"]["T1"])
    assert record.reaches == ((LONDON,), (LYON,), (LONDON, LYON))
    assert [record.reach_of(each) for each in record.early] == reaches

    model.lapse("transfers", "T1", LATER_MS)

    left = record_from(model.books.records["transfers"]["T1"])
    assert left.reaches == ((LYON,), (LONDON, LYON))
    assert [left.reach_of(each) for each in left.early] == reaches[1:]
    assert (left.version, left.since_ms) == (6, NOW_MS)


def test_what_waits_since_before_its_booking_was_kept_waits_since_its_own_time() -> None:
    early = Record(1, early=(Early(NOW_MS, 0, ((BAG, 1),)),))
    for table, value in (("transfers", early), ("voids", [[NOW_MS, [], []]])):
        stored = msgspec.msgpack.decode(msgspec.msgpack.encode(value))
        assert is_overdue(table, stored, LATER_MS)
        assert not is_overdue(table, stored, LATER_MS - 1)


def test_a_void_that_is_made_from_its_sale_never_waits(model: Model) -> None:
    model.apply(sale("sale", (BAG, 1)), NOW_MS)
    detail = Voiding("sale", 1)
    model.apply(msgspec.structs.replace(fact("void", "1"), detail=detail), NOW_MS)

    assert model.books.records.get("voids", {}) == {}
