"""Streams over a whole hub that stops."""

import asyncio
from pathlib import Path

import aiohttp

from hub.assembly import running
from tests.intake.door import Door, settings_in


async def test_a_stop_ends_the_streams_and_does_not_wait_for_them(
    redis_url: str, postgres_dsn: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra="[limits]\nstop_seconds = 300\n")
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        async with running(settings) as hub:
            door = Door(hub, settings, session)
            page = await session.get(door.url + "/v1/live/sse", params={"pool": "online", "sku": "BAG-NOIR"})
            assert (await page.content.readline()).startswith(b'data: {"op":"subscribed"')
        assert await page.content.read() == b"\n"
        page.close()
