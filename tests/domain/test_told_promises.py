"""What is promised before it comes, as people are told it: explained, by date, and what another limit would change."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings, RuleSettings
from hub.domain.command import Line
from hub.domain.expected import TABLE, ExpectedLine, lines_in
from hub.domain.explain import Whole, explain
from hub.domain.pools import Shown, Status, View, parts_of, update_view
from hub.domain.position import Position
from hub.domain.preview import Difference, Stored, differences
from hub.domain.promised import told_promise
from hub.domain.promising import next_eta_ms
from hub.domain.rules import House
from protocol.reports import Explanation
from protocol.supply import OtherSupply, PromiseAnswer, PromiseDate, PromisedSupply
from tests.domain.test_explain import shelves
from tests.domain.test_promises import LATER_MS, PARIS, SOON_MS, WAREHOUSE, A, B, World, house_of
from tests.model.worlds import PLACES, SKUS, houses
from tests.model.worlds import house_of as house_in

SOON, LATER = "2027-01-16T08:00:00.000Z", "2027-01-24T08:00:00.000Z"


@pytest.fixture
def world() -> World:
    return World(house_of())


def whole_of(world: World) -> Whole:
    books = world.model.books
    return Whole(
        world.model.house,
        1,
        "BAG",
        books.positions.get("BAG", {}),
        world.model.views.get("BAG", {}),
        lines_in(books.records.get(TABLE, {}).get("BAG")),
    )


def explained(world: World, pool: str = "online") -> Explanation:
    told = explain(whole_of(world), pool, lambda _: True)
    view = world.model.views.get("BAG", {}).get(pool, View())
    assert (told.shown.status, told.shown.rev) == (Status(view.status).word, view.rev(1))
    return told


def told(world: World, *hidden: str) -> PromiseAnswer:
    return told_promise(whole_of(world), "online", lambda location: location not in hidden)


def test_a_promise_is_explained_down_to_its_date(world: World) -> None:
    world.expect(4)
    world.ask("reserve", A, 1)

    why = explained(world)

    assert why.formula == (
        "available: max(0, 0 − 0) = 0; to be promised: max(0, min(limit 3 − 1 promised, 3 coming, 3 available then))"
        " = 2, from 2027-01-16; shown: 0, preorder 2027-01-16"
    )
    assert why.promise is not None
    assert (why.promise.limit, why.promise.promised) == (3, 1)
    assert why.promise.dates == (PromiseDate(SOON, 2),)
    assert why.shown.eta == SOON


def test_what_was_in_stock_once_is_explained_as_a_backorder(world: World) -> None:
    world.receive(1, "")
    world.expect(2, eta_ms=LATER_MS)
    assert explained(world).formula.endswith("to be promised: 0, because 1 are available; shown: 1, in_stock")

    world.tell("sale", Line("BAG", WAREHOUSE, 1), pool="online")

    assert explained(world).formula.endswith(" = 2, from 2027-01-24; shown: 0, backorder 2027-01-24")


def test_a_pool_without_a_limit_is_explained_without_promises(world: World) -> None:
    world.expect(4, location=PARIS)

    why = explained(world, "paris")

    assert why.promise is None
    assert "promise" not in msgspec.to_builtins(why)
    assert why.formula.endswith("shown: 0, out_of_stock")


def test_more_promised_than_a_lowered_limit_allows_leaves_nothing_to_promise(world: World) -> None:
    world.expect(4)
    world.ask("reserve", A, 3)
    world.model.configure(house_of(limit=1), booked_at_ms=0)
    world.model.refresh("BAG", 0)

    why = explained(world)

    assert "max(0, min(limit 1 − 3 promised, 1 coming, 1 available then)) = 0; shown: 0, out_of_stock" in why.formula
    assert (told(world).available, told(world).eta, told(world).dates) == (0, None, ())


def test_available_sold_and_reserved_are_three_numbers(world: World) -> None:
    world.expect(2)
    world.expect(2, "PO-2", location=PARIS, eta_ms=LATER_MS)
    world.ask("reserve", A, 1)
    world.ask("confirm", A)
    assert msgspec.json.decode(msgspec.json.encode(told(world))) == {
        "pool": "online", "sku": "BAG", "limit": 3, "available": 2, "sold": 1, "reserved": 0, "eta": SOON,
        "dates": [{"eta": SOON, "available": 1}, {"eta": LATER, "available": 2}],
        "supply": [
            {
                "purchase_order": "PO", "location": WAREHOUSE, "eta": SOON,
                "quantity": 2, "received": 0, "outstanding": 2, "promised": 1,
            },
            {
                "purchase_order": "PO-2", "location": PARIS, "eta": LATER,
                "quantity": 2, "received": 0, "outstanding": 2, "promised": 0,
            },
        ],
    }  # fmt: skip

    world.ask("reserve", B, 1)

    assert (told(world).available, told(world).sold, told(world).reserved) == (1, 1, 1)
    assert (told(world).eta, told(world).dates) == (LATER, (PromiseDate(LATER, 1),))


def test_nothing_may_be_promised_while_there_is_stock_and_what_was_promised_stays_told(world: World) -> None:
    world.expect(3)
    world.ask("reserve", A, 1)
    world.receive(1, "")

    now = told(world)

    assert (now.available, now.sold, now.reserved, now.eta, now.dates) == (0, 0, 1, None, ())
    assert [each.promised for each in now.supply] == [1]


def test_what_comes_where_nobody_may_look_is_one_sum_without_a_name(world: World) -> None:
    world.expect(2)
    world.expect(1, "PO-2", location=PARIS, eta_ms=LATER_MS)
    world.expect(1, "PO-3", location=PARIS, eta_ms=LATER_MS)
    world.ask("reserve", A, 2)

    seen, other = told(world, PARIS).supply

    assert isinstance(seen, PromisedSupply)
    assert seen.location == WAREHOUSE
    assert other == OtherSupply(outstanding=2, promised=0)
    assert b"PO-2" not in msgspec.json.encode(told(world, PARIS))
    assert told(world, PARIS).available == told(world).available == 1


def test_what_has_arrived_and_what_another_pool_alone_sees_is_no_supply(world: World) -> None:
    world.expect(2)
    world.receive(2)
    world.expect(3, "PO-2")

    assert [each.purchase_order for each in told(world).supply if isinstance(each, PromisedSupply)] == ["PO-2"]
    assert told_promise(whole_of(world), "paris", lambda _: True).supply == ()


def test_another_limit_is_previewed_by_what_was_shown(world: World) -> None:
    world.expect(4)
    kept = stored(world)

    gone = differences(kept, "BAG", house_of(limit=3), house_of(limit=0))
    assert gone == [Difference("online", Shown(0, 0, Status.preorder, SOON_MS), Shown())]
    assert differences(kept, "BAG", house_of(limit=3), house_of(limit=2)) == []

    world.receive(1, "")
    world.tell("sale", Line("BAG", WAREHOUSE, 1), pool="online")
    [come] = differences(stored(world), "BAG", house_of(limit=0), house_of(limit=3))
    assert come.after == Shown(0, 0, Status.backorder, SOON_MS)


def test_a_pool_that_goes_while_it_is_sold_out_is_no_difference(world: World) -> None:
    world.receive(1, "")
    world.tell("sale", Line("BAG", WAREHOUSE, 1), pool="online")
    settings = msgspec.structs.replace(house_of().document.settings, pools=(), rules=())
    without = House(settings, datetime(2026, 11, 22, tzinfo=UTC))

    assert differences(stored(world), "BAG", world.model.house, without) == []


def stored(world: World) -> Stored:
    whole = whole_of(world)
    return Stored(whole.positions, whole.expected, whole.views)


lines = st.lists(
    st.builds(
        ExpectedLine,
        st.sampled_from((*PLACES, "GONE")),
        st.sampled_from(("PO-1", "PO-2")),
        st.integers(0, 5),
        st.integers(0, 2),
        st.sampled_from((SOON_MS, LATER_MS)),
        st.just(0),
        st.sampled_from(((), (("online", 1, 0),), (("vip", 0, 1), ("online", 1, 1)))),
    ),
    max_size=4,
    unique_by=lambda line: (line.location, line.purchase_order),
)


@given(houses(), st.sampled_from(SKUS), shelves, lines, st.integers(0, 4), st.sampled_from(((), ("LON",), PLACES)))
def test_what_is_told_is_what_is_shown_whoever_asks(
    settings: HouseSettings,
    sku: str,
    shelf: dict[str, Position],
    lines: list[ExpectedLine],
    limit: int,
    seen: Sequence[str],
) -> None:
    settings = msgspec.structs.replace(settings, rules=(*settings.rules, RuleSettings(preorder_limit=limit)))
    whole = Whole(house_in(settings), 1, sku, shelf, {}, lines)
    profile = whole.house.profile(sku)
    for number, terms in enumerate(profile.terms):
        eta_ms = next_eta_ms(shelf, lines, profile, number)
        view = update_view(None, terms, parts_of(shelf, profile, number), eta_ms, booked_at_ms=1)

        why = explain(whole, terms.pool, lambda location: location in seen)
        now = told_promise(whole, terms.pool, lambda location: location in seen)

        assert why.shown.status == Status(view.status).word
        assert why.shown.eta == (now.eta if view.eta_ms else None)
        assert (now.available > 0) == (view.status == Status.preorder)
        assert now.available == max((each.available for each in now.dates), default=0) <= now.limit
        assert all(f"({hidden})" not in why.formula for hidden in {*PLACES, "GONE"} - set(seen))
        named = {each.location for each in now.supply if isinstance(each, PromisedSupply)}
        assert named <= set(seen)
        assert now.sold + now.reserved == sum(line.promised_by(terms.pool) for line in lines)
