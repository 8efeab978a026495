"""The sockets of one process: each watches some SKUs, and comes back when its connection ends.

The library's protocol without its own I/O reads the frames; thousands of sockets must not cost more than the hub that
serves them.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

import msgspec
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from hub.load.http_line import connect
from hub.load.options import Target
from hub.load.watched import Watched, WatchRefused
from protocol.frames import PATH, SUBPROTOCOL

# Handshakes under way at once.
_OPENING_MAX = 50
_FRAME_BYTES_MAX = 4 * 1024 * 1024
# A socket that was closed comes back after some of this.
_BACK_SECONDS = 2.0
# Sockets that are looked at in one go; requests that are due go before the next.
_LOOKED_AT = 200
SUBSCRIBED_SECONDS_MAX = 30.0
# Where no socket was ever open, most likely the address is wrong, or the pool is not for this token.
_FIRST_TRIES_MAX = 3


class Screen(asyncio.Protocol):
    """One connection of a socket."""

    def __init__(self, target: Target, watched: Watched, told: Callable[["Screen", str | None], None]) -> None:
        self.watched = watched
        self._target = target
        # Called once it is subscribed, and with a reason when it is over.
        self._told = told
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._reason = "closed"
        address = urlsplit(target.live)
        self._protocol = ClientProtocol(
            parse_uri(f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}{PATH}"),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            max_size=_FRAME_BYTES_MAX,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._protocol.send_request(self._protocol.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        self._protocol.receive_data(data)
        try:
            for event in self._protocol.events_received():
                self._take(event)
        except WatchRefused as refused:
            self.abort(str(refused))
        except msgspec.MsgspecError:
            self.abort("a frame that is none of a hub")
        self._flush()

    def abort(self, reason: str) -> None:
        """Be over at once."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Say goodbye."""
        if self._transport is not None:
            self._protocol.send_close(1000)
            self._flush()
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._transport = None
        self._told(self, self._reason)

    def _take(self, event: object) -> None:
        if isinstance(event, Response):
            if self._protocol.handshake_exc is not None:
                self.abort(f"the handshake is refused: {event.status_code}")
                return
            for message in self._greeting():
                self._protocol.send_text(message)
        elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.CONT):
            self._parts.append(bytes(event.data))
            if event.fin:
                text, self._parts = b"".join(self._parts), []
                was_subscribed = self.watched.is_subscribed
                self.watched.take(text)
                if self.watched.is_subscribed and not was_subscribed:
                    self._told(self, None)
        elif isinstance(event, Frame) and event.opcode is Opcode.CLOSE:
            self._reason = f"closed {self._protocol.close_code}"

    def _greeting(self) -> list[bytes]:
        watched = self.watched
        subscribe = {"op": "subscribe", "ref": 1, "pool": self._target.pool, "skus": watched.skus}
        return [
            msgspec.json.encode({"op": "auth", "token": self._target.token}),
            msgspec.json.encode(subscribe | {"known": watched.known}),
        ]

    def _flush(self) -> None:
        if self._transport is not None:
            for data in self._protocol.data_to_send():
                if data:
                    self._transport.write(data)
                elif self._transport.can_write_eof():
                    self._transport.write_eof()


class Screens:
    """All sockets of one process."""

    def __init__(self, target: Target, watches: Sequence[list[str]]) -> None:
        self._target = target
        self._address: SplitResult = urlsplit(target.live)
        self.watched = [Watched(skus) for skus in watches]
        self._open: dict[Watched, Screen] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening = asyncio.Semaphore(_OPENING_MAX)
        self._is_over = False
        self._changed = asyncio.Event()
        # How often a connection ended, by reason.
        self.ended: dict[str, int] = {}

    async def come(self) -> None:
        """Open all of them and wait until each is subscribed.

        Raises:
            TimeoutError: not all are after `SUBSCRIBED_SECONDS_MAX`, or none after a few tries; `ended` says why.
        """
        for watched in self.watched:
            self._start(watched, 0.0)
        async with asyncio.timeout(SUBSCRIBED_SECONDS_MAX + len(self.watched) / 100):
            while (found := self.open) < len(self.watched):
                if not found and sum(self.ended.values()) >= _FIRST_TRIES_MAX:
                    raise TimeoutError
                self._changed.clear()
                await self._changed.wait()

    @property
    def open(self) -> int:
        """Sockets that are connected and subscribed."""
        return sum(watched.is_subscribed for watched in self._open)

    async def current(self, revs: Mapping[str, int]) -> int:
        """How many are open and have at least these revs."""
        found = 0
        for first in range(0, len(self.watched), _LOOKED_AT):
            some = self.watched[first : first + _LOOKED_AT]
            found += sum(watched.is_subscribed and watched.has(revs) for watched in some)
            await asyncio.sleep(0)
        return found

    def close(self) -> None:
        """Close all."""
        self._is_over = True
        for task in self._tasks:
            task.cancel()
        for screen in list(self._open.values()):
            screen.close()

    def _start(self, watched: Watched, pause_seconds: float) -> None:
        task = asyncio.create_task(self._connect(watched, pause_seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, watched: Watched, pause_seconds: float) -> None:
        await asyncio.sleep(pause_seconds)
        watched.is_subscribed = False
        # Before it is connected, for it may be refused before this task goes on.
        screen = self._open[watched] = Screen(self._target, watched, self._told)
        async with self._opening:
            try:
                await connect(self._address, lambda: screen)
            except (OSError, TimeoutError) as error:
                self._lost(watched, type(error).__name__)

    def _told(self, screen: Screen, reason: str | None) -> None:
        if reason is not None and self._open.get(screen.watched) is screen:
            self._lost(screen.watched, reason)
        self._changed.set()

    def _lost(self, watched: Watched, reason: str) -> None:
        watched.is_subscribed = False
        self._open.pop(watched, None)
        if not self._is_over:
            self.ended[reason] = self.ended.get(reason, 0) + 1
            self._start(watched, random.uniform(0.1, _BACK_SECONDS))
        self._changed.set()
