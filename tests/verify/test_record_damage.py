"""A hub in which somebody damaged what is remembered beside positions: each damage is named, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.domain.articles import Catalogue
from hub.embedded.servers import EmbeddedServers
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.verify.report import Report
from hub.verify.verification import Verification
from tests.databases import new_database
from tests.stock.opened import opened
from tests.verify.conftest import HOUSE
from tests.verify.damages import Damage, Place
from tests.verify.hand import Hand
from tests.verify.record_damages import RECORDS, remember


@pytest.fixture(scope="module")
async def stopped(servers: EmbeddedServers) -> AsyncIterator[tuple[Hand, str]]:
    """A hub that remembers much and was stopped; the tests of damage may not ask for `redis_client`."""
    assert servers.redis_url is not None
    assert servers.postgres_dsn is not None
    async with Redis.from_url(servers.redis_url) as client, new_database(servers.postgres_dsn) as dsn:
        await client.flushall()
        async with opened(servers.redis_url, dsn, HOUSE) as stores:
            await remember(stores)
        rows = await asyncpg.connect(dsn)
        hand = Hand(client, rows)
        await hand.save()
        yield hand, dsn
        await rows.close()


@pytest.fixture
async def hand(stopped: tuple[Hand, str]) -> AsyncIterator[Hand]:
    await stopped[0].restore()
    yield stopped[0]
    await stopped[0].restore()


@pytest.fixture
def verified(stopped: tuple[Hand, str]) -> Callable[[], Awaitable[Report]]:
    async def run() -> Report:
        hand, dsn = stopped
        sums = Sums(Link(dsn, "verify"))
        try:
            described = Described(hand.redis, Catalogue())
            return await Verification(Inspection(hand.redis), sums, described, patience_seconds=0.1).run()
        finally:
            await sums.aclose()

    return run


async def test_what_is_remembered_is_good_before_anybody_touches_it(
    hand: Hand, verified: Callable[[], Awaitable[Report]]
) -> None:
    report = await verified()

    assert (report.findings, report.unchecked, report.exit_code) == ([], [], 0)


@pytest.mark.parametrize(("damage", "named"), [pytest.param(do, named, id=what) for what, do, named in RECORDS])
async def test_damage_to_what_is_remembered_is_named(
    hand: Hand, verified: Callable[[], Awaitable[Report]], damage: Damage, named: set[Place]
) -> None:
    await damage(hand)

    report = await verified()

    assert {(each.kind, each.sku, each.location, each.pool) for each in report.findings} == named
    assert report.exit_code == 1
