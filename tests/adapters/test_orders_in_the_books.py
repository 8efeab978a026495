"""Several topics tell one order, again and in any order: the books are the same as if it had been told once."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain import command as commands
from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.domain.command import Fact, Ordering
from hub.domain.holding.ordering import leaves_from
from hub.domain.holding.orders import ORDERS, Order, order_from
from hub.domain.model import Model
from hub.domain.rules import House
from hub.intake.facts import names_in, to_fact
from protocol.codec import content_hash, decode_event, encode_canonical
from protocol.events import Event, Line, Receipt
from tests.adapters.cases import case_of

LYON, LONDON = "DC-LYON", "LON-KNB"
BAG, SCARF = "BAG-NOIR", "shop-eu:variant:49148385"
SKUS = (BAG, SCARF, "store-us:variant:510", "atelier:variation:23", "square-knb:variation:VARBAGNOIR")
NOW = datetime(2026, 5, 20, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)


def told_by(name: str, *recordings: str) -> list[list[Event]]:
    case = case_of(name)
    return [list(case.reading(each).events) for each in case.recordings if each.name in recordings]


def fact_of(event: Event, model: Model) -> Fact:
    """As the door makes it: what a vendor tells under one id is one thing, whatever else it says."""
    decoded = msgspec.structs.replace(decode_event(encode_canonical(event)), hash=content_hash(event.id.encode()))
    fact = to_fact(decoded, names_in(event), "shop-eu", model.house, 0)
    if isinstance(ordering := fact.detail, Ordering):
        known = model.books.records.get(ORDERS, {}).get(ordering.order)
        order = order_from(known) if known else Order()
        touched = dict.fromkeys([sku for sku, _, _ in ordering.asked] + [line.sku for line in order.lines])
        lines = tuple(commands.Line(sku, leaves_from(ordering, order), 0) for sku in touched)
        fact = msgspec.structs.replace(fact, lines=lines)
    return msgspec.structs.replace(fact, ledger_checked=True)


def books_after(deliveries: list[list[Event]]) -> dict[tuple[str, str], tuple[int, int]]:
    """By SKU and location: what lies there less what is owed, and what is kept for orders."""
    locations = (LocationSettings(LYON, "warehouse"), LocationSettings(LONDON, "store"))
    pools = tuple(PoolSettings(pool, locations=(LYON, LONDON)) for pool in ("online", "store"))
    model = Model(House(HouseSettings(locations=locations, pools=pools), NOW))
    model.configure(model.house, booked_at_ms=NOW_MS)
    lines = tuple(Line(sku=sku, quantity=5) for sku in SKUS)
    arrived = [Receipt(id=f"r-{place}", time=NOW, location=place, lines=lines) for place in (LYON, LONDON)]
    for event in [*arrived, *(event for events in deliveries for event in events)]:
        outcome = model.apply(fact_of(event, model), NOW_MS)
        assert outcome.kind in {"applied", "duplicate"}, (event, outcome)
    return {
        (sku, location): (position.on_hand - position.deficit, position.reserved)
        for sku, at in model.positions.items()
        for location, position in at.items()
    }


ORDER = told_by(
    "shopify", "order-created", "order-paid", "order-partly-sent", "fulfilment-created", "order-sent", "refund-created"
)
TILL = told_by("shopify", "till-sale", "till-exchange", "fulfilment-created-at-the-till")
PARCELS = told_by("bigcommerce", "order-updated", "order-paid", "shipment-created", "shipment-updated")
SHOP = told_by("woocommerce", "order-created", "order-updated", "order-on-hold", "order-completed", "order-returned")


@given(st.permutations(ORDER), st.lists(st.sampled_from(ORDER)))
@settings(max_examples=40, deadline=None)
def test_an_order_of_shopify_counts_once(deliveries: list[list[Event]], again: list[list[Event]]) -> None:
    books = books_after([*deliveries, *again])

    # A bag left Lyon and came back to London, a scarf left London, another one is still kept somewhere.
    left = {place: on_hand for place, (on_hand, _) in books.items() if place[0] in (BAG, SCARF)}
    assert left == {(BAG, LYON): 4, (BAG, LONDON): 6, (SCARF, LYON): 5, (SCARF, LONDON): 4}
    assert sum(kept for (sku, _), (_, kept) in books.items() if sku == SCARF) == 1
    assert sum(kept for (sku, _), (_, kept) in books.items() if sku == BAG) == 0


@given(st.permutations(TILL), st.lists(st.sampled_from(TILL)))
@settings(max_examples=20, deadline=None)
def test_a_sale_at_a_till_of_shopify_counts_once_also_when_its_handing_over_is_told(
    deliveries: list[list[Event]], again: list[list[Event]]
) -> None:
    books = books_after([*deliveries, *again])

    assert books[BAG, LONDON] == (5, 0)  # sold, handed over, and back
    assert books[SCARF, LONDON] == (4, 0)


@given(st.permutations(PARCELS), st.lists(st.sampled_from(PARCELS)))
@settings(max_examples=20, deadline=None)
def test_an_order_of_bigcommerce_counts_once(deliveries: list[list[Event]], again: list[list[Event]]) -> None:
    books = books_after([*deliveries, *again])

    assert books[BAG, LYON][0] + books[BAG, LONDON][0] == 9
    assert books[BAG, LYON][1] + books[BAG, LONDON][1] == 1


@given(st.permutations(SHOP), st.lists(st.sampled_from(SHOP)))
@settings(max_examples=20, deadline=None)
def test_an_order_of_woocommerce_counts_once(deliveries: list[list[Event]], again: list[list[Event]]) -> None:
    books = books_after([*deliveries, *again])

    assert books[BAG, LYON][0] + books[BAG, LONDON][0] == 9  # two were sent, one came back
    assert books[BAG, LYON][1] + books[BAG, LONDON][1] == 0


def test_a_fulfilment_that_was_undone_leaves_the_order_as_it_was() -> None:
    books = books_after(told_by("shopify", "fulfilment-undone", "order-with-a-fulfilment-undone"))

    assert books[BAG, LYON][0] == 5
    assert books[BAG, LYON][1] + books[BAG, LONDON][1] == 1


def test_an_order_that_was_taken_apart_keeps_nothing() -> None:
    books = books_after(told_by("shopify", "order-created", "order-taken-apart"))

    assert {kept for _, kept in books.values()} == {0}
    assert {on_hand for on_hand, _ in books.values()} == {5}


def test_what_was_lost_before_it_was_sent_is_not_sold_again() -> None:
    books = books_after(told_by("shopify", "order-lost-in-the-warehouse"))

    assert books[SCARF, LYON][0] + books[SCARF, LONDON][0] == 9
    assert books[SCARF, LYON][1] + books[SCARF, LONDON][1] == 1


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [("woocommerce", "order-on-hold", "order-emptied"), ("square", "web-order", "web-order-emptied")],
)
def test_an_order_of_which_every_line_was_taken_out_keeps_nothing(name: str, before: str, after: str) -> None:
    whole, emptied = told_by(name, before), told_by(name, after)
    assert any(kept for _, kept in books_after(whole).values())

    for deliveries in ([*whole, *emptied], [*emptied, *whole]):
        assert not any(kept for _, kept in books_after(deliveries).values())
