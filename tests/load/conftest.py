"""A whole hub for the loads of a module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.embedded.servers import EmbeddedServers, start
from tests.intake.door import Door, open_door, settings_in


@pytest.fixture(scope="module")
async def own_servers(
    tmp_path_factory: pytest.TempPathFactory, redis_binary: Path | None
) -> AsyncIterator[EmbeddedServers]:
    started = await start(tmp_path_factory.mktemp("own"), redis=True, postgres=True, redis_binary=redis_binary)
    yield started
    await started.stop()


@pytest.fixture(scope="module")
async def door(own_servers: EmbeddedServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder = tmp_path_factory.mktemp("hub")
    settings = settings_in(folder, redis_url=own_servers.redis_url, dsn=own_servers.postgres_dsn)
    async with open_door(settings) as opened:
        yield opened
