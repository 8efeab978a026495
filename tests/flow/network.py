"""A network between a client and a hub: it can be led elsewhere, cut, go deaf, and lose answers on their way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CHUNK_BYTES = 64 * 1024
HEADS_MAX = 1_000


class Network:
    """One address that leads to a door."""

    def __init__(self, door: str) -> None:
        self.connections = 0
        # What each exchange began with, in both directions.
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        # So many of the next answers are lost, with their connections.
        self.answers_to_lose = 0
        # What the next of them are told by something between, a load balancer or a hotel, instead of the hub.
        self.turned_away: list[bytes] = []
        # Cleared, nothing comes through any more on the connections that are open; new ones are well.
        self._hears = asyncio.Event()
        self._hears.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server
        self.lead_to(door)

    @property
    def address(self) -> str:
        """Without a scheme."""
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def lead_to(self, door: str) -> None:
        """From now on new connections go to this address, `http://…` or `ws://…`."""
        host, _, port = door.partition("://")[2].partition("/")[0].rpartition(":")
        self._door = (host, int(port))

    def cut(self) -> None:
        """End all connections, as if a cable were pulled out."""
        for writer in list(self._writers):
            writer.transport.abort()

    def go_deaf(self) -> None:
        """Let nothing more through on the connections that are open now, without ending them."""
        self._hears.clear()
        self._hears = asyncio.Event()
        self._hears.set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def close(self) -> None:
        self._server.close()
        self.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        hears = self._hears
        self._writers.add(writer)
        if self.turned_away:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 " + self.turned_away.pop(0))
            await writer.drain()
            writer.close()
            return
        try:
            to_hub, of_hub = await asyncio.open_connection(*self._door)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(of_hub)
        await asyncio.gather(
            self._pump(reader, of_hub, hears, self.asked),
            self._pump(to_hub, writer, hears, self.answered),
        )
        self._writers -= {writer, of_hub}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hears: asyncio.Event, heads: list[bytes]
    ) -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                if not hears.is_set():
                    continue
                if len(heads) < HEADS_MAX:
                    heads.append(chunk)
                if heads is self.answered and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    self.cut()
                    return
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def network_to(door: str) -> AsyncIterator[Network]:
    network = Network(door)
    await network.open()
    try:
        yield network
    finally:
        await network.close()
