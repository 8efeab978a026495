"""One hub for each module of tests, on the session's servers, with the house of door.py."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers
from tests.databases import new_database
from tests.intake.door import Door, opaque_key, open_door, settings_in

KEY_TEXT, KEY_TABLE = opaque_key()
# A ledger that is slow because the machine is busy must not make a 202 of a 200, nor show a count before it is closed.
PATIENT = "[limits]\nledger_wait_ms = 10000\n"


@pytest.fixture(scope="module")
async def store(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    """The session's Redis, empty when the module begins; nothing in the module may ask for `redis_client`."""
    assert servers.redis_url is not None
    async with Redis.from_url(servers.redis_url) as client:
        await client.flushall()
        yield client


@pytest.fixture(scope="module")
async def database(servers: EmbeddedServers) -> AsyncIterator[str]:
    assert servers.postgres_dsn is not None
    async with new_database(servers.postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="module")
async def door(
    store: Redis, database: str, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("hub")
    settings = settings_in(folder, redis_url=servers.redis_url, dsn=database, extra=KEY_TABLE + PATIENT)
    async with open_door(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def key() -> str:
    """The text of an opaque key that the hub knows."""
    return KEY_TEXT
