"""A piece with a serial number is never in two places: what raises suspicion, and where suspect pieces go."""

from datetime import UTC, datetime

import pytest

from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import Fact, Line, Verb
from hub.domain.draft import Books, Draft
from hub.domain.entry import EntryAlert, Movement, Seq
from hub.domain.model import Model
from hub.domain.position import Position
from hub.domain.rules import House
from hub.domain.serials import GONE, TABLE, TRANSIT, field_of, found, gone, sent, taken_back

NOW_MS = 1_795_000_000_000
WATCH, LONDON, PARIS = "WATCH-OR", "LON-KNB", "PAR-STH"


@pytest.fixture
def model() -> Model:
    places = (LocationSettings(LONDON, "store"), LocationSettings(PARIS, "store"))
    pools = (PoolSettings("store", locations=(LONDON, PARIS)), PoolSettings("vip"))
    model = Model(House(HouseSettings(locations=places, pools=pools), datetime(2026, 11, 22, tzinfo=UTC)))
    model.configure(model.house, booked_at_ms=NOW_MS)
    return model


class Teller:
    """Tells a model one line after the other, each a moment later."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.time_ms = NOW_MS - 1_000

    def tell(
        self,
        verb: Verb,
        quantity: int,
        *serials: str,
        at: str = LONDON,
        bucket: str = "free",
        pool: str = "store",
        time_ms: int | None = None,
    ) -> tuple[EntryAlert, ...]:
        """The suspicions that one line raises."""
        self.time_ms += 1
        time_ms = self.time_ms if time_ms is None else time_ms
        lines = (Line(WATCH, at, quantity, bucket, serials=serials),)
        fact = Fact(verb, verb, "till", str(len(self.model.journal)), "h", time_ms, time_ms, True, "{}", pool, 0, lines)
        assert self.model.apply(fact, NOW_MS).kind == "applied"
        return tuple(alert for alert in self.model.journal[-1].alerts if alert.type == "counterfeit_suspect")

    def piece(self, serial: str = "S1") -> list[object] | None:
        """State and location of a piece, as remembered."""
        stored = self.model.books.records.get(TABLE, {}).get(field_of(WATCH, serial))
        return stored and stored[:2]

    def position(self, location: str = LONDON) -> Position:
        return self.model.positions[WATCH][location]


@pytest.fixture
def teller(model: Model) -> Teller:
    return Teller(model)


def suspects(units: int, location: str = LONDON) -> tuple[EntryAlert, ...]:
    return (EntryAlert("counterfeit_suspect", 0, location, units),)


def test_a_piece_is_followed_through_its_life(teller: Teller) -> None:
    assert teller.piece() is None
    for verb, quantity, state in [
        ("receipt", 1, "shelf"),
        ("sale", 1, "sold"),
        ("return", 1, "shelf"),
        ("adjustment", -1, "gone"),
        ("adjustment", 1, "shelf"),
    ]:
        assert teller.tell(verb, quantity, "S1") == ()  # type: ignore[arg-type]
        assert teller.piece() == [state, LONDON]
    assert teller.position() == Position(free=1)


def test_a_piece_that_lies_elsewhere_is_looked_at_when_it_arrives(teller: Teller) -> None:
    teller.tell("receipt", 1, "S1", at=PARIS)

    assert teller.tell("receipt", 3, "S0", "S1") == suspects(1)

    assert teller.position() == Position(free=2, aside=(("inspection", 1),))
    # It cannot be in Paris any more than in London, but this is what was said last.
    assert teller.piece() == ["shelf", LONDON]


def test_the_same_shelf_again_is_no_other_place(teller: Teller) -> None:
    teller.tell("receipt", 1, "S1")

    assert teller.tell("receipt", 1, "S1") == ()


@pytest.mark.parametrize("verb", ["receipt", "adjustment"])
def test_a_sold_piece_does_not_come_in_as_a_new_one(teller: Teller, verb: Verb) -> None:
    teller.tell("sale", 1, "S1")

    assert teller.tell(verb, 1, "S1", bucket="damaged" if verb == "adjustment" else "free") == suspects(1)

    assert teller.position() == Position(deficit=1, aside=(("inspection", 1),))


def test_a_piece_sold_twice_is_sold_and_suspect(teller: Teller) -> None:
    teller.tell("receipt", 2, "S1")

    assert teller.tell("sale", 1, "S1") == ()
    assert teller.tell("sale", 1, "S1") == suspects(1)

    assert teller.position() == Position()


def test_a_piece_sold_where_it_does_not_lie_is_sold_and_suspect(teller: Teller) -> None:
    teller.tell("receipt", 1, "S1", at=PARIS)

    assert teller.tell("sale", 1, "S1") == suspects(1)

    assert teller.piece() == ["sold", LONDON]
    assert teller.position(PARIS) == Position(free=1)


def test_a_piece_nobody_knew_may_be_sold(teller: Teller) -> None:
    assert teller.tell("sale", 1, "S1") == ()


def test_only_what_this_location_sold_comes_back_clean(teller: Teller) -> None:
    teller.tell("sale", 1, "HERE")
    teller.tell("sale", 1, "THERE", at=PARIS)
    teller.tell("receipt", 1, "UNSOLD")

    assert teller.tell("return", 4, "HERE", "THERE", "UNSOLD", "NEVER", bucket="damaged") == suspects(3)

    assert dict(teller.position().aside) == {"damaged": 1, "inspection": 3}


def test_units_without_a_serial_come_back_as_ever(teller: Teller) -> None:
    assert teller.tell("return", 2, "S1") == suspects(1)
    assert teller.tell("return", 2) == ()

    assert teller.position() == Position(free=3, aside=(("inspection", 1),))


def test_what_is_returned_to_inspection_anyway_is_told_all_the_same(teller: Teller) -> None:
    assert teller.tell("return", 1, "S1", bucket="inspection") == suspects(1)

    assert teller.position() == Position(aside=(("inspection", 1),))


def test_a_late_fact_is_booked_and_neither_judged_nor_remembered(teller: Teller) -> None:
    teller.tell("sale", 1, "S1")
    early = NOW_MS - 5_000

    assert teller.tell("receipt", 1, "S1", at=PARIS, time_ms=early) == ()
    assert teller.tell("return", 1, "S1", time_ms=early) == ()
    assert teller.tell("sale", 1, "S1", time_ms=early) == ()
    assert teller.tell("adjustment", -1, "S1", at=PARIS, time_ms=early) == ()

    assert teller.piece() == ["sold", LONDON]
    assert teller.position(PARIS) == Position()


def test_the_same_serial_of_another_sku_is_another_piece(teller: Teller) -> None:
    teller.tell("sale", 1, "S1")
    fact = Fact(
        "receipt", "receipt", "till", "other", "h", NOW_MS, NOW_MS, True, "{}",
        lines=(Line("BAG", LONDON, 1, serials=("S1",)),),
    )  # fmt: skip

    teller.model.apply(fact, NOW_MS)

    assert teller.model.positions["BAG"][LONDON] == Position(free=1)


def test_what_a_count_has_seen_is_judged_but_left_where_it_lies(teller: Teller) -> None:
    teller.model.positions[WATCH] = {LONDON: Position(free=1, counted_at_ms=NOW_MS)}

    assert teller.tell("return", 1, "S1") == suspects(1)

    assert teller.position().free == 1
    assert teller.position().aside == ()
    [movement] = teller.model.journal[-1].movements
    assert (movement.from_bucket, movement.to_bucket, movement.serials) == ("customer", "variance", ("S1",))


def test_a_fence_names_no_pieces(teller: Teller) -> None:
    teller.tell("receipt", 2, "S1", "S2")

    teller.tell("ring_fence", 2, "S1", "S2", pool="vip")

    assert [move.serials for move in teller.model.journal[-1].movements] == [()]
    assert teller.piece() == ["shelf", LONDON]


def test_a_movement_of_all_units_names_its_pieces(teller: Teller) -> None:
    teller.tell("receipt", 3, "S1", "S2")
    assert teller.model.journal[-1].movements == (
        # The time is said too, because more is said behind it.
        Movement(0, LONDON, "supplier", "free", 3, teller.time_ms, ("S1", "S2")),
    )

    teller.tell("ring_fence", 1, pool="vip")
    teller.tell("sale", 3, "S1", "S2", pool="vip")
    assert [move.serials for move in teller.model.journal[-1].movements] == [(), ()]

    teller.tell("return", 3, "S1", "S3")
    assert [(move.to_bucket, move.quantity, move.serials) for move in teller.model.journal[-1].movements] == [
        ("free", 2, ("S1",)),
        ("aside:inspection", 1, ("S3",)),
    ]
    teller.tell("sale", 1)
    assert teller.model.journal[-1].movements[0].time_ms is None


@pytest.fixture
def draft(teller: Teller) -> Draft:
    teller.tell("receipt", 1, "LONDON")
    teller.tell("receipt", 1, "PARIS", at=PARIS)
    teller.tell("sale", 1, "SOLD")
    teller.tell("sale", 1, "SOLD-IN-PARIS", at=PARIS)
    return draft_of(teller.model.books)


def draft_of(books: Books, time_ms: int = NOW_MS) -> Draft:
    return Draft(books, [WATCH], seq=Seq(1, 1), time_ms=time_ms, now_ms=NOW_MS)


ALL = ("LONDON", "PARIS", "SOLD", "SOLD-IN-PARIS", "NEVER")


def line(*serials: str) -> Line:
    return Line(WATCH, LONDON, len(serials), serials=serials)


def test_a_count_only_tells_what_should_lie_elsewhere(draft: Draft) -> None:
    found(draft, line(*ALL))

    assert draft.alerts_raised() == suspects(1)
    assert draft.records_set() == ()


def test_what_is_gone_is_remembered_and_never_suspect(draft: Draft) -> None:
    gone(draft, line(*ALL))

    assert draft.alerts_raised() == ()
    assert [record.value for record in draft.records_set()] == [[GONE, LONDON, NOW_MS]] * 5


def test_what_is_sent_is_remembered_with_its_transfer_and_never_suspect(draft: Draft) -> None:
    sent(draft, line(*ALL), "T1", PARIS)

    assert draft.alerts_raised() == ()
    assert [record.value for record in draft.records_set()] == [[TRANSIT, LONDON, NOW_MS, "T1"]] * 5


def test_a_sale_taken_back_lies_on_the_shelf_that_sold_it(draft: Draft) -> None:
    assert taken_back(draft, line(*ALL), ALL) == ()

    assert [(record.field, record.value) for record in draft.records_set()] == [
        (field_of(WATCH, "SOLD"), ["shelf", LONDON, NOW_MS])
    ]


def test_a_piece_that_the_sale_taken_back_did_not_name_is_suspect(draft: Draft) -> None:
    assert taken_back(draft, line("SOLD", "NEVER"), ["SOLD"]) == ("NEVER",)


def test_a_sale_taken_back_before_it_was_made_changes_nothing(teller: Teller, draft: Draft) -> None:
    early = draft_of(teller.model.books, NOW_MS - 10_000)

    assert taken_back(early, line("SOLD"), ["SOLD"]) == ()

    assert early.records_set() == ()
