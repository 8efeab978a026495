"""Requests about a few reservations, and sales that name them."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings, PoolSettings
from hub.domain.command import Asking, Fact, Line, Ordering, Selling, Supply, Verb
from hub.domain.draft import Draft
from hub.domain.entry import Seq
from hub.domain.holding.account import known_order
from hub.domain.holding.hold import (
    KEPT,
    LIVE,
    OWNERS,
    Hold,
    State,
    hold_from,
    owners_field,
    owners_of_order,
    reservation_name,
)
from hub.domain.holding.in_transit import units_in_transit
from hub.domain.holding.keeping import known_hold, replaceable
from hub.domain.holding.ordering import leaves_from
from hub.domain.model import Model
from tests.model.journeys import journeys, nobodys
from tests.model.regrets import regrets
from tests.model.worlds import (
    BUSY_PLACES,
    BUSY_SKUS,
    LOCATIONS,
    PLACES,
    POOLS,
    SKUS,
    Repeat,
    Step,
    Telling,
    offsets,
    seldom,
    small,
    stories,
    tellings,
)

NAMES = tuple(reservation_name(f"r{number}") for number in range(4))
HOUR_MS = 3_600_000

names = st.sampled_from(NAMES)
orders = st.sampled_from(("o1", "o2"))
few_places = st.lists(st.sampled_from(PLACES), unique=True, max_size=3).map(tuple)
nowhere: st.SearchStrategy[tuple[str, ...]] = st.just(())
one_sku = st.sampled_from(("BAG",) * 7 + SKUS)


@st.composite
def asked(draw: st.DrawFn, least: int) -> tuple[tuple[str, str, int], ...]:
    return tuple(
        (
            draw(st.sampled_from(BUSY_SKUS)),
            draw(st.sampled_from(("", "", "", *BUSY_PLACES))),
            draw(st.sampled_from((1, 1, 1, 2, 3))),
        )
        for _ in range(draw(st.sampled_from((least, 1, 1, 2))) or least)
    )


def _fact(verb: Verb, id: str, *, type: str = "", source: str = "shop", **changes: Any) -> Fact:
    """A fact of now by the test's clock, which the ledger does not know."""
    plain = {"hash": "content-1", "time_ms": 0, "stated_ms": 0, "ledger_checked": True, "payload": "{}"}
    return Fact(verb=verb, type=type or verb, source=source, id=id, **(plain | changes))


def _request(id: str, verb: Verb, asking: Asking, **changes: Any) -> Telling:
    return Telling(_fact(verb, id, type=f"reservation.{verb}", detail=asking, **changes))


@st.composite
def reserves(draw: st.DrawFn, id: str) -> Telling:
    asking = Asking(
        draw(names),
        draw(asked(1)),
        ttl_ms=draw(st.sampled_from((0, HOUR_MS, HOUR_MS, HOUR_MS))),
        owner=draw(st.sampled_from(("ada", "ada", "bob"))),
        kind=draw(st.sampled_from(("cart", "cart", "checkout"))),
        split=draw(st.integers(0, 1)),
        only=draw(st.one_of(nowhere, nowhere, few_places)),
        prefer=draw(st.one_of(nowhere, few_places)),
        order=draw(st.sampled_from(("", "", "o1"))),
        is_named=draw(st.integers(0, 1)),
    )
    pool, hash = draw(st.sampled_from(POOLS)), draw(st.sampled_from(("content-1",) * 9 + ("b",)))
    return _request(id, "reserve", asking, pool=pool, hash=hash)


@st.composite
def verbs(draw: st.DrawFn, id: str) -> Telling:
    verb: Verb = draw(
        st.sampled_from(("extend", "confirm", "confirm", "release", "fulfil", "reallocate", "expire", "expire"))
    )
    some = () if verb == "expire" else draw(st.one_of(st.just(()), st.just(()), asked(1)))
    step = draw(st.sampled_from(("one", "two"))) if some else ""
    ttl_ms = draw(st.sampled_from((0, HOUR_MS))) if verb == "extend" else 0
    return _request(id, verb, Asking(draw(names), some, ttl_ms=ttl_ms, step=step))


@st.composite
def orderings(draw: st.DrawFn, id: str) -> Telling:
    """A fact about one of two orders."""
    verb: Verb = draw(
        st.sampled_from(("order_place", "order_place", "order_change", "order_cancel", "order_fulfil", "order_fulfil"))
    )
    location = draw(st.sampled_from(("", "", *BUSY_PLACES))) if verb == "order_fulfil" else ""
    least = 0 if verb in ("order_cancel", "order_fulfil") else 1
    ordering = Ordering(draw(orders), draw(asked(least)), location)
    if verb == "order_place":
        ordering = msgspec.structs.replace(
            ordering,
            reservation=draw(st.sampled_from(("", *NAMES))),
            owner=draw(st.sampled_from(("", "ada", "bob"))),
            only=draw(st.one_of(nowhere, nowhere, few_places)),
            prefer=draw(st.one_of(nowhere, few_places)),
        )
    time_ms = draw(offsets)
    pool = draw(st.sampled_from(POOLS)) if verb == "order_place" else ""
    return Telling(_fact(verb, id, pool=pool, detail=ordering), time_ms, time_ms)


