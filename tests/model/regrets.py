"""Voids of sales that were told, are parked, or come later."""

from collections import Counter
from collections.abc import Callable, Collection

import msgspec
from hypothesis import strategies as st

from hub.domain.command import Fact, Voiding
from hub.domain.model import Model
from hub.domain.voids import given_back_in, record_field, with_sale
from tests.model.supply import SERIALS
from tests.model.worlds import BUSY_SKUS, SOURCES, Telling, offsets, reaches, yes_or_no

# The serials that sales name too; a void may name none, or pieces that it is not about.
_pieces = st.lists(st.sampled_from(SERIALS), min_size=1, max_size=2, unique=True).map(tuple)
_units = st.tuples(st.sampled_from(BUSY_SKUS), st.integers(1, 5))
_pieces_of = st.tuples(st.sampled_from(BUSY_SKUS), st.integers(2, 5), _pieces)
asked = st.lists(st.one_of(_units, _pieces_of), max_size=3)

# A void of the sale that was told so many sales ago has this before the number.
BACK = "back-"


@st.composite
def regrets(draw: st.DrawFn, id: str) -> Telling:
    """A void, mostly of a sale that was told, else of an event that may come later and be a sale."""
    time_ms = draw(offsets)
    number, _, place = id.partition("-")
    sale = f"{BACK}{draw(st.integers(0, 4))}"
    if place and draw(st.integers(0, 3)) == 3:
        sale = f"{int(number) + draw(st.integers(0, 2))}-{draw(st.integers(0, 2))}"
    fact = Fact(
        verb="void",
        type="sale.voided",
        source=draw(st.sampled_from(SOURCES)),
        id=id,
        hash="content-1",
        time_ms=0,
        stated_ms=0,
        ledger_checked=True,
        payload=f'{{"id":"{id}"}}',
        detail=Voiding(sale, 0, tuple(draw(asked)) if draw(yes_or_no) else (), reach=draw(reaches)),
    )
    return Telling(fact, time_ms, time_ms)


def of_told_sale(fact: Fact, told: list[Fact]) -> Fact:
    """Name the sale that a void counts back to."""
    voiding = fact.detail
    assert isinstance(voiding, Voiding)
    sales = [other for other in told if other.verb == "sale"]
    if not voiding.sale.startswith(BACK):
        return fact
    if not sales:
        return msgspec.structs.replace(fact, detail=msgspec.structs.replace(voiding, sale="nothing"))
    sale = sales[max(-len(sales), -1 - int(voiding.sale.removeprefix(BACK)))]
    return msgspec.structs.replace(fact, source=sale.source, detail=msgspec.structs.replace(voiding, sale=sale.id))


def with_told_sale(fact: Fact, model: Model) -> Fact | None:
    """Do what booking does: complete a void by its sale, if that was booked; None when it names another event."""
    voiding = fact.detail
    assert isinstance(voiding, Voiding)
    for entry in model.journal:
        if entry.kind == "fact" and (entry.source, entry.id) == (fact.source, voiding.sale):
            if entry.type != "sale":
                return None
            field = record_field(fact.source, voiding.sale)
            # The ledger knows of some voids only.
            return with_sale(fact, entry, given_back_in(model.journal[::2], field))
    return fact


# A place, a time in milliseconds, and the units that came back there then.
Back = tuple[tuple[str, str], int, int]


class Sales:
    """What was sold and given back, from what was told alone."""

    def __init__(self, house_name: Callable[[str], str] = str) -> None:
        # What a name means by now.
        self._house_name = house_name
        # By source and id of the sale: the place of each line, and what is left of it.
        self._left: dict[tuple[str, str], list[tuple[tuple[str, str], int]]] = {}
        self._waiting: dict[tuple[str, str], list[Fact]] = {}

    def sell(self, sale: Fact) -> list[Back]:
        """Note a sale; answers what of it comes back at once."""
        self._left[sale.source, sale.id] = [((line.sku, line.location), line.quantity) for line in sale.lines]
        waiting = self._waiting.pop((sale.source, sale.id), [])
        return [back for void in waiting for back in self.void(void)]

    def forget(self, field: str, these: Collection[int]) -> None:
        """Some of the voids that wait for a sale, counted from the first, do not wait any more."""
        source, _, id = field.partition(":")
        waiting = self._waiting[source, id]
        self._waiting[source, id] = [void for number, void in enumerate(waiting) if number not in these]

    def void(self, void: Fact) -> list[Back]:
        """What comes back: what was asked for and is left; everything that is left where nothing was asked for."""
        voiding = void.detail
        assert isinstance(voiding, Voiding)
        left = self._left.get((void.source, voiding.sale))
        if left is None:
            self._waiting.setdefault((void.source, voiding.sale), []).append(void)
            return []
        wanted = Counter[str]()
        for sku, number, *_ in voiding.asked:
            wanted[self._house_name(sku)] += number
        places = {place[1] for place, _ in left if not voiding.asked or place[0] in wanted}
        if voiding.reach and not places <= set(voiding.reach):
            return []
        backs: list[Back] = []
        for index, (place, number) in enumerate(left):
            units = min(number, wanted[place[0]]) if voiding.asked else number
            wanted[place[0]] -= units
            left[index] = (place, number - units)
            backs.append((place, void.time_ms, units))
        return backs
