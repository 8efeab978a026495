"""Who reads the streams of the HTTP door: one that went, or takes nothing, gives its place back soon.

The HTTP library says that a reader went only at the next write, and the kernel takes megabytes for one that reads
nothing, so that no write ever waits. So one timer looks after all readers: at the connection in every look, and in
every tenth at whether the other side's kernel has acknowledged anything. What that kernel takes counts as taken.
"""

import asyncio
import fcntl
import socket
import sys
import termios
from collections.abc import Coroutine
from contextlib import suppress
from itertools import count
from typing import Any

from aiohttp import web

from hub.intake.exchange import PRIVATE
from hub.tasks import end
from protocol.limits import STALLED_SECONDS

# How long a reader that went keeps its place, at most.
LOOK_SECONDS = 0.5
# Each reader's unsent bytes are asked for in one of so many looks, so that ten thousand cost no look much.
TURNS = 10
# What the kernel keeps for one reader; by itself it would take megabytes.
SEND_BUFFER_BYTES = 64 * 1024
# What is written at once.
PIECE_BYTES = 64 * 1024

# A proxy that gathers answers would keep them from a reader that waits.
HEADERS = {**PRIVATE, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}

_number = count()


class Reader:
    """Who takes one stream; make it before the response is prepared."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._transport = request.transport
        self._response = response
        self._written = 0
        # Taken when that was looked at last, and since when no more was; no time where nothing waits to be taken.
        self._taken = 0
        self._since: float | None = None
        self._turn = next(_number) % TURNS
        self.job: asyncio.Task[Any] | None = None
        if self._transport is not None and (wire := self._transport.get_extra_info("socket")) is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def write(self, frames: bytes) -> None:
        """Write piece by piece, as fast as the reader takes them.

        Raises:
            ConnectionError: it went.
        """
        for begin in range(0, len(frames), PIECE_BYTES):
            piece = frames[begin : begin + PIECE_BYTES]
            self._written += len(piece)
            await self._response.write(piece)

    @property
    def is_gone(self) -> bool:
        """Whether the reader went."""
        return self._transport is None or self._transport.is_closing()

    def is_stalled(self, now: float, turn: int) -> bool:
        """Whether, if this is its turn, it has taken nothing for too long of what waits for it."""
        if self._transport is None or turn != self._turn:
            return False
        return self._is_stalled(now, self._unsent_bytes(self._transport))

    def _is_stalled(self, now: float, unsent_bytes: int) -> bool:
        # What HTTP puts around each piece is not counted as written, so this errs on the side of too little.
        taken = self._written - unsent_bytes
        if not unsent_bytes or taken > self._taken or self._since is None:
            self._taken, self._since = taken, now if unsent_bytes else None
            return False
        return now - self._since >= STALLED_SECONDS

    @staticmethod
    def _unsent_bytes(transport: asyncio.Transport) -> int:
        """Bytes written that the other side's kernel has not acknowledged."""
        in_kernel = b"\0\0\0\0"
        # Not while it is closing, nor on a system that does not tell of sockets.
        with suppress(OSError, ValueError, AttributeError):
            in_kernel = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, in_kernel)
        return transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    def cut(self) -> None:
        """End the connection and whatever is done for it."""
        if self._transport is not None:
            self._transport.abort()
        if self.job is not None:
            self.job.cancel()


class Readers:
    """All readers of one process."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()
        # Cut since the start, because they took nothing.
        self.stalled = 0
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None

    async def serve(self, reader: Reader, job: Coroutine[Any, Any, None]) -> None:
        """Do a job, or what can be done of it until its reader is lost; what it raises is raised here."""
        reader.job = doing = asyncio.ensure_future(job)
        self._readers.add(reader)
        self._look_later()
        try:
            await asyncio.wait((doing,))
        finally:
            self._readers.discard(reader)
            await end((doing,))
        if not doing.cancelled():
            doing.result()

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        self._turn = (self._turn + 1) % TURNS
        now = asyncio.get_running_loop().time()
        for reader in self._readers:
            if reader.is_gone:
                reader.cut()
            elif reader.is_stalled(now, self._turn):
                self.stalled += 1
                reader.cut()
        if self._readers:
            self._look_later()
