"""Serial numbers at their limits: the kernel on a real Redis does what the model says there too."""

from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.command import Counting, Fact, Line
from hub.domain.serials import field_of
from hub.stock import keys
from hub.stock.outcome import Applied, Broken, Refused
from tests.model.pair import Pair
from tests.model.test_bad_commands import HOUSE
from tests.model.test_supply import told

NOW_MS = 1_795_000_000_000


@pytest.fixture
async def pair(redis_client: Redis) -> Pair:
    pair = Pair(redis_client, HOUSE)
    await pair.open()
    return pair


def fact(verb: Any, id: str, *lines: Line, at_ms: int = NOW_MS) -> Fact:
    return Fact(verb, verb, "till", id, "hash", at_ms, at_ms, True, "{}", "store", 0, lines)


def bag(*serials: str, at: str = "LON", units: int = 0, bucket: str = "free", time_ms: int | None = None) -> Line:
    return Line("BAG", at, units or max(1, len(serials)), bucket, serials=serials, time_ms=time_ms)


async def test_commands_of_one_call_see_where_the_ones_before_left_a_piece(pair: Pair) -> None:
    facts = [
        fact("receipt", "1", bag("S1", "S2", units=3)),
        fact("sale", "2", bag("S1", at="PAR"), at_ms=NOW_MS + 1),
        fact("return", "3", bag("S1", units=2, bucket="damaged"), at_ms=NOW_MS + 2),
        fact("sale", "4", bag("S2"), bag("S1"), at_ms=NOW_MS + 3),
        fact("return", "5", bag("S2", bucket="damaged"), bag(units=2), at_ms=NOW_MS + 1),
    ]

    await told(pair, *facts)

    suspicions = [
        [(a.location, a.quantity) for a in entry.alerts if a.type == "counterfeit_suspect"]
        for entry in pair.model.journal[1:]
    ]
    assert suspicions == [[], [("PAR", 1)], [("LON", 1)], [], []]


async def test_a_line_with_a_time_of_its_own_is_judged_by_it(pair: Pair) -> None:
    await told(pair, fact("sale", "1", bag("S1")))

    late = fact("receipt", "2", bag("S1", at="PAR", time_ms=NOW_MS - 1), bag("S2", time_ms=NOW_MS - 2))
    await told(pair, late, fact("receipt", "3", bag("S2", at="PAR", time_ms=NOW_MS - 2)))

    assert [len(entry.alerts) for entry in pair.model.journal[2:]] == [0, 1]
    assert [move.time_ms for move in pair.model.journal[2].movements] == [NOW_MS - 1, NOW_MS - 2]


async def test_all_pieces_of_a_command_are_looked_up_at_once(pair: Pair) -> None:
    lines = [Line(f"SKU-{n}", "LON", 10, serials=tuple(f"S{k}" for k in range(10))) for n in range(100)]
    await told(pair, fact("receipt", "1", *lines))
    plain = [Line(each.sku, "LON", 10) for each in lines]
    calls = [await look_ups(pair, fact("sale", f"sale-{n}", *named)) for n, named in enumerate((plain, lines))]

    assert calls[1] == calls[0] + 1


async def look_ups(pair: Pair, sale: Fact) -> int:
    """How often the kernel asks a hash while it books a sale."""
    await pair.client.config_resetstat()
    outcomes = await pair.kernel.call([sale], pair.house)
    statistics: Any = await pair.client.info("commandstats")
    await pair.expect([sale], outcomes)
    assert "cmdstat_hget" not in statistics
    return int(statistics["cmdstat_hmget"]["calls"])


async def refused(pair: Pair, line: Line, *more: Line) -> str:
    """Tell a bad command between two good ones, see that only they were booked, and say why."""
    good = [fact("receipt", "1", bag("GOOD")), fact("receipt", "2", bag("OTHER"))]
    outcomes = await pair.kernel.call([good[0], fact("receipt", "bad", line, *more), good[1]], pair.house)
    await pair.expect(good, [outcomes[0], outcomes[2]])
    assert isinstance(outcomes[1], Refused)
    return outcomes[1].why


