"""A till that falls silent: told once, rules hold back stock meanwhile, and let it go when it is heard again."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from redis.asyncio import Redis

from hub.domain.catalogue import RuleSettings, SourceSettings
from hub.domain.command import Line
from hub.domain.entry import FIELD, Entry, decode_entry
from hub.domain.remembering import DAY_MS
from hub.domain.silence import Rhythm
from hub.embedded.servers import EmbeddedServers
from hub.ledger.connection import Link
from hub.ledger.sources import SourceMemory
from hub.stock import keys
from hub.tasks import end
from tests.stock.opened import OpenStores, opened
from tests.stock.partition import HOUSE

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

QUIET_TILL = msgspec.structs.replace(
    HOUSE,
    sources=(SourceSettings("till", silent_seconds=1),),
    rules=(RuleSettings(pool="online", safety=2, stale_source="till"),),
)


async def available(hub: OpenStores) -> int | None:
    [item] = await hub.reads.read("online", ["BAG"])
    return item.available


async def alerts(client: Redis) -> list[Entry]:
    found = await client.xrange(keys.JOURNAL)
    entries = [decode_entry(fields[FIELD]) for _, fields in found]
    return [entry for entry in entries if entry.kind == "alert"]


async def test_stock_is_held_back_while_a_till_is_silent_and_it_is_told_once(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn, QUIET_TILL) as hub:
        watch = hub.stores.sources

        async def is_stale() -> bool:
            await watch.look()
            return watch.stale == {"till"}

        await hub.book(hub.fact("in", Line("BAG", "LON", 5)))
        await hub.ledger_has_all()
        assert await available(hub) == 5

        await until(is_stale)

        assert await available(hub) == 3
        await watch.look()
        [told] = await alerts(redis_client)
        assert (told.type, told.about, told.source) == ("stale_source", "till", "~hub")
        assert [(alert.type, alert.sku, alert.quantity >= 1) for alert in told.alerts] == [("stale_source", -1, True)]

        await hub.book(hub.fact("back", Line("BAG", "LON", 1)))
        await hub.ledger_has_all()
        await watch.look()
        assert await available(hub) == 6


async def test_what_is_usual_outlives_a_restart(
    postgres_dsn: str, redis_client: Redis, servers: EmbeddedServers
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn):
        memory = SourceMemory(Link(postgres_dsn, "test"))
        rhythm = Rhythm(DAY_MS, 3 * DAY_MS, 40, {2: 50_000, 3: 60_000})

        await memory.keep({"till": rhythm, "web": Rhythm(DAY_MS, DAY_MS)})
        await memory.keep({"till": msgspec.structs.replace(rhythm, last_heard_ms=2 * DAY_MS, events=1)})

        assert await memory.load() == {"till": rhythm, "web": Rhythm(DAY_MS, DAY_MS)}
        await memory.aclose()


async def test_a_source_is_not_called_silent_while_the_ledger_cannot_tell(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    async with opened(servers.redis_url, postgres_dsn, QUIET_TILL) as hub:
        await hub.book(hub.fact("in", Line("BAG", "LON", 5)))
        await hub.ledger_has_all()
        async with hub.ledger_away():
            await hub.book(hub.fact("unheard", Line("BAG", "LON", 1)))
            began = hub.stores.writer.booked_until_ms

            async def seconds_passed() -> bool:
                clock = await redis_client.time()
                return int(clock[0]) * 1000 > began + 2_500

            await until(seconds_passed)
            await hub.stores.sources.look()

            assert hub.stores.sources.stale == set()


async def test_who_takes_the_watch_over_goes_on_where_the_other_was(
    redis_client: Redis, postgres_dsn: str, servers: EmbeddedServers, until: Until
) -> None:
    assert servers.redis_url is not None
    patient = msgspec.structs.replace(QUIET_TILL, sources=(SourceSettings("till", silent_seconds=600),))
    async with opened(servers.redis_url, postgres_dsn, patient) as hub:
        watch = hub.stores.sources
        await hub.book(hub.fact("in", Line("BAG", "LON", 5), source="erp"))
        await hub.ledger_has_all()
        # As another process left it: silent for an hour, and the rules know.
        memory, now_ms = SourceMemory(Link(postgres_dsn, "test")), hub.kernel.booked_at_ms
        await memory.keep({"till": Rhythm(now_ms - 7_200_000, now_ms - 3_600_000)})
        await memory.aclose()
        await hub.stores.current.set_stale_sources({"till"})
        assert await available(hub) == 3

        running = asyncio.create_task(watch.run())

        async def is_told() -> bool:
            return bool(await alerts(redis_client))

        await until(is_told)
        assert watch.stale == {"till"}
        await hub.book(hub.fact("back", Line("BAG", "LON", 1)))
        await hub.ledger_has_all()

        async def is_heard() -> bool:
            return await available(hub) == 6

        await until(is_heard)
        await end([running])
        # Who gave it up knows nothing of what it heard: meanwhile another hears.
        assert watch.stale == set()
        assert not watch._sources.rhythms
