"""What `hub verify` says of promises: nothing of what the plain model makes, and each thing that is otherwise."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.command import Line
from hub.domain.expected import TABLE, ExpectedLine, lines_in
from hub.domain.holding.hold import LIVE, Hold, hold_from
from hub.domain.pools import Status, View
from hub.domain.verifying import Finding, RawSku, Sku, read_sku
from hub.domain.verifying_holds import check_promises, promised_by
from hub.domain.verifying_views import Rules, check_views
from tests.domain.test_promises import LATER_MS, PARIS, SOON_MS, WAREHOUSE, A, B, World, house_of

encode = msgspec.msgpack.encode


class Busy(World):
    """A world where fences and tills are too."""

    def sell(self, location: str, units: int) -> None:
        self.tell("sale", Line("BAG", location, units), pool="online")

    def fence(self, location: str, units: int, pool: str) -> None:
        self.tell("ring_fence", Line("BAG", location, units), pool=pool)


def preorder(world: World) -> None:
    world.expect(4)
    world.ask("reserve", A, 1)
    world.ask("confirm", A)
    world.ask("reserve", B, 1)


def all_promised(world: World) -> None:
    world.expect(5)
    world.order("order_place", 3)


def over(world: World) -> None:
    world.expect(5)
    world.expect(0)


def arrived(world: World) -> None:
    preorder(world)
    world.receive(1)
    world.expect(2)


def backorder(world: World) -> None:
    world.receive(1, "", PARIS)
    world.tell("sale", Line("BAG", PARIS, 1), pool="paris")
    world.expect(2, location=PARIS, eta_ms=LATER_MS)


def read(world: World) -> Sku:
    books = world.model.books
    raw = RawSku(
        "BAG",
        str(world.model.computed_under.get("BAG", "")).encode() or None,
        expected=encode(books.records[TABLE]["BAG"]),
        positions={location.encode(): encode(each) for location, each in books.positions.get("BAG", {}).items()},
        views={pool.encode(): encode(each) for pool, each in world.model.views.get("BAG", {}).items()},
    )
    sku, found = read_sku(raw)
    assert found == []
    return sku


def holds(world: World) -> list[Hold]:
    return [hold_from(each) for each in world.model.books.records.get(LIVE, {}).values()]


def found_in(world: World, sku: Sku) -> list[Finding]:
    views = check_views(sku, Rules(world.model.rules_version, world.model.house), {})
    return views + check_promises(sku, promised_by("BAG", holds(world)))


def kinds(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(each.kind, each.location, each.pool) for each in found]


few, places, purchase_orders = st.integers(1, 4), st.sampled_from((WAREHOUSE, PARIS)), st.sampled_from(("PO", "PO-2"))
etas, names = st.sampled_from((SOON_MS, LATER_MS)), st.sampled_from((A, B, "reservation:c"))
# Each as what is called on a world, and with what.
happenings = st.one_of(
    st.tuples(
        st.just("expect"),
        st.tuples(st.integers(0, 6), purchase_orders),
        st.fixed_dictionaries({"location": places, "eta_ms": etas}),
    ),
    st.tuples(st.just("receive"), st.tuples(few, st.sampled_from(("", "PO", "PO-2")), places), st.just({})),
    st.tuples(
        st.just("ask"), st.tuples(st.just("reserve"), names, few), st.fixed_dictionaries({"split": st.integers(0, 1)})
    ),
    st.tuples(
        st.just("ask"), st.tuples(st.sampled_from(("confirm", "release", "fulfil", "reallocate")), names), st.just({})
    ),
    st.tuples(st.just("ask"), st.tuples(st.sampled_from(("confirm", "release", "fulfil")), names, few), st.just({})),
    st.tuples(
        st.just("order"),
        st.tuples(st.sampled_from(("order_place", "order_change")), few),
        st.fixed_dictionaries({"id": st.sampled_from("op")}),
    ),
    st.tuples(
        st.just("order"),
        st.tuples(st.sampled_from(("order_cancel", "order_fulfil"))),
        st.fixed_dictionaries({"id": st.sampled_from("op")}),
    ),
    st.tuples(st.just("sell"), st.tuples(places, few), st.just({})),
    st.tuples(
        st.just("fence"), st.tuples(places, st.integers(0, 3), st.sampled_from(("online", "paris"))), st.just({})
    ),
)


@given(st.lists(happenings, max_size=20), st.integers(0, 5), st.integers(0, 1))
@settings(max_examples=300)
def test_whatever_happens_in_the_model_is_good(steps: list[Any], limit: int, buffer: int) -> None:
    world = Busy(house_of(limit, buffer))
    world.expect(4)
    for name, positional, named in steps:
        getattr(world, name)(*positional, **named)
        if "BAG" in world.model.books.records.get(TABLE, {}):
            assert found_in(world, read(world)) == []


@pytest.mark.parametrize("story", [preorder, all_promised, over, arrived, backorder])
def test_what_the_model_makes_is_good(story: Callable[[World], None]) -> None:
    world = World(house_of())
    story(world)

    assert found_in(world, read(world)) == []


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"status": Status.out_of_stock, "eta_ms": 0}, "view_shown"),
        ({"eta_ms": LATER_MS}, "view_shown"),
        ({"status": Status.in_stock, "eta_ms": 0}, "view_shown"),
        ({"changes": 0}, "changes_missing"),
    ],
)
def test_a_view_that_does_not_say_what_may_be_promised_is_found(changes: dict[str, Any], kind: str) -> None:
    world = World(house_of())
    preorder(world)
    sku = read(world)
    assert sku.views["online"].eta_ms == SOON_MS
    sku.views["online"] = msgspec.structs.replace(sku.views["online"], **changes)

    assert kinds(found_in(world, sku)) == [(kind, "", "online")]


def test_a_pool_that_does_not_show_what_it_may_promise_is_found() -> None:
    world = World(house_of())
    preorder(world)
    sku = read(world)
    del sku.views["online"]

    assert kinds(found_in(world, sku)) == [("view_missing", "", "online")]


def test_a_view_that_shows_nothing_of_what_nothing_concerns_is_found_in_a_house_with_limits_too() -> None:
    world = World(house_of())
    over(world)
    sku = read(world)
    sku.views["paris"] = View(parts=(0,))

    assert kinds(found_in(world, sku)) == [("view_foreign", "", "paris")]


def with_promises(sku: Sku, *promises: tuple[str, int, int]) -> Sku:
    line = ExpectedLine(WAREHOUSE, "PO", 4, 0, SOON_MS, 0, promises)
    return msgspec.structs.replace(sku, expected=(line,))


def test_promises_that_no_hold_keeps_or_only_a_hold_has_are_found() -> None:
    world = World(house_of())
    preorder(world)
    sku, kept = read(world), promised_by("BAG", holds(world))
    assert kept == {(WAREHOUSE, "PO", "online"): (1, 1)}

    assert kinds(check_promises(with_promises(sku, ("online", 1, 1)), kept)) == []
    assert kinds(check_promises(with_promises(sku, ("online", 2, 0)), kept)) == [
        ("promise_differs", WAREHOUSE, "online")
    ]
    assert kinds(check_promises(with_promises(sku), kept)) == [("promise_differs", WAREHOUSE, "online")]
    assert kinds(check_promises(with_promises(sku, ("online", 1, 1), ("paris", 3, 0)), kept)) == [
        ("promise_differs", WAREHOUSE, "paris"),
        ("promised_beyond", WAREHOUSE, ""),
    ]


def test_lines_that_cannot_be_read_are_left_to_where_records_are_compared() -> None:
    world = World(house_of())
    preorder(world)
    sku, found = read_sku(RawSku("BAG", b"1", expected=b"\xc1"))

    assert (sku.expected, found) == (None, [])
    assert found_in(world, sku) == []
    assert lines_in(world.model.books.records[TABLE]["BAG"])[0].promised == 2
