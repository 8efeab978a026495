"""A hub that somebody damaged by hand: each kind of damage is named, where it is, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from hub.domain.articles import Catalogue
from hub.domain.verifying import KINDS, Finding
from hub.embedded.servers import EmbeddedServers
from hub.ledger.connection import Link
from hub.ledger.sums import Sums
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.verify.report import Report
from hub.verify.verification import Verification
from tests.databases import new_database
from tests.stock.opened import opened
from tests.verify.conftest import HOUSE, live
from tests.verify.damages import POSITIONS, VIEWS, WHOLE, Damage, Place, transfer
from tests.verify.hand import Hand
from tests.verify.record_damages import RECORDS


@pytest.fixture(scope="module")
async def stopped(servers: EmbeddedServers) -> AsyncIterator[tuple[Hand, str]]:
    """A hub that has lived and was stopped; nothing in the module may ask for `redis_client`."""
    assert servers.redis_url is not None
    assert servers.postgres_dsn is not None
    async with Redis.from_url(servers.redis_url) as client, new_database(servers.postgres_dsn) as dsn:
        await client.flushall()
        async with opened(servers.redis_url, dsn, HOUSE) as stores:
            await live(stores)
        rows = await asyncpg.connect(dsn)
        hand = Hand(client, rows)
        await hand.save()
        yield hand, dsn
        await rows.close()


@pytest.fixture
async def hand(stopped: tuple[Hand, str]) -> AsyncIterator[Hand]:
    yield stopped[0]
    await stopped[0].restore()


@pytest.fixture
def verify(stopped: tuple[Hand, str]) -> Callable[[], Awaitable[Report]]:
    async def verified() -> Report:
        hand, dsn = stopped
        sums = Sums(Link(dsn, "verify"))
        try:
            described = Described(hand.redis, Catalogue())
            return await Verification(Inspection(hand.redis), sums, described, patience_seconds=0.1).run()
        finally:
            await sums.aclose()

    return verified


def places(findings: list[Finding]) -> set[Place]:
    return {(each.kind, each.sku, each.location, each.pool) for each in findings}


async def test_the_hub_is_good_before_anybody_touches_it(hand: Hand, verify: Callable[[], Awaitable[Report]]) -> None:
    report = await verify()

    assert (report.findings, report.exit_code) == ([], 0)


@pytest.mark.parametrize(
    ("damage", "named"), [pytest.param(do, named, id=what) for what, do, named in [*POSITIONS, *VIEWS, *WHOLE]]
)
async def test_damage_is_named(
    hand: Hand, verify: Callable[[], Awaitable[Report]], damage: Damage, named: set[Place]
) -> None:
    await damage(hand)

    report = await verify()

    assert places(report.findings) == named
    assert report.exit_code == 1


def test_every_kind_of_finding_is_met_by_some_damage() -> None:
    met = {kind for _, _, named in [*POSITIONS, *VIEWS, *WHOLE, *RECORDS] for kind, *_ in named}
    assert met == set(KINDS)


async def test_of_a_transfer_whose_units_are_under_way_only_the_record_is_asked_for(
    hand: Hand, verify: Callable[[], Awaitable[Report]]
) -> None:
    await transfer(hand, 4)

    assert set((await verify()).kinds) == {"record_not_in_ledger"}


async def test_findings_beyond_the_first_thousand_are_counted(
    hand: Hand, verify: Callable[[], Awaitable[Report]]
) -> None:
    for number in range(600):
        await hand.position(f"GHOST-{number:03}", "LYON", reserved=1)

    report = await verify()

    assert len(report.findings) == 1_000
    # No rules, a held unit that nobody holds, no movement, units out of nowhere, not in the location's set.
    assert report.total == 600 * 5
    assert set(report.kinds.values()) == {600}
    assert "… and 2,000 more" in report.text()
    assert msgspec.json.decode(report.json())["total"] == report.total
