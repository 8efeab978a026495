"""What seldom happens to units that travel happens in the kernel as in the model."""

import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings, PoolSettings
from hub.domain.command import Counting, Line, Ordering, Selling, Transfer
from hub.domain.holding.hold import KEPT
from tests.model.holdings import holds_of
from tests.model.pair import Pair
from tests.model.travels import TO, place, telling
from tests.model.worlds import LOCATIONS, PLACES, POOLS, CloseCounts, Telling

HOUSE = HouseSettings(locations=LOCATIONS, pools=tuple(PoolSettings(id, locations=PLACES) for id in POOLS))
EARLIER_MS = -60_000
ON_THE_WAY = (TO, "transfer:T1")


def dispatch(id: str, units: int, order: str = "o1", serials: tuple[str, ...] = (), time_ms: int = 0) -> Telling:
    detail = Transfer("T1", TO, 0, own_lines=1, order=order)
    return telling("dispatch", id, time_ms, lines=(Line("BAG", "LON", units, serials=serials),), detail=detail)


def receive(id: str, units: int, final: int = 0, serials: tuple[str, ...] = (), time_ms: int = 0) -> Telling:
    told = ("BAG", units, serials) if serials else ("BAG", units)
    return telling("receive", id, time_ms, detail=Transfer("T1", "", 0, final, early=(told,) if units else ()))


def count(location: str, units: int) -> Telling:
    return telling("count", f"count-{location}", lines=(Line("BAG", location, units),), detail=Counting(0, "physical"))


@pytest.fixture
async def pair(redis_client: Redis) -> Pair:
    """Four bags in London and an order of three."""
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    await pair.tell([telling("receipt", "stock", lines=(Line("BAG", "LON", 4),))])
    await pair.tell([place("o1", ("BAG", "", 3))])
    return pair


async def kept(pair: Pair, *told: Telling) -> dict[tuple[str, str], int]:
    """Tell one thing after the other; where units of the first order are kept then, and by what they come."""
    for each in told:
        await pair.tell([each])
    hold = holds_of(pair.records).get("order:o1")
    parts = [part for part in hold.parts if part.state in KEPT] if hold is not None else []
    return {(each.location, each.coming_by): each.quantity for part in parts for each in part.allocations}


async def test_pieces_that_a_person_looks_at_are_kept_for_nobody(pair: Pair) -> None:
    sold = telling("sale", "sold", pool="vip", lines=(Line("BAG", "LON", 1, serials=("s-1",)),))
    out = dispatch("out", 2, serials=("s-2", "s-3"))

    assert await kept(pair, sold, out, receive("in", 2, serials=("s-1", "s-2"))) == {
        ("LON", ""): 1,
        (TO, ""): 1,
        ("", ""): 1,
    }


@pytest.mark.parametrize("location", [TO, "LON"])
@pytest.mark.parametrize("by", ["till", "fulfilment"])
async def test_what_leaves_where_the_transfer_goes_is_what_was_on_the_way(pair: Pair, by: str, location: str) -> None:
    if by == "till":
        gone = telling("sale", "gone", pool="store", lines=(Line("BAG", location, 1),), detail=Selling("", "o1"))
    else:
        gone = telling("order_fulfil", "gone", detail=Ordering("o1", (("BAG", "", 1),), location))

    there = {("LON", ""): 1, ON_THE_WAY: 1} if location == TO else {ON_THE_WAY: 2}
    assert await kept(pair, dispatch("out", 2), gone) == there
    arrived = {("LON", ""): 1, (TO, ""): 1} if location == TO else {(TO, ""): 2}
    assert await kept(pair, receive("in", 2)) == arrived


async def test_more_that_leaves_there_takes_what_is_kept_elsewhere(pair: Pair) -> None:
    gone = telling("order_fulfil", "gone", detail=Ordering("o1", (("BAG", "", 3),), TO))

    assert await kept(pair, dispatch("out", 2), gone) == {}


async def test_what_a_count_has_seen_leave_travels(pair: Pair) -> None:
    assert await kept(pair, count("LON", 1), dispatch("out", 2, time_ms=EARLIER_MS)) == {("LON", ""): 1, ON_THE_WAY: 2}

    await pair.close_counts(CloseCounts(1, newest_first=True))

    assert await kept(pair) == {("LON", ""): 1, ON_THE_WAY: 2}


async def test_what_a_count_has_seen_arrive_is_found_there_or_elsewhere(pair: Pair) -> None:
    await kept(pair, dispatch("out", 3), telling("receipt", "more", lines=(Line("BAG", TO, 1),)), count(TO, 1))

    assert await kept(pair, receive("in", 3, time_ms=EARLIER_MS)) == {(TO, ""): 1, ("LON", ""): 1, ("", ""): 1}


async def test_a_fulfilment_that_says_nowhere_leaves_with_each_part_that_arrives(pair: Pair) -> None:
    gone = telling("order_fulfil", "gone", detail=Ordering("o1", (("BAG", "", 3),)))

    assert await kept(pair, dispatch("out", 3), gone) == {ON_THE_WAY: 3}
    assert await kept(pair, receive("in", 2)) == {ON_THE_WAY: 1}
    assert await kept(pair, receive("last", 0, final=1)) == {}
    assert [each.free for each in pair.model.positions["BAG"].values()] == [0, 0]


async def test_of_several_orders_the_newest_loses_what_a_person_must_look_at(pair: Pair) -> None:
    await pair.tell([place("o2", ("BAG", "", 1))])
    sold = telling("sale", "sold", pool="vip", lines=(Line("BAG", "PAR", 1, serials=("s-1",)),))
    await kept(pair, dispatch("out-2", 1, "o2", serials=("s-4",)), dispatch("out", 1, serials=("s-2",)))

    assert await kept(pair, sold, receive("in", 1, serials=("s-1",))) == {("LON", ""): 2, ON_THE_WAY: 1}
    assert [
        name
        for name, hold in holds_of(pair.records).items()
        if any(not p.location for q in hold.parts for p in q.allocations)
    ] == ["order:o2"]
