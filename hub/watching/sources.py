"""Watch who sends: a source that is silent for longer than usual is told once, and rules may hold back stock meanwhile.

The path of one silence: events come to the ledger → too long since the last → an alert in the journal → the rules
that name the source hold → it is heard again → they do not. Several processes may watch: the alert's id is the
silence's own, so it is told once. Who takes the watch over goes on where the other was: whom the rules know as silent
is silent until it is heard.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from hub.domain.command import OWN_SOURCE, Fact, Raising
from hub.domain.noticing import digest_of, own_alert
from hub.domain.silence import Rhythm, Silence, Sources
from hub.faults import Fault
from hub.patience import Trouble

LOOK_SECONDS = 1.0
# How often what is usual is written down; a restart forgets at most so much.
KEEP_SECONDS = 60.0


class Memory(Protocol):
    """Where the rhythms of the sources outlive a restart: the ledger."""

    async def load(self) -> dict[str, Rhythm]:
        """All of them."""
        ...

    async def keep(self, rhythms: Mapping[str, Rhythm]) -> None:
        """Write these down in place of what was there."""
        ...


class SourceWatch:
    """The watch over one partition's sources."""

    def __init__(
        self,
        memory: Memory,
        *,
        raise_alert: Callable[[Fact], Awaitable[object]],
        on_stale: Callable[[frozenset[str]], Awaitable[object]],
        stated_seconds: Callable[[], Mapping[str, int]],
        clock: Callable[[], float],
        held_stale: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._memory = memory
        self._raise_alert = raise_alert
        self._on_stale = on_stale
        self._stated_seconds = stated_seconds
        # Seconds; stands still while the ledger lags behind, for then nobody knows who was heard.
        self._clock = clock
        # Whom the rules know as silent.
        self._held_stale = held_stale
        self._sources = Sources()
        self._changed: set[str] = set()
        self._kept_at = 0.0
        # The silences told, so that each is told once.
        self._told: dict[str, int] = {}
        # For metrics and the rules.
        self.stale: frozenset[str] = frozenset()

    def hear(self, heard: Iterable[tuple[str, int]]) -> None:
        """Take (source, booked at in ms) of the events that came to the ledger, in their order."""
        for source, at_ms in heard:
            if source != OWN_SOURCE:
                self._sources.hear(source, at_ms)
                self._changed.add(source)

    async def run(self) -> None:
        """Look around every second until cancelled; stores that are away are waited for."""
        trouble = Trouble("the watch over the sources goes on later", "the watch over the sources goes on")
        try:
            await self._remember()
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                try:
                    await self.look()
                    await self._keep()
                    trouble.note_over()
                except Fault as fault:
                    trouble.note(fault)
        finally:
            # Whoever is heard from now on is heard by another process: of silences this one knows nothing any more.
            self._sources, self._changed, self._told, self.stale = Sources(), set(), {}, frozenset()

    async def look(self) -> None:
        """Tell new silences, and let the rules know who is silent."""
        silences = self._sources.silent(int(self._clock() * 1000), self._stated_seconds())
        for silence in silences:
            if self._told.get(silence.source) != silence.last_heard_ms:
                await self._raise_alert(alert_of(silence))
                self._told[silence.source] = silence.last_heard_ms
        stale = frozenset(silence.source for silence in silences)
        if stale != self.stale:
            await self._on_stale(stale)
            self._told = {source: at_ms for source, at_ms in self._told.items() if source in stale}
            self.stale = stale

    async def _remember(self) -> None:
        """What was usual before the start; whoever was heard since the start counts from then on."""
        trouble = Trouble("what is usual is not known yet", "what is usual is known now")
        while True:
            try:
                known = await self._memory.load()
                trouble.note_over()
                break
            except Fault as fault:
                trouble.note(fault)
                await asyncio.sleep(LOOK_SECONDS)
        self.stale = frozenset(self._held_stale())
        # While no hub ran nobody could be heard, so nobody was silent either.
        now_ms = int(self._clock() * 1000)
        for source, rhythm in known.items():
            if source not in self.stale:
                rhythm.last_heard_ms = max(rhythm.last_heard_ms, now_ms)
        self._sources = Sources(known | self._sources.rhythms)

    async def _keep(self) -> None:
        if self._changed and self._clock() >= self._kept_at + KEEP_SECONDS:
            rhythms = self._sources.rhythms
            changed, self._changed = self._changed, set()
            await self._memory.keep({source: rhythms[source] for source in changed if source in rhythms})
            self._kept_at = self._clock()


def alert_of(silence: Silence) -> Fact:
    """The command that tells a silence; its id says since when, so that it is told once."""
    content = f"{silence.source}:{silence.last_heard_ms}"
    detail = Raising(silence.source, silence.silent_seconds)
    return own_alert("stale_source", content, digest_of(content), silence.last_heard_ms, detail=detail)
