"""The write end of one socket: frames go out raw, and a slow reader is owed only the newest values.

`paused` is the library's word for "more than `slow_bytes` unsent"; it is set and cleared by the transport itself.

Laws:
- Every write first checks that the connection is open; nothing is written after a close frame.
- While `held` (a `subscribed` is on its way) or `paused`, values are kept, one per SKU, not queued.
- Unsent bytes never exceed `unsent_bytes_max`, not by pongs either.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import Server, ServerConnection
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from hub.live.fanout import MESSAGE_BYTES_AIM, Change
from hub.live.framing import ValueKey, text_frame
from hub.live.session import Close
from hub.live.upkeep import Upkeep
from protocol.frames import update_frame

# TCP connections allowed beside the open ones while they shake hands.
OPENING_MAX = 1_000


# How the kernel calls a connection of which neither end was closed.
_ESTABLISHED = 1


def has_left(wire: Any) -> bool:
    """Whether the peer closed the connection before anything was read; where the system does not say, it has not."""
    info = getattr(socket, "TCP_INFO", None)
    return info is not None and wire.getsockopt(socket.IPPROTO_TCP, info, 1)[0] != _ESTABLISHED


class LiveConnection(ServerConnection):
    """One socket of the live door."""

    # Slots, because the library's own attributes fill the dict that Python shares between instances.
    __slots__ = ("_owed", "_upkeep", "_written_bytes", "beats_unanswered", "expiry", "held")

    def __init__(self, protocol: ServerProtocol, server: Server, *, upkeep: Upkeep, **kwargs: Any) -> None:
        super().__init__(protocol, server, **kwargs)
        self._upkeep = upkeep
        # The newest value of each SKU that could not be sent yet.
        self._owed: dict[ValueKey, bytes] | None = None
        self._written_bytes = 0
        # Values are kept back, because an answer must go out before them.
        self.held = False
        # Heartbeats since the peer was last heard of.
        self.beats_unanswered = 0
        # Closes the connection when its token ends.
        self.expiry: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        """Whether frames may be written."""
        return self.protocol.state is OPEN

    @property
    def unsent_bytes(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size()

    @property
    def taken_bytes(self) -> int:
        """Bytes of frames that the kernel has taken; it stands still when the reader does."""
        return self._written_bytes - self.unsent_bytes

    def push(self, key: ValueKey, item: bytes, frame: bytes) -> None:
        """Send the frame that holds this item alone, or keep the item until the reader has caught up."""
        if self.protocol.state is not OPEN:
            return
        if self.held or self.paused:
            self._owe(key, item)
        else:
            self._upkeep.counters.frames += 1
            self._written_bytes += len(frame)
            self.transport.write(frame)

    def push_several(self, owed: Sequence[Change], frame: bytes | None) -> None:
        """Send the frame that holds these items, or keep them; None is more than one message should hold."""
        if frame is not None and not (self.held or self.paused):
            self.write(frame)
            return
        if self.is_open:
            for change in owed:
                self._owe(change.key, change.item)
            self._pay()

    def write(self, frames: bytes) -> None:
        """Write complete frames, unless the connection is closing."""
        if self.is_open:
            self._upkeep.counters.frames += 1
            self._written_bytes += len(frames)
            self.transport.write(frames)

    def say(self, message: bytes) -> None:
        """Write one message, unless the connection is closing."""
        self.write(text_frame(message))

    def hold(self) -> None:
        """Keep values back until `release`."""
        self.held = True

    def release(self) -> None:
        """Send what was kept back."""
        self.held = False
        self._pay()

    def disown(self, keys: Iterable[ValueKey]) -> None:
        """Drop what is owed under these keys: it was sent otherwise, or is watched no longer."""
        if self._owed is not None:
            for key in keys:
                self._owed.pop(key, None)

    def take_owed(self, location: str) -> dict[str, bytes]:
        """Take what is owed of a location out: SKU -> item."""
        owed = self._owed or {}
        taken = [key for key in owed if key[0] == "" and key[1] == location]
        return {key[2]: owed.pop(key) for key in taken}

    async def taken(self) -> None:
        """Wait until the reader is not slow, or gone."""
        # Who hangs up meanwhile is noticed by whoever hears it next.
        with suppress(ConnectionError):
            while self.paused and self.is_open:
                await self.drain()

    def end(self, close: Close) -> None:
        """Close, without waiting: the peer has some seconds to answer, however slow it is."""
        if not self.is_open:
            return
        self._owed = None
        self.protocol.send_close(close.code, close.reason)
        self.send_data()
        self.loop.call_later(self.close_timeout or 0, self.transport.abort)

    def drop(self) -> None:
        """Cut the connection; for a peer that would not hear a close frame."""
        self.transport.abort()

    def forget_handshake(self) -> None:
        """Free what only the opening handshake needed; a browser's headers are 3 KiB of an idle connection."""
        if self.request is not None and self.response is not None:
            self.request.headers.clear()
            self.response.headers.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless the peer has left or too many are at it already (called by the loop)."""
        if has_left(transport.get_extra_info("socket")):
            # It waited for too long to be taken; in a rush most may have, and nothing is begun for them.
            Connection.connection_made(self, transport)
            self.drop()
            return
        super().connection_made(transport)
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._upkeep.limits.send_buffer_bytes)
        if len(self.server.handler_tasks) > self._upkeep.limits.connections_max + OPENING_MAX:
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free what was neither read nor sent, for the collector may look here much later (called by the transport)."""
        super().connection_lost(exc)
        self._owed = None
        self.recv_messages.frames.queue.clear()

    def pause_writing(self) -> None:
        """Begin to watch whether the reader takes anything (called by the transport)."""
        super().pause_writing()
        self._upkeep.watch_stalled(self)

    def resume_writing(self) -> None:
        """Send what was kept while the reader was slow (called by the transport)."""
        super().resume_writing()
        self._pay()

    def data_received(self, data: bytes) -> None:
        """Hear the peer; drop one that asks for more pongs than it takes (called by the transport)."""
        self.beats_unanswered = 0
        super().data_received(data)
        if self.unsent_bytes > self._upkeep.limits.unsent_bytes_max:
            self._upkeep.counters.slow_closed += 1
            self.drop()

    def _owe(self, key: ValueKey, item: bytes) -> None:
        if self._owed is None:
            self._owed = {}
        elif key in self._owed:
            self._upkeep.counters.conflated += 1
        self._owed[key] = item

    def _pay(self) -> None:
        """Send what is owed, in messages of a bounded size, for as long as the reader takes them."""
        while self._owed and not self.held and not self.paused and self.is_open:
            items: list[bytes] = []
            size = 0
            for key in list(self._owed):
                items.append(self._owed.pop(key))
                size += len(items[-1]) + 1
                if size >= MESSAGE_BYTES_AIM:
                    break
            self.say(update_frame(items))
        if not self._owed:
            self._owed = None
