"""The floors: servers that do nothing but take a request or a message with the same libraries.

Run as a program with `http`, `named` (its answer has the event's id), `websocket` or `broadcast`; it prints its port
when it is ready.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import web
from processes import first_line, python
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from protocol.events import Event
from protocol.frames import SUBPROTOCOL

_decode = msgspec.json.Decoder(Event).decode


@dataclass(frozen=True)
class BareServer:
    """A floor in a process of its own."""

    pid: int
    port: int


@contextmanager
def bare_server(kind: str) -> Iterator[BareServer]:
    """The `http`, `named`, `websocket` or `broadcast` floor, ended at the end of the block."""
    with python([str(Path(__file__)), kind]) as process:
        yield BareServer(process.pid, int(first_line(process)))


async def _take(request: web.Request) -> web.Response:
    _decode(await request.read())
    return web.Response(body=b'{"status":"applied"}', content_type="application/json")


async def _take_and_name(request: web.Request) -> web.Response:
    body = msgspec.json.encode({"id": _decode(await request.read()).id, "status": "applied"})
    return web.Response(body=body, content_type="application/json")


async def _serve_http(take: Callable[[web.Request], Awaitable[web.Response]]) -> None:
    app = web.Application()
    app.router.add_post("/v1/events", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def _echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def _carry(connection: ServerConnection) -> None:
    """Everybody else is sent what one sends, at once."""
    with suppress(ConnectionClosed):
        async for message in connection:
            broadcast(connection.server.connections - {connection}, message)


async def _serve_websocket(handle: Callable[[ServerConnection], Awaitable[None]]) -> None:
    # Neither compression nor pings, as the hub's own door: both cost memory for each connection.
    async with serve(
        handle,
        "127.0.0.1",
        0,
        compression=None,
        ping_interval=None,
        backlog=1_024,
        subprotocols=[Subprotocol(SUBPROTOCOL)],
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    kinds = {
        "http": lambda: _serve_http(_take),
        "named": lambda: _serve_http(_take_and_name),
        "websocket": lambda: _serve_websocket(_echo),
        "broadcast": lambda: _serve_websocket(_carry),
    }
    asyncio.run(kinds[sys.argv[1]]())
