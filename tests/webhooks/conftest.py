"""Hubs that hear of third parties; one of their adapters comes from another package, as a stranger's would."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from adapters import discovery
from hub.embedded.servers import EmbeddedServers
from tests.intake.conftest import database, store
from tests.webhooks.town import OFFERED, Town, open_town

__all__ = ["database", "store"]


@pytest.fixture(scope="module", autouse=True)
def offered() -> Iterator[None]:
    """The other package is installed meanwhile."""
    sys.path.append(str(OFFERED))
    _look_again()
    yield
    sys.path.remove(str(OFFERED))
    _look_again()


def _look_again() -> None:
    for known in (
        discovery.names,
        discovery.adapter_named,
        discovery._offered,
        discovery.package_of,
        discovery.module_of,
    ):
        known.cache_clear()


@pytest.fixture(scope="module")
async def town(
    store: Redis, database: str, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """One hub for a module's tests."""
    assert servers.redis_url is not None
    async with open_town(tmp_path_factory.mktemp("hub"), servers.redis_url, database) as opened:
        yield opened


@pytest.fixture
async def own_town(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Town]:
    """A hub of a test's own."""
    async with open_town(tmp_path, redis_url, postgres_dsn) as opened:
        yield opened


@pytest.fixture(scope="module")
async def inbox(database: str, town: Town) -> AsyncIterator[asyncpg.Connection]:
    """A look into the module's ledger."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()