@st.composite
def named_sales(draw: st.DrawFn, id: str) -> Telling:
    time_ms = draw(offsets)
    line = Line(draw(st.sampled_from(BUSY_SKUS)), draw(st.sampled_from(BUSY_PLACES)), draw(st.integers(1, 3)))
    selling = draw(st.builds(Selling, st.one_of(st.just(""), names), st.one_of(st.just(""), orders)))
    payload = f'{{"id":"{id}","pool":"store"}}'
    fact = _fact("sale", id, source="till", payload=payload, pool="store", lines=(line,), detail=selling)
    return Telling(fact, time_ms, time_ms)


def _receipt(sku: str, location: str, quantity: int) -> Telling:
    return Telling(_fact("receipt", f"{sku}-{location}", source="till", lines=(Line(sku, location, quantity),)))


def _fence(pool: str, quantity: int, standing: int) -> Telling:
    lines = (Line("BAG", "LON", quantity),)
    return Telling(_fact("ring_fence", f"fence-{pool}", source="till", pool=pool, standing=standing, lines=lines))


@st.composite
def supplies(draw: st.DrawFn, id: str) -> Telling:
    """A purchase order says what it brings, or brings it."""
    verb: Verb = draw(st.sampled_from(("expected", "expected", "receipt")))
    quantity = draw(st.sampled_from((1, 1, 2, 3) if verb == "receipt" else (0, 1, 2, 3, 5, 9)))
    line = Line(draw(one_sku), draw(st.sampled_from(BUSY_PLACES)), quantity)
    eta_ms = draw(st.integers(0, 3)) * HOUR_MS if verb == "expected" else 0
    time_ms = draw(st.sampled_from((0, 0, 0, -1)))
    detail = Supply(draw(st.sampled_from(("PO-1", "PO-1", "PO-2"))), eta_ms)
    return Telling(_fact(verb, id, source="till", lines=(line,), detail=detail), time_ms, time_ms)


@st.composite
def awaited(draw: st.DrawFn) -> tuple[HouseSettings, list[Step]]:
    """A story in a house with next to nothing, whose pools promise what is expected."""
    house, steps = draw(stories(awaitings))
    if draw(st.integers(0, 3)):
        limits = st.sampled_from((0, 2, 4, 99, 99))
        pools = tuple(
            PoolSettings(
                id, locations=PLACES, preorder_limit=draw(limits), buffer=draw(st.sampled_from((None, None, 1)))
            )
            for id in POOLS
        )
        house = msgspec.structs.replace(house, locations=LOCATIONS, pools=pools, rules=())
    first = [Line("BAG", place, draw(st.sampled_from((1, 3, 9)))) for place in draw(few_places) or ("LON",)]
    told: list[Telling | Repeat] = [
        Telling(
            _fact("expected", f"first-{line.location}", source="till", lines=(line,), detail=Supply("PO-1", HOUR_MS))
        )
        for line in first
    ]
    return house, [told, *steps]


def awaitings(id: str) -> st.SearchStrategy[Telling]:
    """Mostly requests and supply of one SKU."""
    requests = st.one_of(reserves(id), reserves(id), orderings(id)).map(_of_one_sku)
    others = st.one_of(named_sales(id), tellings(id))
    return st.one_of(
        requests, requests, requests, verbs(id), verbs(id), supplies(id), supplies(id), supplies(id), others
    )


def _of_one_sku(telling: Telling) -> Telling:
    """The same asked of one SKU, wherever it is."""
    fact = telling.fact
    assert isinstance(fact.detail, Asking | Ordering)
    asked = tuple(("BAG", "", units) for _, _, units in fact.detail.asked)
    detail = msgspec.structs.replace(fact.detail, asked=asked)
    return msgspec.structs.replace(telling, fact=msgspec.structs.replace(fact, detail=detail))


@st.composite
def stocked(draw: st.DrawFn) -> tuple[HouseSettings, list[Step]]:
    """A story that begins with something to hold, mostly in a house that holds nothing back."""
    house, steps = draw(stories(holdings))
    if draw(st.integers(0, 3)):
        pools = tuple(PoolSettings(id, locations=PLACES, cap=draw(seldom)) for id in POOLS)
        house = msgspec.structs.replace(house, locations=LOCATIONS, pools=pools, rules=())
    first: list[Telling | Repeat] = [
        _receipt(sku, location, draw(st.integers(1, 4)))
        for sku in SKUS
        for location in PLACES
        if draw(st.integers(0, 3)) or sku == "BAG"
    ]
    fences: list[Telling | Repeat] = [_fence(pool, draw(small), draw(st.integers(0, 1))) for pool in ("vip", "store")]
    return house, [first, fences, *steps]


