"""The regular care of all connections by one timer: heartbeats, silent peers, stalled readers.

Connections stand on a wheel of slots, and each step of the timer serves one slot. Those that come at the same moment
are put into different ones, so that the heartbeats of ten thousand are spread however they came, and no sale's frame
waits behind more than a hundred.
"""

import asyncio
from typing import Protocol

from hub.live.fanout import Counters
from hub.live.framing import BEAT
from hub.live.limits import LiveLimits
from hub.live.session import Close
from hub.live.settled import Settled
from protocol.frames import CloseCode

# Steps of the timer in one heartbeat interval: about a millisecond's work in each, for ten thousand.
SLOTS = 200
# In each step so many parts of the stalled are looked at: each of them once a second, at the usual interval.
STALLED_PARTS = 10
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
        # How much sooner than after a whole interval the newest one has its first heartbeat, in steps.
        self._turn = 0
        self._settled = Settled(counters)
        # Who may be taking nothing -> (bytes taken by then, loop time since when).
        self._stalled: list[dict[Kept, tuple[int, float]]] = [{} for _ in range(STALLED_PARTS)]

    def add(self, connection: Kept) -> int:
        """Begin to care; returns the slot for `remove`. The first heartbeat comes in the second half of an interval."""
        self._turn = (self._turn + 1) % (SLOTS // 2)
        slot = (self._step - self._turn) % SLOTS
        self._slots[slot].add(connection)
        self.counters.connections += 1
        return slot

    def remove(self, connection: Kept, slot: int) -> None:
        """Care no longer."""
        self._slots[slot].discard(connection)
        self._part_of(connection).pop(connection, None)
        self.counters.leave()

    def connections(self) -> list[Kept]:
        """All connections cared for."""
        return [connection for slot in self._slots for connection in slot]

    def watch_stalled(self, connection: Kept) -> None:
        """Begin to watch whether the reader takes anything of what is unsent."""
        stalled = self._part_of(connection)
        if connection not in stalled:
            stalled[connection] = (connection.taken_bytes, asyncio.get_running_loop().time())

    def _part_of(self, connection: Kept) -> dict[Kept, tuple[int, float]]:
        return self._stalled[hash(connection) % STALLED_PARTS]

    async def run(self) -> None:
        """Care for ever."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            # Steps that were missed while the process was held up are not made up for: of heartbeats at once nobody
            # would have had the time to answer the first.
            due = max(due + self.limits.heartbeat_seconds / SLOTS, clock())
            await asyncio.sleep(due - clock())
            self.take_step(clock())
            self._settled.look()

    def take_step(self, now: float) -> None:
        """Serve the next slot; `now` is the loop's time."""
        self._step = (self._step + 1) % SLOTS
        self._close_stalled(self._stalled[self._step % STALLED_PARTS], now)
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

    def _close_stalled(self, stalled: dict[Kept, tuple[int, float]], now: float) -> None:
        for connection, (taken_before, since) in list(stalled.items()):
            taken = connection.taken_bytes
            if not connection.unsent_bytes or not connection.is_open:
                del stalled[connection]
            elif taken > taken_before:
                stalled[connection] = (taken, now)
            elif now - since >= self.limits.stalled_seconds:
                del stalled[connection]
                self.counters.slow_closed += 1
                connection.end(STALLED)
