"""One bad command is its own fault only: what stands beside it is booked, and nothing of it is."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.catalogue import HouseSettings, PoolSettings
from hub.domain.command import Fact, Line
from hub.stock import keys
from hub.stock.outcome import Applied, Broken, Outcome, Refused
from tests.model.pair import Pair
from tests.model.worlds import LOCATIONS

NOW_MS = 1_795_000_000_000
HOUSE = HouseSettings(locations=LOCATIONS, pools=(PoolSettings("store", locations=("LON",)), PoolSettings("vip")))
NOT_WHOLE_UNITS: list[Any] = [
    float("nan"), float("inf"), float("-inf"), 1.5, -5, 2**53 + 1, 1_000_001, "3", "0x10", "nan", None, True, [1], {}
]  # fmt: skip


def fact(id: str, line: Line, /, **changes: Any) -> Fact:
    plain = Fact("receipt", "receipt", "till", id, "hash", NOW_MS, NOW_MS, True, "{}", "", 0, (line,))
    return msgspec.structs.replace(plain, **changes)


BAG = Line("BAG", "LON", 1)


async def told_between_good_ones(pair: Pair, bad: Fact) -> Outcome:
    """Tell the bad fact between two good ones, and see that only they were booked."""
    await pair.open()
    good = [fact("before", BAG), fact("after", BAG)]
    outcomes = await pair.kernel.call([good[0], bad, good[1]], pair.house)
    assert isinstance(outcomes[0], Applied)
    assert isinstance(outcomes[2], Applied)
    assert outcomes[2].seq.number == outcomes[0].seq.number + 1
    await pair.expect(good, [outcomes[0], outcomes[2]])
    return outcomes[1]


@pytest.mark.parametrize("quantity", [*NOT_WHOLE_UNITS, 0])
async def test_a_quantity_that_is_no_number_of_units_is_refused(redis_client: Redis, quantity: Any) -> None:
    bad = fact("bad", Line("BAG", "LON", quantity))

    assert isinstance(await told_between_good_ones(Pair(redis_client, HOUSE), bad), Refused)


@pytest.mark.parametrize("quantity", [*NOT_WHOLE_UNITS, 0])
async def test_a_bad_second_line_undoes_the_first(redis_client: Redis, quantity: Any) -> None:
    bad = fact("bad", BAG, lines=(Line("ÉTUI", "LON", 2), Line("BAG", "LON", quantity)))

    assert isinstance(await told_between_good_ones(Pair(redis_client, HOUSE), bad), Refused)


@pytest.mark.parametrize("quantity", [0, -1_000_001, float("nan")])
async def test_an_adjustment_by_nothing_or_too_much_is_refused(redis_client: Redis, quantity: Any) -> None:
    bad = fact("bad", Line("BAG", "LON", quantity), verb="adjustment")

    assert isinstance(await told_between_good_ones(Pair(redis_client, HOUSE), bad), Refused)


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "steal"},
        {"id": ""},
        {"id": None},
        {"source": 7},
        {"hash": ""},
        {"time_ms": float("nan")},
        {"time_ms": 1.5},
        {"stated_ms": 10**17},
        {"payload": None},
        {"pool": None},
        {"standing": 2},
        {"lines": ()},
        {"lines": (BAG,) * 101},
    ],
)
async def test_a_command_that_is_not_whole_is_refused(redis_client: Redis, changes: dict[str, Any]) -> None:
    bad = fact("bad", BAG, **changes)

    assert isinstance(await told_between_good_ones(Pair(redis_client, HOUSE), bad), Refused)


@pytest.mark.parametrize("key", [keys.sku("WATCH"), keys.skus_at("PAR")])
async def test_a_key_that_holds_something_else_spoils_only_its_own_command(redis_client: Redis, key: str) -> None:
    bad = fact("bad", BAG, lines=(BAG, Line("WATCH", "PAR", 1)))
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    await redis_client.set(key, "something else")

    outcomes = await pair.kernel.call([fact("before", BAG), bad, fact("after", BAG)], pair.house)

    assert [type(outcome) for outcome in outcomes] == [Applied, Broken, Applied]
    await redis_client.delete(key)
    await pair.expect([fact("before", BAG), fact("after", BAG)], [outcomes[0], outcomes[2]])
