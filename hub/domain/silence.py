"""How often each source is heard, and which has been silent for longer than it usually is. Pure.

Usual is the longest gap of the last days, so that a shop that closes at night is not missed every night; half as
much again, and at least five minutes, is too long. Where somebody has said how long a source may be silent, that
holds instead. Not before a source was heard for a day is anything usual.
"""

from collections.abc import Mapping

import msgspec

from hub.domain.remembering import DAY_MS

GAP_MIN_MS = 5 * 60_000
USUAL_TIMES = 1.5
DAYS_KEPT = 8
EVENTS_MIN = 20
# The ones silent longest are forgotten first.
SOURCES_MAX = 10_000


class Rhythm(msgspec.Struct):
    """When one source was heard; times in UTC milliseconds by the kernel's clock."""

    first_heard_ms: int
    last_heard_ms: int
    events: int = 1
    # Day since 1970 -> the longest gap that ended on it, in milliseconds.
    longest: dict[int, int] = {}

    def hear(self, at_ms: int) -> None:
        """The source was heard."""
        gap_ms = at_ms - self.last_heard_ms
        if gap_ms > 0:
            day = at_ms // DAY_MS
            self.longest[day] = max(gap_ms, self.longest.get(day, 0))
            self.last_heard_ms = at_ms
        self.events += 1
        if len(self.longest) > DAYS_KEPT:
            del self.longest[min(self.longest)]

    def allowed_ms(self) -> int | None:
        """How long it may be silent; None while too little is known."""
        if self.events < EVENTS_MIN or self.last_heard_ms - self.first_heard_ms < DAY_MS or not self.longest:
            return None
        return max(GAP_MIN_MS, int(USUAL_TIMES * max(self.longest.values())))


class Silence(msgspec.Struct, frozen=True):
    """A source that is silent for too long."""

    source: str
    last_heard_ms: int
    silent_seconds: int


class Sources:
    """All sources that were heard."""

    def __init__(self, known: Mapping[str, Rhythm] | None = None) -> None:
        self.rhythms: dict[str, Rhythm] = dict(known or {})

    def hear(self, source: str, at_ms: int) -> None:
        """An event of the source was booked."""
        rhythm = self.rhythms.get(source)
        if rhythm is not None:
            rhythm.hear(at_ms)
            return
        if len(self.rhythms) >= SOURCES_MAX:
            del self.rhythms[min(self.rhythms, key=lambda name: self.rhythms[name].last_heard_ms)]
        self.rhythms[source] = Rhythm(at_ms, at_ms)

    def silent(self, now_ms: int, stated_seconds: Mapping[str, int]) -> list[Silence]:
        """The sources silent for too long, by name; `stated_seconds` says how long some may be."""
        found = []
        for source, rhythm in sorted(self.rhythms.items()):
            stated = stated_seconds.get(source)
            allowed_ms = rhythm.allowed_ms() if stated is None else stated * 1000
            silent_ms = now_ms - rhythm.last_heard_ms
            if allowed_ms is not None and silent_ms > allowed_ms:
                found.append(Silence(source, rhythm.last_heard_ms, silent_ms // 1000))
        return found
