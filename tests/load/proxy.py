"""Doors that lie: they pass everything on to a hub's own, but for what a test spoils."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

# The answer of the hub to a request, as it is handed on.
Answer = tuple[int, bytes]
# In place of a status: the connection ends without an answer.
BROKEN = 599
Ask = Callable[[], Awaitable[Answer]]
# Given path and body, and what asks the hub.
Spoil = Callable[[str, bytes, Ask], Awaitable[Answer]]
# What is passed on for a frame of the hub.
Told = Callable[[str], list[str]]

_KEPT = ("Authorization", "Content-Type")


@asynccontextmanager
async def http_proxy(url: str, spoil: Spoil) -> AsyncIterator[str]:
    """An HTTP door in front of another; `spoil` answers each request."""

    async def pass_on(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}

        async def ask() -> Answer:
            async with session.request(request.method, url + request.path_qs, data=body, headers=headers) as response:
                return response.status, await response.read()

        status, said = await spoil(request.path, body, ask)
        if status == BROKEN and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status, body=said, content_type="application/json")

    async with aiohttp.ClientSession() as session, _served("/{path:.*}", pass_on) as address:
        yield address


@asynccontextmanager
async def live_proxy(url: str, told: Told) -> AsyncIterator[str]:
    """A live door in front of another; `told` says what is passed on for each frame of the hub."""

    async def pass_on(request: web.Request) -> web.WebSocketResponse:
        screen = web.WebSocketResponse(protocols=["hub.v1.json"])
        await screen.prepare(request)
        async with session.ws_connect(url + request.path, protocols=["hub.v1.json"]) as hub:

            async def up() -> None:
                async for message in screen:
                    if message.type is WSMsgType.TEXT:
                        await hub.send_str(message.data)
                await hub.close()

            async def down() -> None:
                async for message in hub:
                    for frame in told(message.data) if message.type is WSMsgType.TEXT else []:
                        await screen.send_str(frame)
                await screen.close()

            await asyncio.gather(up(), down())
        return screen

    async with aiohttp.ClientSession() as session, _served("/{path:.*}", pass_on) as address:
        yield address.replace("http://", "ws://")


@asynccontextmanager
async def _served(path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", path, handler)
    async with TestServer(application) as server:
        yield str(server.make_url("/")).rstrip("/")
