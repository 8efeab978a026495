"""The fixture of a door that misbehaves as a test tells it to."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.replay.door import Door


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    application = web.Application(client_max_size=4 * 1_048_576)
    application.router.add_post("/v1/events", door.answer)
    async with TestServer(application) as server:
        door.url = str(server.make_url("/"))
        yield door
