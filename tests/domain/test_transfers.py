"""Transfers, told as what happens between a warehouse and a boutique."""

import msgspec
import pytest

from hub.domain.answer import AnsweredAlert
from hub.domain.command import Fact, Line, Transfer
from hub.domain.model import Model
from hub.domain.outcome import Outcome
from hub.domain.position import Position
from hub.domain.transfers import EARLY_LINES_MAX, EARLY_MAX, EARLY_SERIALS_MAX, SKUS_MAX, with_record
from hub.domain.transit import Early, Record, record_from
from protocol.limits import LINES_PER_EVENT_MAX
from tests.domain.test_model import BAG, LONDON, LYON, NOW_MS, ONLINE, PARIS, VIP, WATCH, fact, house_of, receipt

HOUR_MS = 3_600_000


@pytest.fixture
def model() -> Model:
    model = Model(house_of(VIP, ONLINE))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


def transfers(model: Model) -> dict[str, Record]:
    records = model.books.records
    found = records.get("transfers", {}) | records.get("closed_transfers", {})
    return {id: record_from(value) for id, value in found.items()}


def tell(model: Model, told: Fact) -> Outcome:
    """Complete the fact as booking does, and book it."""
    assert isinstance(told.detail, Transfer)
    return model.apply(with_record(told, transfers(model).get(told.detail.id)), NOW_MS)


def dispatch(id: str, *units: tuple[str, int], to: str = LONDON, start: str = LYON, at_ms: int = NOW_MS) -> Fact:
    lines = tuple(Line(sku, start, number) for sku, number in units)
    plain = fact("dispatch", id, *lines, at_ms=at_ms)
    return msgspec.structs.replace(plain, detail=Transfer("T1", to, 0, own_lines=len(lines)))


def received(id: str, *units: tuple[str, int], final: int = 1, at_ms: int = NOW_MS) -> Fact:
    return msgspec.structs.replace(fact("receive", id, at_ms=at_ms), detail=Transfer("T1", "", 0, final, early=units))


def movements(model: Model) -> list[tuple[str, str, str, int]]:
    return [(move.location, move.from_bucket, move.to_bucket, move.quantity) for move in model.journal[-1].movements]


def test_what_is_dispatched_is_on_no_shelf_until_it_is_received(model: Model) -> None:
    model.apply(receipt("1", 3, location=LYON), NOW_MS)

    tell(model, dispatch("2", (BAG, 2)))

    assert model.positions[BAG] == {LYON: Position(free=1)}
    assert movements(model) == [(LYON, "free", "in_transit:T1", 2)]
    assert model.journal[-1].about == "T1"
    assert model.views[BAG]["online"].available == 1

    outcome = tell(model, received("3", (BAG, 2)))

    assert model.positions[BAG] == {LYON: Position(free=1), LONDON: Position(free=2)}
    assert movements(model) == [(LONDON, "in_transit:T1", "free", 2)]
    assert (outcome.lines, outcome.alerts) == (((BAG, 2),), ())
    assert model.views[BAG]["online"].available == 3


def test_what_the_final_arrival_lacks_is_lost_and_somebody_hears_of_each_sku(model: Model) -> None:
    tell(model, dispatch("1", (BAG, 2), (WATCH, 1)))

    outcome = tell(model, received("2", (BAG, 1)))

    assert outcome.alerts == (
        AnsweredAlert("discrepancy", BAG, LONDON, 1),
        AnsweredAlert("discrepancy", WATCH, LONDON, 1),
    )
    assert movements(model)[1:] == [(LONDON, "in_transit:T1", "lost", 1)] * 2
    assert model.books.records["transfers"] == {}
    assert transfers(model)["T1"].is_final == 1


def test_a_part_that_is_not_the_last_loses_nothing(model: Model) -> None:
    tell(model, dispatch("1", (BAG, 2)))

    outcome = tell(model, received("2", (BAG, 1), final=0))

    assert outcome.alerts == ()
    assert transfers(model)["T1"].sums == ((BAG, 2, 1),)


def test_what_was_lost_and_comes_after_all_is_found_again(model: Model) -> None:
    tell(model, dispatch("1", (BAG, 2)))
    tell(model, received("2", (BAG, 1)))

    tell(model, received("3", (BAG, 1), final=0))

    assert movements(model) == [(LONDON, "lost", "free", 1)]
    assert model.positions[BAG][LONDON] == Position(free=2)


def test_a_receipt_before_its_dispatch_waits_and_takes_effect_with_it(model: Model) -> None:
    outcome = tell(model, received("1", (BAG, 2), at_ms=NOW_MS - HOUR_MS))

    assert outcome.lines == ((BAG, 2),)
    assert model.positions == {}

    outcome = tell(model, dispatch("2", (BAG, 3)))

    assert outcome.lines == ((BAG, 3),)
    assert model.positions[BAG] == {LYON: Position(deficit=3), LONDON: Position(free=2)}
    assert movements(model) == [
        (LYON, "deficit", "in_transit:T1", 3),
        (LONDON, "in_transit:T1", "free", 2),
        (LONDON, "in_transit:T1", "lost", 1),
    ]
    assert [move.time_ms for move in model.journal[-1].movements] == [None, NOW_MS - HOUR_MS, None]