async def test_a_piece_that_stands_twice_is_refused(pair: Pair) -> None:
    assert "S1 stands twice" in await refused(pair, bag("S1", "S2"), bag("S3", "S1", at="PAR"))
    assert "S1 stands twice" in await refused(pair, bag("S1", "S1"))


async def test_a_piece_of_another_sku_does_not_stand_twice(pair: Pair) -> None:
    await told(pair, fact("receipt", "1", bag("S1"), Line("WATCH", "LON", 1, serials=("S1",))))


async def test_more_pieces_than_an_event_may_name_are_refused(pair: Pair) -> None:
    names = [f"S{n}" for n in range(1_001)]
    assert "1000 serials" in await refused(pair, bag(*names[:600]), bag(*names[600:], at="PAR"))

    await told(pair, fact("receipt", "most", bag(*names[:1_000])))


@pytest.mark.parametrize("stored", [b"", b"\xc1", b"\x01", b"\x90", b"\x92\xa5shelf\xa3LON", b"\xa3abc"], ids=repr)
async def test_a_piece_that_cannot_be_read_spoils_only_its_own_command(pair: Pair, stored: bytes) -> None:
    await told(pair, fact("receipt", "1", bag("GOOD")))
    await pair.client.hset(keys.SERIALS, field_of("BAG", "BAD"), stored)
    good = fact("sale", "2", bag("GOOD"), at_ms=NOW_MS + 1)

    outcomes = await pair.kernel.call([fact("receipt", "bad", bag("BAD")), good], pair.house)

    assert [type(outcome) for outcome in outcomes] == [Broken, Applied]
    await pair.client.hdel(keys.SERIALS, field_of("BAG", "BAD"))
    await pair.expect([good], outcomes[1:])


async def test_a_table_that_is_none_spoils_only_who_names_pieces(pair: Pair) -> None:
    await pair.client.set(keys.SERIALS, "something else")

    outcomes = await pair.kernel.call([fact("receipt", "1", bag("S1")), fact("receipt", "2", bag())], pair.house)

    assert [type(outcome) for outcome in outcomes] == [Broken, Applied]
    await pair.client.delete(keys.SERIALS)
    await pair.expect([fact("receipt", "2", bag())], outcomes[1:])


async def test_a_piece_takes_little_memory(pair: Pair) -> None:
    """docs/model.md says how much, for a SKU and a serial of 12 characters each."""
    for n in range(20):
        names = tuple(f"SN-{n:03}-{k:05}" for k in range(1_000))
        line = Line(f"WATCH-OR-{n:03}", "LON", 1_000, serials=names)
        [outcome] = await pair.kernel.call([fact("receipt", f"{n}", line)], pair.house)
        assert isinstance(outcome, Applied)

    used = await pair.client.memory_usage(keys.SERIALS, samples=0)

    assert await pair.client.hlen(keys.SERIALS) == 20_000
    assert used / 20_000 <= 130


async def test_a_count_tells_as_of_its_own_time_what_should_lie_elsewhere(pair: Pair) -> None:
    await told(
        pair, fact("receipt", "1", bag("S1", at="PAR")), fact("receipt", "2", bag("S2", at="PAR"), at_ms=NOW_MS + 2)
    )

    counted = fact("count", "3", bag("S1", "S2", "S3"), at_ms=NOW_MS + 3)
    await told(pair, msgspec.structs.replace(counted, detail=Counting(NOW_MS + 1, "physical")))

    [alert] = [each for each in pair.model.journal[-1].alerts if each.type == "counterfeit_suspect"]
    assert (alert.location, alert.quantity) == ("LON", 1)
    assert await pair.client.hlen(keys.SERIALS) == 2
