"""Counts that stay open: for a ledger that is away, or because the process that opened them was killed."""

from collections.abc import Awaitable, Callable

import asyncpg
from redis.asyncio import Redis

from hub.domain.command import COMPLETE, Counting, Fact, Line
from hub.embedded.servers import EmbeddedServers
from hub.stock import keys
from hub.stock.outcome import Applied
from tests.stock.opened import OpenStores, opened

HOUR_MS = 3_600_000

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def count(hub: OpenStores, id: str, units: int, *, ago_ms: int = 0, scope: int = 0, sku: str = "BAG") -> Fact:
    at_ms = hub.kernel.booked_at_ms - ago_ms
    detail = Counting(at_ms, "physical", scope)
    return hub.fact(id, Line(sku, "LON", units), verb="count", type="count", detail=detail)


async def on_hand(hub: OpenStores, sku: str = "BAG") -> int:
    return sum(found.on_hand for found in await hub.reads.positions_of(sku))


async def no_count_is_open(client: Redis) -> bool:
    return not await client.hlen(keys.COUNTS)


async def test_counts_and_sales_go_on_while_the_ledger_is_away_and_are_right_when_it_is_back(
    hub: OpenStores, redis_client: Redis, until: Until
) -> None:
    await hub.book(hub.fact("in", Line("BAG", "LON", 5), time_ms=hub.kernel.booked_at_ms - 9 * HOUR_MS))
    async with hub.ledger_away():
        sale = {"verb": "sale", "type": "sale", "pool": "online"}
        now_ms = hub.kernel.booked_at_ms
        for number, (ago_ms, units) in enumerate([(6 * HOUR_MS, 1), (2 * HOUR_MS, 1)]):
            lines = (Line("BAG", "LON", units),)
            await hub.book(hub.fact(f"before-{number}", *lines, time_ms=now_ms - ago_ms, **sale))
        await hub.book(count(hub, "first", 2, ago_ms=5 * HOUR_MS), count(hub, "second", 4, ago_ms=3 * HOUR_MS))
        await hub.book(hub.fact("seen", Line("BAG", "LON", 1), time_ms=now_ms - 4 * HOUR_MS, **sale))
        await hub.book(hub.fact("unseen", Line("BAG", "LON", 1), time_ms=now_ms - HOUR_MS, **sale))
        assert not await no_count_is_open(redis_client)

    await until(lambda: no_count_is_open(redis_client))

    # Four counted three hours ago, and two sold since.
    assert await on_hand(hub) == 2


async def books_told(hub: OpenStores) -> list[tuple[int, int]]:
    """What each closed count found and what the book said, oldest first."""
    await hub.ledger_has_all()
    connection = await asyncpg.connect(hub.dsn)
    rows = await connection.fetch("SELECT counted, book FROM hub.count_line ORDER BY counted_at")
    await connection.close()
    return [tuple(row) for row in rows]


async def test_a_count_overtaken_before_it_was_closed_hides_no_sale_from_the_next_ones_book(
    hub: OpenStores, redis_client: Redis, until: Until
) -> None:
    await hub.book(hub.fact("in", Line("BAG", "LON", 5), time_ms=hub.kernel.booked_at_ms - 9 * HOUR_MS))
    sold_ms = hub.kernel.booked_at_ms - 6 * HOUR_MS
    async with hub.ledger_away():
        await hub.book(count(hub, "overtaken", 4, ago_ms=5 * HOUR_MS))
        await hub.book(hub.fact("late", verb="sale", type="sale", pool="online", time_ms=sold_ms))
        await hub.book(count(hub, "newest", 4, ago_ms=3 * HOUR_MS))

    await until(lambda: no_count_is_open(redis_client))

    assert await books_told(hub) == [(4, 5), (4, 4)]
    assert await on_hand(hub) == 4


async def test_a_count_older_than_the_newest_finds_in_its_book_what_came_after_that(
    hub: OpenStores, redis_client: Redis, until: Until
) -> None:
    now_ms = hub.kernel.booked_at_ms
    await hub.book(hub.fact("in", Line("BAG", "LON", 5), time_ms=now_ms - 9 * HOUR_MS))
    await hub.book(count(hub, "first", 5, ago_ms=8 * HOUR_MS))
    await until(lambda: no_count_is_open(redis_client))
    await hub.book(count(hub, "newest", 2, ago_ms=2 * HOUR_MS))
    await until(lambda: no_count_is_open(redis_client))
    # Seen by the first, by the older, and by the newest only.
    for hours in (8.5, 6, 3):
        sale = {"verb": "sale", "type": "sale", "pool": "online", "time_ms": now_ms - int(hours * HOUR_MS)}
        await hub.book(hub.fact(f"late-{hours}", **sale))

    await hub.book(count(hub, "older", 4, ago_ms=5 * HOUR_MS))
    await until(lambda: no_count_is_open(redis_client))

    assert await books_told(hub) == [(5, 5), (4, 4), (2, 5)]
    assert await on_hand(hub) == 2


async def test_a_count_opened_by_a_killed_process_is_closed_by_the_next(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as first:
        await first.book(first.fact("in", Line("BAG", "LON", 5)))
        async with first.ledger_away():
            [outcome] = await first.book(count(first, "counted", 3))
            assert isinstance(outcome, Applied)

    async with opened(servers.redis_url, postgres_dsn) as second:
        await until(lambda: no_count_is_open(redis_client))
        assert await on_hand(second) == 3


async def test_the_rest_of_a_complete_count_is_counted_once_its_process_is_back(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn) as first:
        lines = [Line(f"SKU-{number}", "LON", 1) for number in range(250)]
        await first.book(*(first.fact(f"in-{line.sku}", line) for line in lines))
        async with first.ledger_away():
            await first.book(count(first, "all", 1, scope=COMPLETE, sku="SKU-7"))

    async with opened(servers.redis_url, postgres_dsn) as second:
        await until(lambda: no_count_is_open(redis_client))
        left = {found.sku: found.on_hand for found in await second.reads.positions_at("LON")}

    assert len(left) == 250
    assert {sku for sku, units in left.items() if units} == {"SKU-7"}