def test_more_than_was_sent_arrives_unannounced_until_its_dispatch_is_told(model: Model) -> None:
    model.apply(receipt("1", 9, location=LYON), NOW_MS)
    tell(model, dispatch("2", (BAG, 1)))
    tell(model, received("3", (BAG, 3), final=0))
    assert movements(model) == [(LONDON, "in_transit:T1", "free", 1), (LONDON, "unannounced", "free", 2)]

    tell(model, dispatch("4", (BAG, 4)))

    assert movements(model) == [(LYON, "free", "unannounced", 2), (LYON, "free", "in_transit:T1", 2)]


def test_a_dispatch_takes_what_is_fenced_and_held_but_never_what_is_aside(model: Model) -> None:
    model.apply(receipt("1", 1, location=LYON), NOW_MS)
    model.apply(fact("ring_fence", "2", Line(BAG, LYON, 1), pool="vip"), NOW_MS)
    model.apply(fact("return", "3", Line(BAG, LYON, 1, "inspection")), NOW_MS)

    outcome = tell(model, dispatch("4", (BAG, 2)))

    assert [(alert.type, alert.location, alert.quantity) for alert in outcome.alerts[:2]] == [
        ("fence_broken", LYON, 1),
        ("discrepancy", LYON, 1),
    ]
    assert model.positions[BAG][LYON].aside == (("inspection", 1),)


def test_what_a_count_has_seen_leaves_the_shelf_alone_on_both_sides(model: Model) -> None:
    for place in (LYON, LONDON):
        model.books.positions.setdefault(BAG, {})[place] = Position(free=5, counted_at_ms=NOW_MS, counted_by=1)

    tell(model, dispatch("1", (BAG, 2)))
    assert movements(model) == [(LYON, "variance", "in_transit:T1", 2)]
    tell(model, received("2", (BAG, 1)))

    assert movements(model) == [(LONDON, "in_transit:T1", "variance", 1), (LONDON, "in_transit:T1", "lost", 1)]
    assert [position.on_hand for position in model.positions[BAG].values()] == [5, 5]


def test_a_transfer_goes_to_one_place(model: Model) -> None:
    tell(model, dispatch("1", (BAG, 1), to=PARIS))
    entries = len(model.journal)

    outcome = tell(model, dispatch("2", (BAG, 1), to=LONDON))

    assert (outcome.kind, outcome.why) == ("refused", f"transfer T1 goes to {PARIS}, not to {LONDON}")
    assert len(model.journal) == entries
    # The id is free: nothing was booked under it.
    assert tell(model, dispatch("2", (BAG, 1), to=PARIS)).kind == "applied"


def test_a_fact_made_from_an_outdated_look_is_made_anew(model: Model) -> None:
    outdated = with_record(dispatch("1", (BAG, 1)), None)
    early = with_record(received("2", (BAG, 1)), None)
    assert model.apply(early, NOW_MS).kind == "applied"

    assert model.apply(outdated, NOW_MS).kind == "look_again"
    assert tell(model, dispatch("1", (BAG, 1))).kind == "applied"
    assert model.apply(with_record(received("3", (BAG, 1)), None), NOW_MS).kind == "look_again"


@pytest.mark.parametrize(
    "record",
    [
        Record(EARLY_MAX, early=(Early(0, 0, ()),) * EARLY_MAX),
        Record(20, early=(Early(0, 0, ((BAG, 1),) * 100),) * (EARLY_LINES_MAX // 100)),
        Record(1, early=(Early(0, 0, ((BAG, 3_000, tuple(map(str, range(EARLY_SERIALS_MAX + 1)))),)),)),
        Record(1, LONDON, 0, tuple((f"SKU-{n}", 1, 0) for n in range(SKUS_MAX))),
    ],
    ids=("receipts", "lines", "serials", "SKUs"),
)
def test_a_transfer_grows_only_so_far(model: Model, record: Record) -> None:
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    model.books.records["transfers"] = {"T1": stored}

    parked = tell(model, received("1", (BAG, 1)))

    assert parked.kind == "parked"
    assert "a transfer has at most" in model.journal[-1].why
    assert model.journal[-1].reach == ((LONDON,) if record.to else ())
    assert model.books.records["transfers"] == {"T1": stored}


def test_a_dispatch_from_too_many_places_without_serials_is_parked(model: Model) -> None:
    unnamed = tuple((f"SKU-{n}", LYON) for n in range(SKUS_MAX))
    record = Record(1, LONDON, 0, (), unnamed=unnamed)
    model.books.records["transfers"] = {"T1": msgspec.msgpack.decode(msgspec.msgpack.encode(record))}

    assert tell(model, dispatch("1", ("SKU-1", 1))).kind == "applied"
    assert tell(model, dispatch("2", (BAG, 1))).kind == "parked"


def test_a_transfer_takes_all_that_may_wait_for_it() -> None:
    assert EARLY_LINES_MAX + LINES_PER_EVENT_MAX <= SKUS_MAX
