"""A key that is taken away, or may do less, stops what goes on by it: at once, and the feed within a second."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect

from hub.assembly import running
from hub.credentials import new_opaque_key
from hub.intake.feed_stream import LOOK_SECONDS, TICK_SECONDS
from hub.settings import read
from tests.intake.door import Door, settings_in

# A busy machine's second; a heartbeat, which would find out too, is far later.
SOON_SECONDS = 5
SECOND = 1
SKU = "BAG-NOIR"
T = TypeVar("T")


def key_table(hash: str, *pools: str) -> str:
    named = ", ".join(f'"{pool}"' for pool in pools)
    scope = '"feed:read", "positions:read"'
    return f'[[key]]\nid = "page"\nsub = "page"\nhash = "{hash}"\nscope = [{scope}]\npools = [{named}]\n'


class Page:
    """A hub, and what goes on by one key."""

    def __init__(self, door: Door, folder: Path, text: str, hash: str) -> None:
        self._door = door
        self._folder = folder
        self._hash = hash
        self._headers = {"Authorization": f"Bearer {text}"}

    async def take(self, table: str) -> None:
        """Take a file with this key."""
        settings_in(self._folder, extra=table)
        reply = await self._door.post(self._door.admin + "/v1/reload", None, token=self._door.token(("admin",)))
        assert reply.json()["changed"]

    def table(self, *pools: str) -> str:
        return key_table(self._hash, *pools)

    async def stream(self, method: str, path: str, **options: object) -> aiohttp.ClientResponse:
        """A stream that has said something."""
        response: aiohttp.ClientResponse = await self._door.session.request(
            method,
            self._door.url + path,
            headers=self._headers,
            **options,  # type: ignore[arg-type]
        )
        assert response.status == 200
        await response.content.readuntil(b"\n\n")
        return response

    async def socket(self) -> ClientConnection:
        """A socket that watches the VIPs' pool."""
        made = await connect(f"{self._door.live}/v1/live", subprotocols=["hub.v1.json"])  # type: ignore[list-item]
        token = self._headers["Authorization"].removeprefix("Bearer ")
        await made.send(f'{{"op":"auth","token":"{token}"}}')
        assert b'"authorized"' in await made.recv(decode=False)
        await made.send(f'{{"op":"subscribe","ref":1,"pool":"vip","skus":["{SKU}"]}}')
        assert b'"subscribed"' in await made.recv(decode=False)
        return made

    async def read(self) -> int:
        url = f"{self._door.url}/v1/availability?pool=vip&sku={SKU}"
        async with self._door.session.get(url, headers=self._headers) as response:
            return response.status


@pytest.fixture
async def page(redis_url: str, postgres_dsn: str, tmp_path: Path) -> AsyncIterator[Page]:
    text, hash = new_opaque_key()
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra=key_table(hash, "vip"))
    reread = partial(read, tmp_path / "hub.toml", {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn})
    async with running(settings, reread=reread) as hub, aiohttp.ClientSession() as session:
        yield Page(Door(hub, settings, session), tmp_path, text, hash)


async def ended(response: aiohttp.ClientResponse) -> bytes:
    """The rest of a stream, up to its end."""
    return await response.content.read()


async def closed(socket: ClientConnection) -> int | None:
    await socket.wait_closed()
    return socket.close_code


async def soon(awaited: Awaitable[T]) -> T:
    async with asyncio.timeout(SOON_SECONDS):
        return await awaited


async def test_a_revoked_key_ends_sockets_streams_reads_and_the_feed(page: Page) -> None:
    socket = await page.socket()
    asked = await page.stream("GET", f"/v1/live/sse?pool=vip&sku={SKU}")
    posted = await page.stream("POST", "/v1/live/sse", json={"pool": "vip", "skus": [SKU]})
    feed = await page.stream("GET", "/v1/feed/stream")
    assert await page.read() == 200

    await page.take("")

    assert await page.read() == 401
    assert await soon(closed(socket)) == 4401
    assert b'"unauthenticated"' in await soon(ended(asked))
    assert b'"unauthenticated"' in await soon(ended(posted))
    await soon(ended(feed))
    # It looks whether it may go on as often as that.
    assert LOOK_SECONDS + TICK_SECONDS < SECOND


async def test_a_narrowed_key_ends_what_it_may_not_watch_any_more(page: Page) -> None:
    socket = await page.socket()
    asked = await page.stream("GET", f"/v1/live/sse?pool=vip&sku={SKU}")
    posted = await page.stream("POST", "/v1/live/sse", json={"pool": "vip", "skus": [SKU]})

    await page.take(page.table("store"))

    assert await page.read() == 404
    assert b'"unknown_pool"' in await soon(socket.recv(decode=False))
    assert b'"unknown_pool"' in await soon(ended(asked))
    assert b'"unknown_pool"' in await soon(ended(posted))
    await socket.close()
