"""What was answered and then lost: said exactly where that is known, so that whoever sent it sends it again. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from hub.domain.command import OWN_SOURCE, Fact, Raising
from hub.domain.entry import Entry, Seq
from hub.domain.noticing import digest_of, own_alert
from protocol.answers import epoch_ms, rfc3339

ANSWERS_LOST = "answers_lost"
# Sources that an alert names; the log names all.
SOURCES_NAMED_MAX = 1_000


class Window(msgspec.Struct, frozen=True):
    """Entries that Redis had and the ledger does not."""

    first: Seq
    last: Seq
    # When the entry before was booked, and the last of them at the latest; UTC milliseconds.
    since_ms: int
    until_ms: int
    sources: tuple[str, ...] = ()
    # Whether these sources and no others were answered one of them.
    certain: bool = True
    # How many, where the two ends are of two epochs; 0: it follows from them.
    counted: int = 0

    @property
    def entries(self) -> int:
        """How many."""
        return self.counted or self.last.number - self.first.number + 1

    def covers(self, other: "Window") -> bool:
        """Whether it names all that the other does: its entries and its sources."""
        within = self.first <= other.first and other.last <= self.last
        return within and set(other.sources) <= set(self.sources)


class Doubt(msgspec.Struct, frozen=True):
    """Nobody who knew what was answered is left: any number of entries may have been lost, also none."""

    # The ledger's last entry: whatever was lost came behind it. None: it has none.
    after: Seq | None
    # When that was booked, and when the loss was found; UTC milliseconds.
    since_ms: int
    until_ms: int
    # Those that are known to have sent before, so each of them may have been answered.
    sources: tuple[str, ...] = ()


def entries_of(lost: Window | Doubt) -> int:
    """How many entries; what may have been lost counts as one, for nobody knows more."""
    return lost.entries if isinstance(lost, Window) else 1


def told_of(lost: Window | Doubt, sources_max: int = SOURCES_NAMED_MAX) -> dict[str, Any]:
    """What is said of it, times as RFC 3339 has them; `sources_count` is how many sources there are to name."""
    if isinstance(lost, Window):
        where = {"first": str(lost.first), "last": str(lost.last)}
        certain = lost.certain
    else:
        where, certain = {"after": "" if lost.after is None else str(lost.after)}, False
    return {
        **where,
        "since": rfc3339(lost.since_ms),
        "until": rfc3339(lost.until_ms),
        "sources": list(lost.sources[:sources_max]),
        "sources_count": len(lost.sources),
        "certain": certain,
    }


def alert_of(lost: Window | Doubt, now_ms: int) -> Fact:
    """The command that tells it: an alert `answers_lost`, its payload what is said of it."""
    payload = msgspec.json.encode(told_of(lost)).decode()
    digest = digest_of(payload)
    if isinstance(lost, Window):
        begin, about = str(lost.first), f"{lost.first}..{lost.last}"
    else:
        begin = about = f"{lost.after or ''}.."
    detail = Raising(about, entries_of(lost))
    return own_alert(ANSWERS_LOST, f"{begin}:{digest}", digest, now_ms, payload, detail)


def window_of(entry: Entry) -> Window | None:
    """The window that an entry tells of; None where it tells of none, or of more sources than it names."""
    if entry.type != ANSWERS_LOST or entry.source != OWN_SOURCE:
        return None
    told = msgspec.json.decode(entry.payload)
    if "first" not in told or told["sources_count"] != len(told["sources"]):
        return None
    first, last = (Seq.from_stream_id(told[end].partition("-")[2].encode()) for end in ("first", "last"))
    since_ms, until_ms = (epoch_ms(datetime.fromisoformat(told[end])) for end in ("since", "until"))
    counted = 0 if first.epoch == last.epoch else sum(each.quantity for each in entry.alerts)
    return Window(first, last, since_ms, until_ms, tuple(told["sources"]), certain=told["certain"], counted=counted)


def named(sources: Sequence[str], most: int) -> str:
    """The sources in a sentence, of more than `most` the first ones and how many are left out."""
    listed = ", ".join(sources[:most]) or "nobody that is known"
    return listed + (f" and {len(sources) - most:,} more" if len(sources) > most else "")
