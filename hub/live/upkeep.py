"""The regular care of all connections by one timer: heartbeats, silent peers, stalled readers.

Connections stand on a wheel of slots, and each step of the timer serves one slot, so that ten thousand
heartbeats are spread over the interval and no sale's frame waits behind them all.
"""

import asyncio
from typing import Protocol

from hub.live.fanout import Counters
from hub.live.framing import BEAT
from hub.live.limits import LiveLimits
from hub.live.session import Close
from protocol.frames import CloseCode

# Steps of the timer in one heartbeat interval.
SLOTS = 20
# A peer that answered none of so many heartbeats, half an interval after the last of them, reads nothing or is gone:
# after `STALLED_SECONDS` at the usual interval, however much its own machine takes for it.
BEATS_UNANSWERED_MAX = 2
STALLED = Close(CloseCode.TRY_LATER, "nothing was taken for too long")


class Kept(Protocol):
    """A connection, as far as it is cared for."""

    # Heartbeats since the peer was last heard of.
    beats_unanswered: int

    @property
    def is_open(self) -> bool:
        """Whether frames may be written."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes written that the kernel has not taken yet."""

    @property
    def taken_bytes(self) -> int:
        """Bytes of frames that the kernel has taken; it stands still when the reader does."""

    def write(self, frames: bytes) -> None:
        """Write complete frames, unless the connection is closing."""

    def end(self, close: Close) -> None:
        """Close, without waiting."""

    def drop(self) -> None:
        """Cut the connection."""

    def __hash__(self) -> int: ...


class Upkeep:
    """Cares for all connections of one live door."""

    def __init__(self, limits: LiveLimits, counters: Counters) -> None:
        self.limits = limits
        self.counters = counters
        self._slots: list[set[Kept]] = [set() for _ in range(SLOTS)]
        self._step = 0
        # Who may be taking nothing -> (bytes taken by then, loop time since when).
        self._stalled: dict[Kept, tuple[int, float]] = {}

    def add(self, connection: Kept) -> int:
        """Begin to care; returns the slot for `remove`. The first heartbeat comes after one interval."""
        self._slots[self._step].add(connection)
        self.counters.connections += 1
        return self._step

    def remove(self, connection: Kept, slot: int) -> None:
        """Care no longer."""
        self._slots[slot].discard(connection)
        self._stalled.pop(connection, None)
        self.counters.connections -= 1

    def connections(self) -> list[Kept]:
        """All connections cared for."""
        return [connection for slot in self._slots for connection in slot]

    def watch_stalled(self, connection: Kept) -> None:
        """Begin to watch whether the reader takes anything of what is unsent."""
        if connection not in self._stalled:
            now = asyncio.get_running_loop().time()
            self._stalled[connection] = (connection.taken_bytes, now)

    async def run(self) -> None:
        """Care for ever."""
        while True:
            await asyncio.sleep(self.limits.heartbeat_seconds / SLOTS)
            self._close_stalled(asyncio.get_running_loop().time())
            self._step = (self._step + 1) % SLOTS
            for connection in self._slots[self._step]:
                self._beat(connection)
            for connection in self._slots[(self._step + SLOTS // 2) % SLOTS]:
                self._close_silent(connection)

    def _beat(self, connection: Kept) -> None:
        if connection.unsent_bytes:
            # One more heartbeat would only queue; whether this reader lives shows in what it takes.
            self.watch_stalled(connection)
        else:
            connection.beats_unanswered += 1
            connection.write(BEAT)

    def _close_silent(self, connection: Kept) -> None:
        if connection.beats_unanswered >= BEATS_UNANSWERED_MAX and connection.is_open:
            self.counters.silent_closed += 1
            connection.end(STALLED)

    def _close_stalled(self, now: float) -> None:
        for connection, (taken_before, since) in list(self._stalled.items()):
            taken = connection.taken_bytes
            if not connection.unsent_bytes or not connection.is_open:
                del self._stalled[connection]
            elif taken > taken_before:
                self._stalled[connection] = (taken, now)
            elif now - since >= self.limits.stalled_seconds:
                del self._stalled[connection]
                self.counters.slow_closed += 1
                connection.end(STALLED)