def holdings(id: str) -> st.SearchStrategy[Telling]:
    """Mostly requests, and what else happens to the stock meanwhile."""
    return st.one_of(
        reserves(id),
        reserves(id),
        verbs(id),
        verbs(id),
        orderings(id),
        orderings(id),
        journeys(id, orders=st.one_of(orders, orders, nobodys)),
        journeys(id, orders=st.one_of(orders, orders, nobodys)),
        named_sales(id),
        regrets(id),
        tellings(id),
        tellings(id),
    )


def with_skus(fact: Fact, model: Model, house_name: Callable[[str], str]) -> Fact:
    """Do what whoever asks does: name every SKU that the request, or the fact about an order, may touch."""
    assert isinstance(fact.detail, Asking | Ordering)
    asked = tuple((house_name(sku), location, units) for sku, location, units in fact.detail.asked)
    asking = msgspec.structs.replace(fact.detail, asked=asked)
    fact = msgspec.structs.replace(fact, detail=asking)
    draft = Draft(model.books, (), seq=Seq(1, 0), time_ms=0, now_ms=0)
    if isinstance(asking, Ordering):
        order = known_order(draft, asking.order)
        skus = [sku for sku, _, _ in asking.asked] + [line.sku for line in order.lines]
        owners = owners_of_order(asking.order, asking.owner)
        entries = [entry for owner in owners for entry in draft.record(OWNERS, owners_field(owner, fact.pool)) or ()]
        for name in (asking.reservation, *(name for _, name, _ in entries)):
            hold = known_hold(draft, name)
            skus += hold.skus if hold is not None else []
        lines = tuple(Line(sku, leaves_from(asking, order), 0) for sku in dict.fromkeys(skus))
        return msgspec.structs.replace(fact, lines=lines)
    skus = [sku for sku, _, _ in asking.asked]
    old = replaceable(draft, asking.owner, fact.pool, asking.kind) if asking.is_named else ""
    for name in (asking.name, old):
        hold = known_hold(draft, name)
        skus += hold.skus if hold is not None else []
    lines = tuple(Line(sku, "", 0) for sku in dict.fromkeys(skus))
    return msgspec.structs.replace(fact, lines=lines)


def holds_of(records: dict[str, dict[str, Any]]) -> dict[str, Hold]:
    return {name: hold_from(value) for name, value in records[LIVE].items()}


def kept_at(holds: dict[str, Hold]) -> dict[tuple[str, str], int]:
    """The units that are kept of each SKU at each location."""
    units: dict[tuple[str, str], int] = {}
    for hold in holds.values():
        for part in hold.parts:
            for each in part.allocations if part.state in KEPT else ():
                if not each.is_placed:
                    continue
                place = (part.sku, each.location)
                units[place] = units.get(place, 0) + each.quantity
    return units


def promised_by(holds: dict[str, Hold]) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    """Units held and sold that each pool has promised, by SKU, location, what brings them, and pool."""
    units: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for hold in holds.values():
        for part in hold.parts:
            for each in part.allocations if part.state in KEPT else ():
                if each.is_promised:
                    place = (part.sku, each.location, each.coming_by, hold.pool)
                    held, sold = units.get(place, (0, 0))
                    is_sold = part.state == State.confirmed
                    units[place] = (held + each.quantity * (not is_sold), sold + each.quantity * is_sold)
    return units


def travelling(holds: dict[str, Hold]) -> dict[tuple[str, str, str], int]:
    """Units by transfer, SKU and name of the hold that they are kept for, as the holds say."""
    return {
        (id, sku, name): units for name, hold in holds.items() for (id, sku), units in units_in_transit(hold).items()
    }


def fenced_at(holds: dict[str, Hold]) -> dict[tuple[str, str, str], int]:
    """How many of them came out of each pool's fence."""
    units: dict[tuple[str, str, str], int] = {}
    for hold in holds.values():
        for part in hold.parts:
            for each in part.allocations:
                place = (part.sku, each.location, hold.pool)
                units[place] = units.get(place, 0) + each.fenced
    return {place: number for place, number in units.items() if number}


def indexed(holds: dict[str, Hold]) -> tuple[dict[bytes, float], dict[bytes, float]]:
    """What follows from the holds: who keeps what, and when it is due."""
    kept = {
        f"{part.sku}\0{hold.number:016d}\0{name}".encode(): 0.0
        for name, hold in holds.items()
        for part in hold.parts
        if part.state in KEPT
    }
    return kept, {name.encode(): float(hold.due_at_ms) for name, hold in holds.items() if hold.due_at_ms}
