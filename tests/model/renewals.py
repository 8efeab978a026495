"""One owner who reserves again and again, each time in the place of the last, while other things happen."""

import msgspec
from hypothesis import strategies as st

from hub.domain.catalogue import HouseSettings
from hub.domain.command import Asking, Fact, Line
from tests.model.holdings import HOUR_MS, awaited, few_places, nowhere, stocked
from tests.model.worlds import BUSY_PLACES, PLACES, Reconfigure, Repeat, Step, Telling

POOL = "online"


@st.composite
def renewals(draw: st.DrawFn) -> tuple[HouseSettings, list[Step]]:
    """A story of what is in stock or awaited, in which ada comes back after every step."""
    house, steps = draw(st.one_of(awaited(), awaited(), stocked()))
    # Where they see everything, what they hold back may change beside a hold.
    changed = msgspec.structs.replace(
        house, pools=tuple(msgspec.structs.replace(each, buffer=draw(st.integers(0, 2))) for each in house.pools)
    )
    told: list[Step] = []
    for number, step in enumerate(steps):
        told += [
            _mostly_one(draw, step),
            [*draw(st.lists(_adjustments(str(number)), max_size=1)), draw(_again(str(number)))],
        ]
        if not draw(st.integers(0, 5)):
            told.append(Reconfigure(draw(st.sampled_from((house, changed)))))
    return house, told


def _mostly_one(draw: st.DrawFn, step: Step) -> Step:
    """Little of what happens between two visits, or nothing of the first would be left."""
    if isinstance(step, Reconfigure):
        return [Repeat(0)]
    return step[: draw(st.sampled_from((1, 1, 2, 6)))] if isinstance(step, list) else step


@st.composite
def _adjustments(draw: st.DrawFn, id: str) -> Telling:
    """A few units come otherwise than by a purchase order, or are not there."""
    line = Line(
        draw(st.sampled_from(("BAG", "BAG", "WATCH"))),
        draw(st.sampled_from(PLACES)),
        draw(st.sampled_from((1, 1, 2, -1, -2))),
    )
    fact = Fact("adjustment", "adjustment", "till", f"more-{id}", "content-1", 0, 0, True, "{}", lines=(line,))
    return Telling(fact)


@st.composite
def _again(draw: st.DrawFn, id: str) -> Telling:
    units = st.sampled_from((1, 2, 2, 2, 3, 3))
    places = st.sampled_from(("", "", "", "", *BUSY_PLACES))
    skus = draw(st.sampled_from((("BAG",), ("BAG",), ("BAG",), ("BAG", "WATCH"), ("BAG", "BAG"))))
    asking = Asking(
        f"reservation:again-{id}",
        tuple((sku, draw(places), draw(units)) for sku in skus),
        ttl_ms=HOUR_MS,
        owner="ada",
        kind="cart",
        split=draw(st.integers(0, 1)),
        only=draw(st.one_of(nowhere, nowhere, nowhere, few_places)),
        prefer=draw(st.one_of(nowhere, nowhere, few_places)),
        is_named=1,
    )
    return Telling(
        Fact(
            "reserve", "reservation.reserve", "shop", f"again-{id}", "content-1", 0, 0, True, "{}", POOL, detail=asking
        )
    )
