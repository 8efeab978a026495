"""One hub for each module, without hooks of its own, and senders beside it whose clock a test moves."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers
from hub.hooks import sender
from tests.databases import new_database
from tests.hooks.receiving import Receiver, receiving
from tests.hooks.station import Station
from tests.intake.door import Door, open_door, settings_in


@pytest.fixture(scope="module")
async def store(servers: EmbeddedServers) -> str:
    """The session's Redis, empty when the module begins."""
    assert servers.redis_url is not None
    async with Redis.from_url(servers.redis_url) as client:
        await client.flushall()
    return servers.redis_url


@pytest.fixture(scope="module")
async def database(servers: EmbeddedServers) -> AsyncIterator[str]:
    assert servers.postgres_dsn is not None
    async with new_database(servers.postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(scope="module")
async def door(store: str, database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder: Path = tmp_path_factory.mktemp("hub")
    extra = "[limits]\nledger_wait_ms = 10000\n"
    async with open_door(settings_in(folder, redis_url=store, dsn=database, extra=extra)) as opened:
        yield opened


@pytest.fixture
async def station(door: Door, database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Station]:
    """What sends to a test's own hooks."""
    # How often it looks; nothing of what is promised hangs on it.
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.05)
    ledger = await asyncpg.connect(database)
    made = Station(door, ledger, database)
    await made.catch_up()
    yield made
    await made.aclose()
    await ledger.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    async with receiving() as opened:
        yield opened
