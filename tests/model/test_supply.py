"""Supply at its limits: the kernel on a real Redis does what the model says there too."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from hub.domain.command import Fact, Line, Supply
from hub.domain.expected import KEPT_MAX, OPEN_MAX, TABLE, ExpectedLine, lines_in
from hub.domain.model import Model
from hub.stock import keys
from hub.stock.outcome import Applied, Broken, Parked, Refused, Stale
from tests.model.pair import Pair
from tests.model.supply import ORDERS
from tests.model.test_bad_commands import HOUSE
from tests.model.worlds import PLACES, SKUS, house_of

NOW_MS = 1_795_000_000_000


def expected(id: str, order: str, *lines: Line, at_ms: int = NOW_MS, eta_ms: int = NOW_MS) -> Fact:
    told = lines or (Line("BAG", "LON", 1),)
    return fact("expected", id, Supply(order, eta_ms), told, at_ms)


def receipt(id: str, order: str, *lines: Line) -> Fact:
    return fact("receipt", id, Supply(order), lines or (Line("BAG", "LON", 1),))


def fact(verb: Any, id: str, detail: Supply, lines: tuple[Line, ...], at_ms: int = NOW_MS) -> Fact:
    return Fact(verb, verb, "erp", id, "hash", at_ms, at_ms, True, "{}", lines=lines, detail=detail)


async def told(pair: Pair, *facts: Fact) -> list[type]:
    """Tell both in one call; what became of each."""
    outcomes = await pair.kernel.call(facts, pair.house)
    await pair.expect([*facts], outcomes)
    return [type(outcome) for outcome in outcomes]


async def test_one_open_line_too_many_is_parked_and_receipts_never(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    await told(pair, *(expected(f"{n}", f"PO-{n}") for n in range(OPEN_MAX)))

    parked = await told(pair, *(expected("one", "MORE", Line("WATCH", "LON", 1), Line("BAG", "LON", 1)),) * 2)
    parked += await told(pair, expected("one", "MORE", Line("WATCH", "LON", 1), Line("BAG", "LON", 1)))
    others = await told(pair, receipt("unknown", "NEVER"), expected("changed", "PO-1"), receipt("a", "PO-2"))

    assert parked == [Parked] * 3
    assert [entry.kind for entry in pair.model.journal].count("parked") == 1
    assert others == [Applied] * 3
    assert await told(pair, expected("one", "MORE", Line("WATCH", "LON", 1), Line("BAG", "LON", 1))) == [Applied]


async def test_of_what_arrived_the_kernel_forgets_the_same(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    for n in range(KEPT_MAX + 2):
        await told(pair, receipt(f"early-{n}", f"EARLY-{n}"), expected(f"{n}", f"PO-{n}"), receipt(f"r-{n}", f"PO-{n}"))

    await told(pair, expected("late", "PO-3", at_ms=NOW_MS - 1), expected("forgotten", "PO-0", at_ms=NOW_MS - 1))

    assert len(lines_in(pair.model.books.records[TABLE]["BAG"])) == 2 * KEPT_MAX + 1


async def test_a_sale_never_reads_what_is_expected(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    await told(pair, expected("1", "PO-1"))
    stored = await redis_client.hget(keys.sku("BAG"), "e")
    await redis_client.hset(keys.sku("BAG"), "e", b"\xc1")
    sale = Fact("sale", "sale", "till", "s", "hash", NOW_MS, NOW_MS, True, "{}", "store", 0, (Line("BAG", "LON", 1),))

    commands = [sale, receipt("2", "PO-1"), expected("3", "PO-1"), expected("4", "PO-1", Line("WATCH", "LON", 1))]
    outcomes = await pair.kernel.call(commands, pair.house)

    assert [type(outcome) for outcome in outcomes] == [Applied, Broken, Broken, Applied]
    assert await redis_client.hget(keys.sku("BAG"), "e") == b"\xc1"
    await redis_client.hset(keys.sku("BAG"), "e", stored)
    await pair.expect([sale, commands[3]], [outcomes[0], outcomes[3]])


async def test_what_is_expected_waits_for_views_of_older_rules(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    await told(pair, receipt("1", "PO-1"))
    await pair.reconfigure(msgspec.structs.replace(HOUSE, pools=HOUSE.pools[:1]))

    outcomes = await pair.kernel.call([expected("2", "PO-1")], pair.house)

    assert outcomes == [Stale("BAG")]


skus, places = st.sampled_from(SKUS[:2]), st.sampled_from(PLACES[:2])


@st.composite
def deliveries(draw: st.DrawFn) -> list[Fact]:
    """Facts about few purchase orders; no two that say what is ordered happened at one time."""
    facts: list[Fact] = []
    for number in range(draw(st.integers(1, 8))):
        order, place = draw(st.sampled_from(ORDERS)), draw(places)
        lines = tuple(Line(draw(skus), place, draw(st.integers(1, 4))) for _ in range(draw(st.integers(1, 2))))
        if draw(st.booleans()):
            facts.append(receipt(f"{number}", order, *lines))
        else:
            nothing = draw(st.integers(0, 3)) == 3
            lines = tuple(msgspec.structs.replace(line, quantity=0) for line in lines) if nothing else lines
            facts.append(expected(f"{number}", order, *lines, at_ms=NOW_MS - number, eta_ms=NOW_MS + number))
    return facts


@given(facts=deliveries(), data=st.data())
def test_any_order_of_the_same_facts_leaves_the_same_supply(facts: list[Fact], data: st.DataObject) -> None:
    first, second = (supply_after(order) for order in (facts, data.draw(st.permutations(facts))))

    assert first == second


def supply_after(facts: list[Fact]) -> dict[str, set[ExpectedLine]]:
    model = Model(house_of(HOUSE))
    for each in facts:
        for _ in range(2):  # every source repeats itself
            model.apply(each, NOW_MS)
    return {sku: set(lines_in(stored)) for sku, stored in model.books.records.get(TABLE, {}).items()}


@pytest.mark.parametrize("verb", ["expected", "receipt"])
@pytest.mark.parametrize(
    "detail",
    [
        [], {}, ["PO"], ["", 0], [7, 0], [None, 0], [{}, 0], ["x" * 1025, 0], "PO", 7, True, [["PO"], 0],
        ["PO", None], ["PO", "0"], ["PO", 1.5], ["PO", float("nan")], ["PO", float("inf")], ["PO", 10**17],
        ["PO", True], ["PO", []], {"a": 1},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_purchase_order_that_is_none_is_refused(redis_client: Redis, verb: Any, detail: Any) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    good = [receipt("1", "PO-1"), expected("2", "PO-1")]

    outcomes = await pair.kernel.call(
        [good[0], fact(verb, "bad", detail, (Line("BAG", "LON", 1),)), good[1]], pair.house
    )

    assert isinstance(outcomes[1], Refused)
    await pair.expect([*good], [outcomes[0], outcomes[2]])


@pytest.mark.parametrize("quantity", [-1, 1.5, float("nan"), 1_000_001, None, "1", True])
async def test_expected_units_that_are_none_are_refused(redis_client: Redis, quantity: Any) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()

    lines = (Line("WATCH", "LON", 1), Line("BAG", "LON", quantity))
    [outcome] = await pair.kernel.call([expected("1", "PO-1", *lines)], pair.house)

    assert isinstance(outcome, Refused)
    await pair.check()


async def test_what_is_expected_without_saying_of_which_order_is_refused(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()

    [outcome] = await pair.kernel.call([msgspec.structs.replace(expected("1", "PO"), detail=None)], pair.house)

    assert isinstance(outcome, Refused)


async def test_two_hundred_lines_of_the_largest_quantity_are_counted_exactly(redis_client: Redis) -> None:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    lines = (Line("BAG", "LON", 1_000_000),) * 100

    await told(pair, expected("1", "PO-1", *lines), receipt("2", "PO-1", *lines), receipt("3", "PO-1", *lines))

    [line] = lines_in(pair.model.books.records[TABLE]["BAG"])
    assert (line.quantity, line.received) == (100_000_000, 200_000_000)
