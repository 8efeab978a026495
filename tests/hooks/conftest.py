"""One hub for each module, without hooks of its own, and senders beside it whose clock a test moves."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers
from hub.hooks import sender
from tests.hooks.receiving import Receiver, receiving
from tests.hooks.station import Station
from tests.intake.conftest import PATIENT, database, store
from tests.intake.door import Door, open_door, settings_in

__all__ = ["database", "store"]


@pytest.fixture(scope="module")
async def door(
    store: Redis, database: str, servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("hub")
    async with open_door(settings_in(folder, redis_url=servers.redis_url, dsn=database, extra=PATIENT)) as opened:
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
