"""Stores of one hub for a module's tests, and several processes of it."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers
from tests.databases import new_database
from tests.processes.several import Several, served


@pytest.fixture(scope="module")
async def stores(servers: EmbeddedServers) -> AsyncIterator[dict[str, str]]:
    """The session's Redis, empty when the module begins, and a ledger of its own."""
    assert servers.redis_url is not None
    assert servers.postgres_dsn is not None
    async with Redis.from_url(servers.redis_url) as client:
        await client.flushall()
    async with new_database(servers.postgres_dsn) as dsn:
        yield {"HUB_REDIS_URL": servers.redis_url, "HUB_LEDGER_DSN": dsn}


@pytest.fixture(scope="module")
async def hub(stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Several]:
    """Three processes for a module's tests; each test leaves them as good as it found them."""
    made = Several(tmp_path_factory.mktemp("hub"))
    async with served(made, stores):
        yield made
