"""A hub that stops ends the streams of its feed in order, and does not wait for them."""

import asyncio
from pathlib import Path

import aiohttp

from hub.assembly import running
from tests.intake.door import Door, settings_in
from tests.intake.feeding import STREAM, Follower


async def test_a_hub_that_stops_ends_its_streams_in_order(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    clock = asyncio.get_running_loop().time
    async with aiohttp.ClientSession() as session:
        async with running(settings) as hub:
            door = Door(hub, settings, session)
            headers = {"Authorization": f"Bearer {door.till}"}
            stream = Follower(await session.get(door.url + STREAM, headers=headers))
            assert (await stream.item())["type"] == "rule.changed"
            began = clock()

        # An end in the middle would be an error of the client's.
        await stream.ends()
        assert clock() - began < settings.limits.stop_seconds / 2
        assert stream.cursor
