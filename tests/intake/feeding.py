"""What a program that follows the feed does at the door."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from tests.intake.door import Door

FEED, STREAM = "/v1/feed", "/v1/feed/stream"
PATIENCE_SECONDS = 60

Items = list[dict[str, Any]]


async def read(door: Door, token: str | None = None, **params: Any) -> Items:
    """Everything behind `after` until the end, in pages of `limit`."""
    found: Items = []
    while True:
        reply = await door.get(FEED, token=token or door.till, **params)
        assert reply.status == 200, reply.body
        items, params["after"] = reply.json()["items"], reply.json()["next"]
        if not items:
            return found
        found += items


async def end_of(door: Door) -> str:
    """The cursor behind all that happened until now."""
    reply = await door.get("/v1/positions", token=door.till, sku="NONE")
    return str(reply.json()["feed_cursor"])


def types(items: Items) -> list[str]:
    return [item["type"] for item in items]


class Follower:
    """A reader of the stream, and where it is."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.cursor = ""

    async def block(self) -> list[str]:
        """The lines up to the next empty one; none at the end."""
        lines: list[str] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                lines.append(line)
        for line in lines:
            if line.startswith("id: "):
                self.cursor = line.removeprefix("id: ")
        return lines

    async def item(self) -> dict[str, Any]:
        """The next item."""
        while lines := await self.block():
            for line in lines:
                if line.startswith("data: "):
                    item: dict[str, Any] = msgspec.json.decode(line.removeprefix("data: "))
                    assert item["cursor"] == self.cursor
                    return item
        raise EOFError

    async def ends(self) -> None:
        """Read on until the hub ends the stream."""
        while await self.block():
            pass


@asynccontextmanager
async def following(
    door: Door, *, token: str | None = None, last: str | None = None, **params: Any
) -> AsyncIterator[Follower]:
    headers = {"Authorization": f"Bearer {token or door.till}"} | ({"Last-Event-ID": last} if last else {})
    async with door.session.get(door.url + STREAM, params=params, headers=headers) as response:
        assert response.status == 200, await response.read()
        yield Follower(response)


async def sent(door: Door, path: str, token: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a stream, and read no more than that it begins; what comes then waits for its reader in the hub."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    wire.setblocking(False)
    await asyncio.get_running_loop().sock_connect(wire, door.address)
    reader, writer = await asyncio.open_connection(sock=wire, limit=1)
    credentials = f"Authorization: Bearer {token}\r\n" if token else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: hub\r\n{credentials}\r\n".encode())
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.readexactly(15) == b"HTTP/1.1 200 OK"
    return reader, writer
