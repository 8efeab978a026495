"""Whole hubs: one for a module's stories on servers of its own, so that a story may stop them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.embedded.servers import EmbeddedServers, start
from tests.flow.own_servers import OwnServers
from tests.intake.door import Door, open_door, settings_in

PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
async def own_servers(
    tmp_path_factory: pytest.TempPathFactory, redis_binary: Path | None
) -> AsyncIterator[EmbeddedServers]:
    started = await start(tmp_path_factory.mktemp("own"), redis=True, postgres=True, redis_binary=redis_binary)
    yield started
    await started.stop()


@pytest.fixture(scope="module")
async def stores(tmp_path_factory: pytest.TempPathFactory, redis_binary: Path | None) -> AsyncIterator[OwnServers]:
    """Servers that a module's stories may stop under a hub."""
    servers = OwnServers(tmp_path_factory.mktemp("own"), redis_binary)
    await servers.start()
    yield servers
    await servers.running.stop()


@pytest.fixture(scope="module")
async def door(own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    settings = settings_in(
        tmp_path_factory.mktemp("hub"),
        redis_url=own_servers.redis_url,
        dsn=own_servers.postgres_dsn,
        extra="[limits]\nledger_wait_ms = 250\n",
    )
    async with open_door(settings) as opened:
        yield opened
