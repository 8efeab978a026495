"""Order of arrival is not order of happening: what lies on the shelf follows from what happened when."""

from collections import Counter
from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings
from hub.domain.command import Counting, Fact, Line, Transfer, Voiding
from hub.domain.model import Model
from hub.domain.transit import Record
from tests.model.journeys import between, journeys, transfers_of, with_transfer
from tests.model.regrets import Sales, asked, with_told_sale
from tests.model.shelf import closing_of
from tests.model.worlds import SKUS, Telling, house_of, houses, offsets, tellings, units_of, yes_or_no

NOW_MS = 1_795_000_000_000

Balances = dict[tuple[str, str], int]


def balances(model: Model) -> Balances:
    return {
        (sku, location): position.on_hand - position.deficit
        for sku, places in model.positions.items()
        for location, position in places.items()
    }


def fact_of(telling: Telling, number: int) -> Fact:
    """The fact alone, known to the ledger not to be there, so that it is booked whatever its time.

    No two counts are of the same time, for then the later arrival would decide.
    """
    fact = telling.fact
    fields = {name: getattr(fact, name) for name in fact.__struct_fields__}
    times = {"time_ms": min(NOW_MS, NOW_MS + telling.time_ms), "stated_ms": NOW_MS, "ledger_checked": True}
    if isinstance(fact.detail, Counting):
        # The offsets of few facts differ by 1 or 2 ms, none by 3 to 21.
        counted_at_ms = min(NOW_MS, NOW_MS + fact.detail.counted_at_ms) - 3 * number
        fields["detail"] = msgspec.structs.replace(fact.detail, counted_at_ms=counted_at_ms, scope=0)
    return Fact(**(fields | times))


def completed(fact: Fact, model: Model) -> Fact:
    """Do what booking does: complete a fact that is about an earlier one."""
    if fact.verb == "void":
        made = with_told_sale(fact, model)
        assert made is not None
        return made
    return with_transfer(fact, model) if fact.verb in ("dispatch", "receive") else fact


def void_of(sale: Fact, time_ms: int, units: list[tuple[str, int]]) -> Fact:
    detail = Voiding(sale.id, 0, tuple(units))
    id, time_ms = f"void-{sale.id}", min(NOW_MS, NOW_MS + time_ms)
    return msgspec.structs.replace(
        sale, verb="void", type="sale.voided", id=id, lines=(), time_ms=time_ms, detail=detail
    )


def close(model: Model, opened: Iterable[str]) -> None:
    for place in list(opened):
        record = model.books.records["counts"][place]
        assert model.close(closing_of(model.journal, place, record), NOW_MS) is not None


def after(settings: HouseSettings, arrivals: list[Fact], closings: list[bool]) -> Balances:
    """The balances once the facts arrived in this order, counts being closed after some of them and at the end."""
    model = Model(house_of(settings))
    for fact, does_close in zip(arrivals, closings, strict=True):
        model.apply(completed(fact, model), NOW_MS)
        if does_close:
            close(model, model.books.records.get("counts", {}))
    close(model, model.books.records.get("counts", {}))
    assert between(transfers_of(model)) == expected_between(arrivals)
    return {place: units for place, units in balances(model).items() if units}


def expected(facts: Iterable[Fact]) -> Balances:
    """What was counted last by the counts' own time, and every unit that came or went after it."""
    # What a purchase order will bring lies on no shelf.
    facts = [fact for fact in facts if fact.verb != "expected"]
    sums: Balances = {}
    told = {fact: effects(fact, facts) for fact in facts}
    for place in {(line.sku, line.location) for lines in told.values() for line in lines}:
        counts = [fact for fact in facts if isinstance(fact.detail, Counting) and units(fact, place) is not None]
        newest = max(counts, key=counted_at, default=None)
        sums[place] = (units(newest, place) or 0) if newest else 0
        for fact in facts:
            is_seen = newest is not None and fact.time_ms <= counted_at(newest)
            if not isinstance(fact.detail, Counting) and not is_seen:
                lines = [line for line in told[fact] if (line.sku, line.location) == place]
                sums[place] += sum(units_of(fact, line) for line in lines)
    return {place: units for place, units in sums.items() if units}


def effects(fact: Fact, facts: Iterable[Fact]) -> tuple[Line, ...]:
    """The lines of a fact; what was received arrives where its transfer goes, once a dispatch says where that is, and
    what is voided comes back where its sale took it."""
    if isinstance(fact.detail, Voiding):
        sales = Sales()
        sales.sell(next(sale for sale in facts if sale.id == fact.id.removeprefix("void-")))
        return tuple(Line(sku, place, number) for (sku, place), _, number in sales.void(fact))
    if fact.verb != "receive":
        return fact.lines
    transfer = fact.detail
    assert isinstance(transfer, Transfer)
    to = {other.detail.to for other in facts if isinstance(other.detail, Transfer) and other.detail.id == transfer.id}
    return tuple(Line(sku, place, number) for place in to - {""} for sku, number, *_ in transfer.early)


def expected_between(facts: Iterable[Fact]) -> Counter[tuple[str, str]]:
    """What is in transit, lost and unannounced, from all that was sent and received."""
    sums: dict[str, Counter[tuple[str, bool]]] = {}
    final: dict[str, int] = {}
    sent: set[str] = set()
    for fact in {fact.id: fact for fact in facts}.values():
        if isinstance(fact.detail, Transfer):
            id = fact.detail.id
            units = [(line.sku, line.quantity) for line in fact.lines]
            for sku, number, *_ in units or fact.detail.early:
                sums.setdefault(id, Counter())[sku, fact.verb == "dispatch"] += number
            final[id] = max(final.get(id, 0), fact.detail.is_final)
            sent |= {id} if fact.verb == "dispatch" else set()
    records = {
        id: Record(0, "", final[id], tuple((sku, sums[id][sku, True], sums[id][sku, False]) for sku in SKUS))
        for id in sent
    }
    return between(records)


def counted_at(fact: Fact) -> int:
    assert isinstance(fact.detail, Counting)
    return fact.detail.counted_at_ms


def units(fact: Fact, place: tuple[str, str]) -> int | None:
    found = [line.quantity for line in fact.lines if (line.sku, line.location) == place]
    return sum(found) if found else None


facts = st.lists(st.integers(0, 999), min_size=1, max_size=8, unique=True).flatmap(
    lambda ids: st.tuples(*(st.one_of(tellings(str(id)), journeys(str(id), in_doubt=False)) for id in ids))
)


@given(settings=houses(), told=facts, data=st.data())
def test_any_order_of_the_same_facts_and_repeats_leaves_the_same_units(
    settings: HouseSettings, told: tuple[Telling, ...], data: st.DataObject
) -> None:
    in_order = [fact_of(telling, number) for number, telling in enumerate(told)]
    # A second void of the same sale would give back what the first one left, whichever that is.
    in_order += [
        void_of(fact, data.draw(offsets), data.draw(asked))
        for fact in in_order
        if fact.verb == "sale" and data.draw(yes_or_no)
    ]
    repeats = data.draw(st.lists(st.sampled_from(in_order), max_size=3))
    shuffled = data.draw(st.permutations([*in_order, *repeats]))
    flags = data.draw(st.lists(st.booleans(), min_size=len(shuffled), max_size=len(shuffled)))

    assert after(settings, shuffled, flags) == expected(in_order)
