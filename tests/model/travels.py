"""Stories of a few orders whose units travel: by two transfers to the warehouse, in parts, too few, too late or not."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings, PoolSettings
from hub.domain.command import Counting, Detail, Fact, Line, Ordering, Selling, Transfer, Verb
from tests.model.worlds import LOCATIONS, PLACES, POOLS, CloseCounts, Step, Telling, houses

TO = "LYON"
ORDERS = ("o1", "o2", "o3")
TYPES = {"dispatch": "transfer.dispatched", "receive": "transfer.received"}

skus = st.sampled_from(("BAG", "BAG", "BAG", "WATCH"))
few = st.sampled_from((1, 1, 2, 2, 3))
moments = st.sampled_from((0, 0, 0, 1, 2, -1))
transfers = st.sampled_from(("T1", "T1", "T1", "T2"))
starts = st.sampled_from(("LON", "LON", "LON", "PAR"))
orders = st.sampled_from(ORDERS)
pieces = st.lists(st.sampled_from(("s-1", "s-2", "s-3")), unique=True, max_size=2).map(tuple)


def telling(verb: Verb, id: str, time_ms: int = 0, **changes: Any) -> Telling:
    plain = {"hash": "content-1", "time_ms": 0, "stated_ms": 0, "ledger_checked": True, "payload": f'{{"id":"{id}"}}'}
    fact = Fact(verb=verb, type=TYPES.get(verb, verb), source="till", id=id, **(plain | changes))
    return Telling(fact, time_ms, time_ms)


def place(id: str, *asked: tuple[str, str, int]) -> Telling:
    return telling("order_place", f"place-{id}", pool="store", detail=Ordering(id, asked, prefer=("LON",)))


@st.composite
def _lines(draw: st.DrawFn, location: str) -> tuple[Line, ...]:
    """One line of each SKU, seldom with the serials of its pieces."""
    told: list[Line] = []
    for sku in draw(st.lists(skus, min_size=1, max_size=2, unique=True)):
        named = draw(pieces) if draw(st.integers(0, 3)) == 3 else ()
        told.append(Line(sku, location, max(draw(few), len(named)), serials=named))
    return tuple(told)


@st.composite
def dispatches(draw: st.DrawFn, id: str) -> Telling:
    lines = draw(starts.flatmap(_lines))
    order = draw(st.one_of(orders, orders, orders, st.just("")))
    detail = Transfer(draw(transfers), TO, 0, own_lines=len(lines), order=order)
    return telling("dispatch", id, draw(moments), lines=lines, detail=detail)


@st.composite
def receipts(draw: st.DrawFn, id: str) -> Telling:
    told = [(line.sku, line.quantity, *filter(None, [line.serials])) for line in draw(_lines(TO))]
    is_final = draw(st.sampled_from((0, 0, 0, 1)))
    early = tuple(told) if not is_final or draw(st.booleans()) else ()
    return telling("receive", id, draw(moments), detail=Transfer(draw(transfers), "", 0, is_final, early=early))


@st.composite
def ends(draw: st.DrawFn, id: str) -> Telling:
    """An order is changed, cancelled, fulfilled, or sold at a till."""
    verb: Verb = draw(st.sampled_from(("order_change", "order_cancel", "order_fulfil", "order_fulfil", "sale", "sale")))
    where = draw(st.sampled_from((TO, TO, "LON")))
    if verb == "sale":
        selling: Detail = Selling("", draw(orders))
        return telling(
            verb, id, draw(moments), pool="store", lines=(Line(draw(skus), where, draw(few)),), detail=selling
        )
    asked = tuple((sku, "", draw(few)) for sku in draw(st.lists(skus, max_size=2, unique=True)))
    asked = asked or ((("BAG", "", 1),) if verb == "order_change" else ())
    location = draw(st.sampled_from(("", where))) if verb == "order_fulfil" else ""
    return telling(verb, id, draw(moments), detail=Ordering(draw(orders), asked, location))


@st.composite
def others(draw: st.DrawFn, id: str) -> Telling:
    """What else happens where the units leave and arrive."""
    where = draw(st.sampled_from((TO, "LON")))
    verb: Verb = draw(st.sampled_from(("count", "count", "count", "receipt", "adjustment", "sale")))
    quantity, sku = draw(few), draw(skus)
    lines = (Line(sku, where, -quantity if verb == "adjustment" else quantity),)
    counting = Counting(draw(moments) + 1, "physical", location=where) if verb == "count" else None
    pool = "market" if verb == "sale" else ""
    return telling(verb, id, draw(moments), pool=pool, lines=lines, detail=counting)


@st.composite
def travels(draw: st.DrawFn) -> tuple[HouseSettings, list[Step]]:
    """A house, mostly one that holds nothing back, two or three orders of what lies there, and what becomes of them."""
    house = draw(houses())
    if draw(st.integers(0, 3)):
        pools = tuple(PoolSettings(id, locations=PLACES) for id in POOLS)
        house = msgspec.structs.replace(house, locations=LOCATIONS, pools=pools, rules=())
    stock = [
        telling("receipt", f"{sku}-{location}", lines=(Line(sku, location, draw(few)),))
        for sku in ("BAG", "WATCH")
        for location in ("LON", "LON", "PAR", TO)
        if draw(st.integers(0, 2)) or location == "LON"
    ]
    fence = telling("ring_fence", "fence", pool="store", lines=(Line("BAG", "LON", draw(st.integers(0, 2))),))
    placed = [place(id, ("BAG", "", draw(few)), ("WATCH", "", 1)) for id in ORDERS[: draw(st.integers(1, 3))]]
    steps: list[Step] = [[*stock], [fence], [*placed]]
    for number in range(draw(st.integers(3, 14))):
        kind = draw(st.sampled_from((dispatches, dispatches, dispatches, receipts, receipts, receipts, ends, others)))
        batch = [draw(kind(f"{number}"))]
        if draw(st.integers(0, 3)) == 3:
            batch.append(draw(receipts(f"{number}-more")))
        steps.append([*batch])
        if draw(st.integers(0, 4)) == 4:
            steps.append(CloseCounts(2, draw(st.booleans())))
    return house, steps
