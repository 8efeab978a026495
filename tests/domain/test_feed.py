"""What an entry tells in the feed, in which order and under which numbers, whoever reads it."""

from typing import get_args

import msgspec
import pytest

from hub.domain.command import Verb
from hub.domain.entry import FORMAT, Entry, EntryAlert, Movement, Seq, SetRecord, SetView, encode_entry
from hub.domain.feed import BEGINNING, END, ITEMS_PER_KIND, Kind, Place, entries_wanted, happening_of
from hub.domain.findings import EntriesWanted
from hub.domain.holding.hold import Allocation, Hold, Part, State, stored
from hub.domain.holding.orders import Order, OrderLine, stored_order
from hub.domain.pools import News, View
from hub.intake.requested import TYPES
from protocol.events import Event
from protocol.feed import FEED_TYPES, types_asked

SEQ = Seq(2, 41)
HOLD = Hold(7, "online", "anna", "cart", "h", 5, parts=(Part("BAG", 1, State.held, 9, (Allocation("LON", 1),)),))
ORDER = Order(pool="online", is_set=1, lines=(OrderLine("BAG", ordered=2),))


def entry(**changes: object) -> Entry:
    plain = Entry(FORMAT, "fact", "sale", "till-7", "s-1", "h", 1_000, 2_000, 3, "{}", ("BAG",))
    return msgspec.structs.replace(plain, **changes)


def kinds(told: Entry) -> list[tuple[Kind, int]]:
    happening = happening_of(SEQ, encode_entry(told))
    assert happening is not None
    return [(item.kind, item.place.offset) for item in happening.items]


def test_an_entry_tells_movements_holds_orders_alerts_and_what_is_shown_in_this_order() -> None:
    full = entry(
        views=(SetView(0, "online", View(changes=1), News.sold_out), SetView(0, "vip", View(), News.none)),
        movements=(Movement(0, "LON", "free", "customer", 1), Movement(0, "LON", "deficit", "customer", 1)),
        alerts=(EntryAlert("discrepancy", 0, "LON", 1),),
        records=(
            SetRecord("holds", "reservation:r-1", stored(HOLD)),
            SetRecord("orders", "W-1", stored_order(ORDER)),
            SetRecord("serials", "BAG\0S-1", ["shelf"]),
        ),
    )

    told = kinds(full)

    assert told == [
        (Kind.movement, 0),
        (Kind.movement, 1),
        (Kind.reservation, ITEMS_PER_KIND),
        (Kind.order, 2 * ITEMS_PER_KIND),
        (Kind.alert, 3 * ITEMS_PER_KIND),
        # What a pool came to show is an alert too.
        (Kind.alert, 3 * ITEMS_PER_KIND + 1),
        (Kind.availability, 4 * ITEMS_PER_KIND),
    ]
    # These numbers stand in ids and cursors that others keep.
    assert [kind.value for kind in Kind] == list(range(6))
    assert max(Kind) * ITEMS_PER_KIND + ITEMS_PER_KIND < END < 2**32


def test_a_hold_is_told_once_as_it_is_in_the_end() -> None:
    over = Hold(7, "online", "anna", "cart", "h", 5, parts=(Part("BAG", 1, State.released),))
    ended = entry(
        records=(
            SetRecord("holds", "reservation:r-1"),
            SetRecord("ended_holds", "reservation:r-1", stored(over)),
            SetRecord("holds", "order:W-1", stored(HOLD)),
        )
    )

    happening = happening_of(SEQ, encode_entry(ended))

    assert happening is not None
    reservation, order = happening.items
    assert reservation.what == ("reservation:r-1", over)
    assert (order.what.id, order.what.order, order.what.hold) == ("W-1", None, HOLD)


def test_a_change_of_rules_is_told_and_what_only_moved_inside_is_not() -> None:
    assert kinds(entry(kind="rules", skus=())) == [(Kind.rule, 5 * ITEMS_PER_KIND)]
    assert kinds(entry(kind="refresh", views=(SetView(0, "online", View(), News.none),))) == []
    assert kinds(entry(kind="parked")) == []


@pytest.mark.parametrize("raw", [b"", b"\x90", encode_entry(entry(records=(SetRecord("holds", "reservation:r", 7),)))])
def test_what_cannot_be_read_tells_nothing(raw: bytes) -> None:
    assert happening_of(SEQ, raw) is None


def test_the_reason_of_a_movement_is_its_events_or_its_lines() -> None:
    two = {"skus": ("BAG", "BELT"), "lines": ((0, 1), (1, 1))}
    moves = (Movement(0, "LON", "free", "aside:damaged", 1), Movement(1, "LON", "free", "aside:damaged", 1))
    by_line = entry(**two, movements=moves, payload='{"lines":[{"sku":"alias","reason":"scratched"},{"sku":"BELT"}]}')
    by_event = entry(**two, movements=moves, payload='{"reason":"stolen"}')

    reasons = [happening_of(SEQ, encode_entry(each)).reasons for each in (by_line, by_event)]  # type: ignore[union-attr]

    assert reasons == [{0: "scratched"}, {0: "stolen", 1: "stolen"}]


def test_places_are_in_the_order_of_the_journal() -> None:
    places = [BEGINNING, Place(1, 0, 0), Place(1, 0, 5), Place.behind(Seq(1, 0)), Place(1, 1, 0), Place(2, 0, 0)]

    assert sorted(places) == places
    assert [place.first_entry for place in places] == [(0, 1), (1, 0), (1, 0), (1, 1), (1, 1), (2, 0)]


def test_every_event_and_request_that_may_move_units_has_a_type() -> None:
    events = {str(event.__struct_config__.tag) for event in get_args(Event)}
    moving = {name.removeprefix("movement.") for name in FEED_TYPES if name.startswith("movement.")}

    assert moving == events | set(TYPES.values()) | {"reservation.expired", "reversal"}
    assert set(TYPES) < set(get_args(Verb))


def test_types_are_asked_for_by_name_or_by_kind() -> None:
    asked = types_asked(["movement.*", "alert.sold_out", "movement.transfer.*", "alert.sold_out"])

    assert asked == (frozenset({"alert.sold_out"}), ("movement.", "movement.transfer."))
    assert types_asked([]) == (frozenset(), ())


@pytest.mark.parametrize(
    "name", ["movement", "movement.", "*", ".*", "sale", "movement.sal*", "order.*.*", "", "x" * 999]
)
def test_a_type_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="there is no type"):
        types_asked([name])


def test_only_so_many_types_are_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.feed.TYPES_ASKED_MAX", 2)

    with pytest.raises(ValueError, match="at most 2"):
        types_asked(["movement.*", "order.*", "alert.*"])


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([], None),
        (["alert.*"], EntriesWanted(alerting=True)),
        (["alert.conflict", "rule.*"], EntriesWanted(alerting=True, ruling=True)),
        (["rule.changed"], EntriesWanted(ruling=True)),
        (["movement.sale", "order.placed"], EntriesWanted(frozenset({"sale", "order.placed"}))),
        # Nothing in a row of the ledger says which entries tell these.
        (["alert.*", "movement.*"], None),
        (["alert.*", "movement.transfer.*"], None),
        (["alert.*", "reservation.held"], None),
        (["alert.*", "order.changed"], None),
        (["order.*"], None),
        (["availability.changed"], None),
    ],
)
def test_what_is_asked_for_says_which_entries_are_wanted(names: list[str], wanted: EntriesWanted | None) -> None:
    assert entries_wanted(*types_asked(names)) == wanted
