"""Transfers between the few places: dispatched and received in any order, once or in parts."""

from collections import Counter
from collections.abc import Callable

import msgspec
from hypothesis import strategies as st

from hub.domain.command import Fact, Line, Transfer
from hub.domain.entry import Entry
from hub.domain.model import Model
from hub.domain.transfers import with_record
from hub.domain.transit import CLOSED, OPEN, Record, record_from
from tests.model.supply import named
from tests.model.worlds import BUSY_SKUS, PLACES, SOURCES, Telling, offsets, reaches, yes_or_no

# Where each transfer goes, if its dispatches agree.
DESTINATIONS = {"T1": "PAR", "T2": "LON"}

units = st.lists(st.tuples(st.sampled_from(BUSY_SKUS), st.integers(1, 5)), min_size=1, max_size=3)

nobodys = st.just("")


@st.composite
def journeys(draw: st.DrawFn, id: str, *, in_doubt: bool = True, orders: st.SearchStrategy[str] = nobodys) -> Telling:
    """Part of a transfer, perhaps for one of `orders`; `in_doubt` lets dispatches disagree about where it goes."""
    transfer = draw(st.sampled_from(("T1", "T1", "T2")))
    told, time_ms = draw(named([Line(sku, "", number) for sku, number in draw(units)])), draw(offsets)
    early = tuple(
        (line.sku, line.quantity, line.serials) if line.serials else (line.sku, line.quantity) for line in told
    )
    is_final = draw(st.sampled_from((0, 0, 1)))
    # Nothing of what is under way may have arrived.
    early = early if not is_final or draw(yes_or_no) else ()
    # Of a transfer that is told in another order the reach would be judged at the door.
    reach = draw(reaches) if in_doubt else ()
    fact = Fact(
        verb="receive",
        type="transfer.received",
        source=draw(st.sampled_from(SOURCES)),
        id=id,
        hash="content-1",
        time_ms=0,
        stated_ms=0,
        ledger_checked=True,
        payload=f'{{"id":"{id}"}}',
        detail=Transfer(transfer, "", 0, is_final, early=early, reach=reach),
    )
    if draw(yes_or_no):
        to = draw(st.sampled_from(PLACES)) if in_doubt and draw(st.integers(0, 5)) == 5 else DESTINATIONS[transfer]
        start = draw(st.sampled_from(("LON", "LON", "PAR", "LYON")))
        lines = tuple(msgspec.structs.replace(line, location=start) for line in told)
        detail = Transfer(transfer, to, 0, own_lines=len(lines), order=draw(orders))
        fact = msgspec.structs.replace(fact, verb="dispatch", type="transfer.dispatched", lines=lines, detail=detail)
    return Telling(fact, time_ms, time_ms)


def transfers_of(model: Model) -> dict[str, Record]:
    """Every transfer that is remembered."""
    tables = model.books.records.get(CLOSED, {}) | model.books.records.get(OPEN, {})
    return {id: record_from(value) for id, value in tables.items()}


def with_transfer(fact: Fact, model: Model, house_name: Callable[[str], str] = str) -> Fact:
    """Do what booking does: complete the fact by what is known of its transfer, by the names of now."""
    assert isinstance(fact.detail, Transfer)
    return with_record(fact, transfers_of(model).get(fact.detail.id), house_name)


def held_on_the_way(records: dict[str, Record]) -> dict[tuple[str, str, str], int]:
    """Units by transfer, SKU and name of the hold that they are kept for, as the transfers say."""
    assert all(units > 0 for record in records.values() for _, _, units in record.held)
    return {(id, sku, name): units for id, record in records.items() for sku, name, units in record.held}


def check_held(records: dict[str, Record]) -> None:
    """No more is kept of what is on its way than is on its way."""
    for record in records.values():
        under_way = {sku: 0 if record.is_final else max(0, sent - received) for sku, sent, received in record.sums}
        held: Counter[str] = Counter()
        for sku, _, units in record.held:
            held[sku] += units
        assert all(units <= under_way[sku] for sku, units in held.items())


def between(records: dict[str, Record]) -> Counter[tuple[str, str]]:
    """What is off the shelf by what was sent and received: (account, SKU) → units."""
    found: Counter[tuple[str, str]] = Counter()
    for id, record in records.items():
        for sku, sent, received in record.sums:
            found["lost" if record.is_final else f"in_transit:{id}", sku] += max(0, sent - received)
            found["unannounced", sku] -= max(0, received - sent)
    return Counter({key: number for key, number in found.items() if number})


def moved_between(journal: list[Entry]) -> Counter[tuple[str, str]]:
    """The same by the movements alone."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in journal:
        for move in entry.movements:
            for account, sign in ((move.from_bucket, -1), (move.to_bucket, 1)):
                if account in ("lost", "unannounced") or account.startswith("in_transit:"):
                    found[account, entry.skus[move.sku]] += sign * move.quantity
    return Counter({key: number for key, number in found.items() if number})
