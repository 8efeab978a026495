"""How much of Redis the journal takes while the ledger is away, and when that is enough.

Sales go on without the ledger, and the journal keeps them. Before it fills Redis, everything that writes is turned away
(503): nothing that was answered is lost, and senders keep what was not. It opens again by itself once the ledger has
taken over so much that the trimmed journal is well below the limit. Each process measures for itself.
"""

import asyncio

import structlog
from redis.asyncio import Redis

from hub.faults import Unavailable
from hub.journal.reader import asked

log = structlog.get_logger()

LOOK_SECONDS = 1.0
# Redis measures a journal of 100,000 entries in a millisecond, one of a million in ten. So a longer one is measured
# again when it has grown or shrunk by this part of itself, and by its entries in between. Redis's own guess, by the
# first nodes, is none: at the beginning may stand a few large entries, like a document of the house.
MEASURED_AT_ONCE_MAX, MEASURED_AGAIN = 10_000, 0.05
# Of the limit; at it the journal is full, and below this part of it no longer.
OPEN_BELOW = 0.9
# Of Redis's own `maxmemory`, if it has one: there it refuses by itself what writes, and perhaps half way through a day.
MEMORY_FULL, MEMORY_OPEN_BELOW = 0.95, 0.9
_DOING = "The journal cannot be measured"


class Backlog:
    """The size of one journal, and whether more may be written. `run` in a task group."""

    def __init__(self, client: Redis, key: str, bytes_max: int) -> None:
        self._client = client
        self._key = key
        self.bytes_max = bytes_max
        # As measured last.
        self.bytes = 0
        # Why nothing is written; None while there is room.
        self.full_because: str | None = None
        # The entries and bytes of it when it was measured whole.
        self._measured = (0, 0)
        self._is_journal_full = False
        self._is_memory_full = False

    async def run(self) -> None:
        """Measure every second until cancelled; while Redis is away what was measured last counts."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Unavailable as fault:
                log.debug("the journal is measured later", reason=str(fault))

    async def look(self) -> None:
        """Measure once.

        Raises:
            Unavailable: Redis did not answer.
        """
        memory = await asked(_DOING, lambda: self._client.info("memory"))
        self.bytes = await self._size()
        self._is_journal_full = self.bytes >= self.bytes_max * (OPEN_BELOW if self._is_journal_full else 1)
        used, most = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
        self._is_memory_full = most > 0 and used >= most * (MEMORY_OPEN_BELOW if self._is_memory_full else MEMORY_FULL)
        self._note(self._reason())

    async def _size(self) -> int:
        entries = int(await asked(_DOING, lambda: self._client.xlen(self._key)))
        then, size = self._measured
        if entries > MEASURED_AT_ONCE_MAX and abs(entries - then) < then * MEASURED_AGAIN:
            return size * entries // then
        measured = await asked(_DOING, lambda: self._client.memory_usage(self._key, samples=0))
        self._measured = (entries, int(measured or 0))
        return self._measured[1]

    def _reason(self) -> str | None:
        if self._is_journal_full:
            return "the journal is full, because the ledger does not take over what is in it"
        return "Redis has hardly any memory left" if self._is_memory_full else None

    def _note(self, why: str | None) -> None:
        """Tell people when nothing is taken any more, and when it is again."""
        if why is not None and why != self.full_because:
            log.error("no event is taken", reason=why, journal_bytes=self.bytes, journal_bytes_max=self.bytes_max)
        elif why is None and self.full_because is not None:
            log.info("events are taken again", journal_bytes=self.bytes)
        self.full_because = why
