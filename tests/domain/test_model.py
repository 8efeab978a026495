"""The reference model: once, for ever; conflicts, parked facts, the ledger's turn, and what is written of it all."""

from datetime import UTC, datetime

import msgspec
import pytest

from hub.domain.answer import AnsweredAlert
from hub.domain.catalogue import GroupSettings, HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import Fact, Line, Verb
from hub.domain.entry import Movement, Seq
from hub.domain.model import Model
from hub.domain.outcome import Outcome
from hub.domain.pools import Status
from hub.domain.position import Position
from hub.domain.remembering import AHEAD_MS, DAY_MS, REMEMBERED_DAYS
from hub.domain.rules import House

NOW_MS = 1_795_000_000_000
BAG, WATCH = "BAG-NOIR", "WATCH-1"
LONDON, PARIS, LYON = "LON-KNB", "PAR-STH", "DC-LYON"
VIP = PoolSettings("vip")
ONLINE = PoolSettings("online", locations=(LONDON, LYON), low=1)
STORE = PoolSettings("store", locations=(LONDON, PARIS))


def house_of(*pools: PoolSettings) -> House:
    locations = (
        LocationSettings(LONDON, "store"),
        LocationSettings(PARIS, "store"),
        LocationSettings(LYON, "warehouse"),
    )
    return House(HouseSettings(locations=locations, pools=pools), datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def model() -> Model:
    model = Model(house_of(VIP, ONLINE, STORE))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


def fact(verb: Verb, id: str, *lines: Line, pool: str = "", hash: str = "as sent", at_ms: int = NOW_MS) -> Fact:
    return Fact(verb, verb, "till", id, hash, at_ms, at_ms, False, "{}", pool, 0, lines)


def receipt(id: str, quantity: int, *, sku: str = BAG, location: str = LONDON) -> Fact:
    return fact("receipt", id, Line(sku, location, quantity))


def sale(id: str, quantity: int, *, pool: str = "store", location: str = LONDON) -> Fact:
    return fact("sale", id, Line(BAG, location, quantity), pool=pool)


def shown(model: Model) -> dict[str, int]:
    return {pool: view.available for pool, view in model.views[BAG].items()}


def test_the_last_bag_vanishes_from_every_pool_when_one_sells_it(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)
    assert shown(model) == {"online": 1, "store": 1}

    model.apply(sale("2", 1), NOW_MS + 5)

    assert shown(model) == {"online": 0, "store": 0}
    assert [(view.pool, view.changed) for view in model.journal[-1].views] == [("online", 2), ("store", 2)]
    assert model.views[BAG]["online"].at_ms == NOW_MS + 5


def test_a_bag_fenced_for_the_vip_is_hers_alone(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)

    model.apply(fact("ring_fence", "2", Line(BAG, LONDON, 1), pool="vip"), NOW_MS)

    assert shown(model) == {"vip": 1, "online": 0, "store": 0}


def test_a_vip_sale_leaves_no_trace_in_other_pools(model: Model) -> None:
    model.apply(receipt("1", 2), NOW_MS)
    model.apply(fact("ring_fence", "2", Line(BAG, LONDON, 1), pool="vip"), NOW_MS)
    before = model.views[BAG]["online"]

    model.apply(sale("3", 1, pool="vip"), NOW_MS)

    assert model.views[BAG]["online"] == before
    assert [view.pool for view in model.journal[-1].views] == ["vip"]


def test_a_change_that_only_moves_a_part_is_written_but_is_no_news() -> None:
    boutiques = GroupSettings("boutiques", locations=(LONDON,), threshold=3)
    model = Model(house_of(msgspec.structs.replace(ONLINE, group=(boutiques,))))

    model.apply(receipt("1", 2), NOW_MS)

    assert [(set_.view.parts, set_.changed) for set_ in model.journal[-1].views] == [((0, 2), 0)]
    assert model.views[BAG]["online"].rev(model.epoch) == 0


def test_an_entry_says_everything_that_was_set(model: Model) -> None:
    lines = (Line(BAG, LONDON, 2), Line(WATCH, PARIS, 1), Line(BAG, LONDON, 1), Line(BAG, LYON, 1))

    model.apply(fact("receipt", "1", *lines), NOW_MS)

    entry = model.journal[-1]
    assert entry.skus == (BAG, WATCH)
    assert entry.lines == ((0, 2), (1, 1), (0, 1), (0, 1))
    assert [(each.sku, each.location, each.position) for each in entry.positions] == [
        (0, LONDON, Position(free=3)),
        (1, PARIS, Position(free=1)),
        (0, LYON, Position(free=1)),
    ]
    assert [(each.sku, each.pool) for each in entry.views] == [(0, "online"), (0, "store"), (1, "store")]
    assert entry.movements[0] == Movement(0, LONDON, "supplier", "free", 2)


def test_alerts_of_one_kind_at_one_position_are_one(model: Model) -> None:
    outcome = model.apply(fact("sale", "1", *[Line(BAG, LONDON, 2)] * 3, pool="store"), NOW_MS)

    assert outcome.alerts == (AnsweredAlert("discrepancy", BAG, LONDON, 6),)


def test_later_lines_of_an_event_see_earlier_ones(model: Model) -> None:
    lines = (Line(BAG, LONDON, -1), Line(BAG, LONDON, 2))

    model.apply(fact("adjustment", "1", *lines), NOW_MS)

    assert model.positions[BAG][LONDON] == Position(free=1)


def test_the_same_event_again_gets_the_first_answer_and_changes_nothing(model: Model) -> None:
    first = model.apply(sale("1", 1), NOW_MS)
    written = len(model.journal)

    again = model.apply(sale("1", 1), NOW_MS + 9)

    assert again == msgspec.structs.replace(first, kind="duplicate")
    assert len(model.journal) == written


def test_one_id_of_two_sources_is_two_events(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)

    outcome = model.apply(msgspec.structs.replace(receipt("1", 1), source="erp"), NOW_MS)

    assert outcome.kind == "applied"


def test_another_content_under_a_known_id_is_a_conflict_kept_once(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)
    other = msgspec.structs.replace(receipt("1", 9), hash="other")

    outcomes = [model.apply(other, NOW_MS), model.apply(other, NOW_MS)]

    assert outcomes == [Outcome("conflict", Seq(1, 2))] * 2
    assert [entry.kind for entry in model.journal] == ["rules", "fact", "conflict"]
    assert model.positions[BAG][LONDON] == Position(free=1)


def test_each_distinct_content_of_a_conflict_is_kept(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)
    for content in ("second", "third", "second"):
        model.apply(msgspec.structs.replace(receipt("1", 9), hash=content), NOW_MS)

    assert [entry.hash for entry in model.journal if entry.kind == "conflict"] == ["second", "third"]


def test_after_a_conflict_the_first_content_is_still_a_duplicate(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS)
    model.apply(msgspec.structs.replace(receipt("1", 9), hash="other"), NOW_MS)

    assert model.apply(receipt("1", 1), NOW_MS).kind == "duplicate"


def test_a_fact_about_an_unknown_place_is_parked_once_and_booked_when_it_is_known(model: Model) -> None:
    parked = msgspec.structs.replace(receipt("1", 1), verb="park")
    first, again = model.apply(parked, NOW_MS), model.apply(parked, NOW_MS)
    assert first == again == Outcome("parked", Seq(1, 1))

    mended = model.apply(receipt("1", 1), NOW_MS)

    assert (mended.kind, mended.seq) == ("applied", Seq(1, 2))
    assert model.apply(receipt("1", 1), NOW_MS).kind == "duplicate"
    assert model.apply(parked, NOW_MS).kind == "duplicate"
    assert [entry.kind for entry in model.journal] == ["rules", "parked", "fact"]


# An id stated before this may have been booked on a day that is forgotten.
EARLIEST_MS = (NOW_MS // DAY_MS - REMEMBERED_DAYS) * DAY_MS + AHEAD_MS


@pytest.mark.parametrize("at_ms", [EARLIEST_MS - 1, NOW_MS + AHEAD_MS + 1])
def test_an_unknown_id_of_a_far_time_waits_for_the_ledgers_word(model: Model, at_ms: int) -> None:
    far = fact("receipt", "1", Line(BAG, LONDON, 1), at_ms=at_ms)
    assert model.apply(far, NOW_MS) == Outcome("ask_ledger")
    assert len(model.journal) == 1

    checked = msgspec.structs.replace(far, ledger_checked=True)

    assert model.apply(checked, NOW_MS).kind == "applied"
    assert model.apply(far, NOW_MS).kind == "duplicate"


@pytest.mark.parametrize("at_ms", [EARLIEST_MS, NOW_MS + AHEAD_MS])
def test_an_id_within_the_memory_of_the_kernel_needs_no_ledger(model: Model, at_ms: int) -> None:
    near = fact("receipt", "1", Line(BAG, LONDON, 1), at_ms=at_ms)

    assert model.apply(near, NOW_MS).kind == "applied"


def test_a_day_stated_far_ahead_is_asked_about_when_it_comes_because_records_end_sooner(model: Model) -> None:
    later_ms = NOW_MS + 9 * DAY_MS
    wrong_clock = fact("receipt", "1", Line(BAG, LONDON, 1), at_ms=later_ms)
    model.apply(msgspec.structs.replace(wrong_clock, ledger_checked=True), NOW_MS)
    model.seen.clear()
    model.seen_from = later_ms // DAY_MS - REMEMBERED_DAYS

    assert model.apply(wrong_clock, later_ms).kind == "ask_ledger"
    assert model.apply(fact("receipt", "2", Line(BAG, LONDON, 1), at_ms=later_ms - DAY_MS), later_ms).kind == "applied"


def test_nothing_happens_later_than_it_arrives(model: Model) -> None:
    ahead = fact("ring_fence", "1", Line(BAG, LONDON, 1), pool="vip", at_ms=NOW_MS + AHEAD_MS)

    model.apply(ahead, NOW_MS)

    assert model.journal[-1].time_ms == NOW_MS
    assert model.positions[BAG][LONDON].fences[0].set_at_ms == NOW_MS


def test_the_clock_never_goes_back(model: Model) -> None:
    model.apply(receipt("1", 1), NOW_MS + 9)

    model.apply(receipt("2", 1), NOW_MS)

    assert model.journal[-1].booked_at_ms == NOW_MS + 9


def test_new_rules_show_when_a_sku_is_next_touched(model: Model) -> None:
    model.apply(receipt("1", 3), NOW_MS)
    model.configure(house_of(VIP, msgspec.structs.replace(ONLINE, buffer=2), STORE), booked_at_ms=NOW_MS)
    assert shown(model) == {"online": 3, "store": 3}

    model.apply(receipt("2", 1, location=PARIS), NOW_MS)

    assert shown(model) == {"online": 1, "store": 4}
    assert [entry.kind for entry in model.journal[-2:]] == ["refresh", "fact"]


def test_a_refresh_of_a_sku_under_the_rules_of_now_writes_nothing(model: Model) -> None:
    model.apply(receipt("1", 3), NOW_MS)

    assert model.refresh(BAG, NOW_MS) is None
    assert model.refresh("never seen", NOW_MS) is None


def test_a_pool_new_in_the_house_shows_what_was_there_before(model: Model) -> None:
    model.apply(receipt("1", 3), NOW_MS)
    model.configure(house_of(PoolSettings("market", locations=(LONDON,), low=3)), booked_at_ms=NOW_MS)

    model.refresh(BAG, NOW_MS)

    assert model.views[BAG]["market"].available == 3
    assert model.views[BAG]["market"].status == Status.low_stock
