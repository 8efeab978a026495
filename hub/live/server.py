"""The WebSocket door `/v1/live`: who may connect, and what runs while it is open.

Compression is off: it costs 50 KiB a connection, invites bombs, and a frame could not be built once for all.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Origin, Subprotocol

from hub.access import Claims
from hub.faults import Unavailable
from hub.live.connection import LiveConnection
from hub.live.conversation import Conversations
from hub.live.fanout import Counters
from hub.live.limits import LiveLimits
from hub.live.needs import Credentials, CurrentHouse, HearEntry, OpenTail, StockReader, WallClock
from hub.live.session import Terms
from hub.live.upkeep import Kept, Upkeep
from hub.tasks import end
from protocol.frames import PATH, SUBPROTOCOL, Subscribe

# Connections taken in one turn of the loop: when ten thousand screens come back at once, everybody else has a turn
# between some of them and the next.
TAKEN_AT_ONCE = 32
# Connections that wait to be taken, so few that they are taken before they give up, however long a turn is; the kernel
# has others knock again.
WAITING_MAX = 1_024
# Frames of one connection that wait to be read; more stay in the kernel.
INBOUND_FRAMES_MAX = 4


class LiveDoor:
    """The WebSocket server of this process. Call `start` or `follow_journal` once, then `stop` once."""

    def __init__(  # noqa: PLR0913 - one keyword for each thing it needs
        self,
        *,
        house: CurrentHouse,
        access: Credentials,
        stock: StockReader,
        open_tail: OpenTail,
        clock: WallClock,
        hear: HearEntry = lambda entry: None,
        origins: Sequence[str] = (),
        limits: LiveLimits | None = None,
    ) -> None:
        self._limits = limits or LiveLimits()
        self._origins = tuple(origins)
        self.counters = Counters()
        self._upkeep = Upkeep(self._limits, self.counters)
        terms = Terms(house, access, self._limits)
        self._conversations = Conversations(terms, stock, open_tail, self.counters, clock, hear)
        self._server: Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_following(self) -> bool:
        """Whether the journal is being followed; part of readiness."""
        return self._conversations.follower.is_following

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int, *, shared: bool = False) -> None:
        """Follow the journal and accept connections; port 0 takes a free one.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._server = await self._listen(host, port, shared=shared)
        self.follow_journal()

    def follow_journal(self) -> None:
        """Follow the journal and accept no connection: for streams that another door writes."""
        self._tasks = [
            asyncio.create_task(self._conversations.follower.run(), name="live follower"),
            asyncio.create_task(self._upkeep.run(), name="live upkeep"),
        ]

    async def failed(self) -> None:
        """Wait until a task of the door ends, which only a defect makes it do, and raise what ended it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled():
                task.result()

    async def stop(self) -> None:
        """Stop following, accept nobody and say goodbye (1001); bounded by twice `closing_seconds`."""
        await end(self._tasks)
        if self._server is None:
            return
        # Closing waits for what is unsent; who takes nothing would make everybody wait.
        self._drop(connection for connection in self._upkeep.connections() if connection.unsent_bytes)
        self._server.close()
        if not await self._is_closed_in_time(self._server):
            self._drop(self._upkeep.connections())
            await self._is_closed_in_time(self._server)

    @staticmethod
    def _drop(connections: Iterable[Kept]) -> None:
        for connection in connections:
            connection.drop()

    async def _is_closed_in_time(self, server: Server) -> bool:
        try:
            async with asyncio.timeout(self._limits.closing_seconds):
                await server.wait_closed()
        except TimeoutError:
            return False
        return True

    def recheck(self) -> None:
        """Drop what clients may not watch any more, and tell them; call it when the house has changed."""
        self._conversations.recheck()

    def recheck_claims(self) -> None:
        """Close connections whose key is gone and narrow those that may do less; call it when keys have changed."""
        self._conversations.recheck_claims()

    @asynccontextmanager
    async def follow(self, claims: Claims, message: Subscribe) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """The events of a stream, for another door to write; None: no such pool for whoever has these claims.

        Whoever takes none of them for `stalled_seconds` shall be cut off by that door. It counts as a connection.

        Raises:
            Unavailable: the state cannot be read, or there are too many connections.
        """
        if self.counters.connections >= self._limits.connections_max:
            raise Unavailable("There are too many connections", 5)
        self.counters.connections += 1
        try:
            following = self._conversations.follow(claims, message)
            # What was sent may be large, and the stream may be long.
            del message
            async with following as stream:
                yield None if stream is None else stream.events()
        finally:
            self.counters.leave()

    def end_streams(self) -> None:
        """Let every stream end: the door that writes them stops."""
        self._conversations.end_streams()

    def watched_skus(self) -> set[str]:
        """The SKUs that somebody watches in some pool."""
        return self._conversations.watched_skus()

    async def refresh(self) -> None:
        """Read all that is watched again; call it when Redis was healed without an entry in the journal.

        Raises:
            Unavailable: the state cannot be read.
        """
        await self._conversations.refresh()

    async def _listen(self, host: str, port: int, *, shared: bool) -> Server:
        limits = self._limits
        # The library's own pings are off: a task for each connection would cost 3 KiB and a timer.
        server = await serve(
            self._welcome,
            host,
            port,
            origins=[*map(Origin, self._origins), None],
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            process_request=self._admit,
            server_header=None,
            open_timeout=limits.opening_seconds,
            ping_interval=None,
            close_timeout=limits.closing_seconds,
            max_size=limits.message_bytes_max,
            max_queue=INBOUND_FRAMES_MAX,
            write_limit=(limits.slow_bytes, limits.slow_bytes // 4),
            logger=logging.getLogger("hub.live"),
            create_connection=self._connection_factory(),
            # To the loop this number says both how many wait and how many it takes in one turn.
            backlog=TAKEN_AT_ONCE,
            reuse_port=shared,
        )
        for listening in server.sockets:
            with socket.socket(fileno=os.dup(listening.fileno())) as same:
                same.listen(WAITING_MAX)
        return server

    def _connection_factory(self) -> Any:
        return partial(LiveConnection, upkeep=self._upkeep)

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what is not meant for this door; origin and subprotocol are the library's check."""
        path, _, _ = request.path.partition("?")
        if path != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, f"The live door is {PATH}.\n")
        if self.counters.connections >= self._limits.connections_max:
            refused = connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections.\n")
            refused.headers["Retry-After"] = "5"
            return refused
        return None

    async def _welcome(self, connection: ServerConnection) -> None:
        assert isinstance(connection, LiveConnection)
        connection.forget_handshake()
        slot = self._upkeep.add(connection)
        try:
            await self._conversations.hold(connection)
        finally:
            self._upkeep.remove(connection, slot)
