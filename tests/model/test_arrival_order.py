"""Order of arrival is not order of happening: what is on the shelf is the plain sum of the facts."""

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings
from hub.domain.command import Fact
from hub.domain.model import Model
from tests.model.worlds import Telling, house_of, houses, tellings

NOW_MS = 1_795_000_000_000


def balances(model: Model) -> dict[tuple[str, str], int]:
    return {
        (sku, location): position.on_hand - position.deficit
        for sku, places in model.positions.items()
        for location, position in places.items()
    }


def fact_of(telling: Telling) -> Fact:
    """The fact alone, known to the ledger not to be there, so that it is booked whatever its time."""
    fact = telling.fact
    fields = {name: getattr(fact, name) for name in fact.__struct_fields__}
    times = {"time_ms": NOW_MS + telling.time_ms, "stated_ms": NOW_MS, "ledger_checked": True}
    return Fact(**(fields | times))


facts = st.lists(st.integers(0, 999), min_size=1, max_size=8, unique=True).flatmap(
    lambda ids: st.tuples(*(tellings(str(id)) for id in ids))
)


@given(settings=houses(), told=facts, data=st.data())
def test_any_order_of_the_same_facts_leaves_the_same_units(
    settings: HouseSettings, told: tuple[Telling, ...], data: st.DataObject
) -> None:
    in_order = [fact_of(telling) for telling in told]
    shuffled = data.draw(st.permutations(in_order))
    first, second = Model(house_of(settings)), Model(house_of(settings))

    for place, (fact, other) in enumerate(zip(in_order, shuffled, strict=True)):
        first.apply(fact, NOW_MS + place)
        second.apply(other, NOW_MS + place)

    assert balances(first) == balances(second)


@given(settings=houses(), told=facts)
def test_what_is_on_the_shelf_is_the_plain_sum_of_the_facts(settings: HouseSettings, told: tuple[Telling, ...]) -> None:
    model = Model(house_of(settings))
    expected: dict[tuple[str, str], int] = {}

    for fact in map(fact_of, told):
        model.apply(fact, NOW_MS)
        sign = {"sale": -1, "ring_fence": 0}.get(fact.verb, 1)
        for line in fact.lines if fact.verb != "expected" else ():
            key = (line.sku, line.location)
            expected[key] = expected.get(key, 0) + sign * line.quantity

    assert balances(model) == expected
