"""Order of arrival is not order of happening: what lies on the shelf follows from what happened when."""

from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings
from hub.domain.command import Counting, Fact
from hub.domain.model import Model
from tests.model.shelf import closing, units_since
from tests.model.worlds import Telling, house_of, houses, tellings

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
        counted_at_ms = min(NOW_MS, NOW_MS + fact.detail.counted_at_ms) - number
        fields["detail"] = msgspec.structs.replace(fact.detail, counted_at_ms=counted_at_ms, scope=0)
    return Fact(**(fields | times))


def close(model: Model, opened: Iterable[str]) -> None:
    for place in list(opened):
        record = model.books.records["counts"][place]
        since = [units_since(model.journal, place, record, row[0]) for row in record[6]]
        assert model.close(closing(record, place, since), NOW_MS) is not None


def after(settings: HouseSettings, arrivals: list[Fact], closings: list[bool]) -> Balances:
    """The balances once the facts arrived in this order, counts being closed after some of them and at the end."""
    model = Model(house_of(settings))
    for fact, does_close in zip(arrivals, closings, strict=True):
        model.apply(fact, NOW_MS)
        if does_close:
            close(model, model.books.records.get("counts", {}))
    close(model, model.books.records.get("counts", {}))
    return balances(model)


def expected(facts: Iterable[Fact]) -> Balances:
    """What was counted last by the counts' own time, and every unit that came or went after it."""
    # What a purchase order will bring lies on no shelf.
    facts = [fact for fact in facts if fact.verb != "expected"]
    sums: Balances = {}
    for place in {(line.sku, line.location) for fact in facts for line in fact.lines}:
        counts = [fact for fact in facts if isinstance(fact.detail, Counting) and units(fact, place) is not None]
        newest = max(counts, key=counted_at, default=None)
        sums[place] = (units(newest, place) or 0) if newest else 0
        for fact in facts:
            is_seen = newest is not None and fact.time_ms <= counted_at(newest)
            if not isinstance(fact.detail, Counting) and not is_seen:
                sign = {"sale": -1, "ring_fence": 0}.get(fact.verb, 1)
                sums[place] += sign * (units(fact, place) or 0)
    return sums


def counted_at(fact: Fact) -> int:
    assert isinstance(fact.detail, Counting)
    return fact.detail.counted_at_ms


def units(fact: Fact, place: tuple[str, str]) -> int | None:
    found = [line.quantity for line in fact.lines if (line.sku, line.location) == place]
    return sum(found) if found else None


facts = st.lists(st.integers(0, 999), min_size=1, max_size=8, unique=True).flatmap(
    lambda ids: st.tuples(*(tellings(str(id)) for id in ids))
)


@given(settings=houses(), told=facts, data=st.data())
def test_any_order_of_the_same_facts_and_repeats_leaves_the_same_units(
    settings: HouseSettings, told: tuple[Telling, ...], data: st.DataObject
) -> None:
    in_order = [fact_of(telling, number) for number, telling in enumerate(told)]
    repeats = data.draw(st.lists(st.sampled_from(in_order), max_size=3))
    shuffled = data.draw(st.permutations([*in_order, *repeats]))
    flags = data.draw(st.lists(st.booleans(), min_size=len(shuffled), max_size=len(shuffled)))

    assert after(settings, shuffled, flags) == expected(in_order)
