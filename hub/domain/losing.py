"""What was answered and then lost: said exactly, so that whoever sent it sends it again. Pure."""

import msgspec

from hub.domain.command import Fact, Raising
from hub.domain.document import instant
from hub.domain.entry import Seq
from hub.domain.noticing import digest_of, own_alert

# Sources that an alert names; the log names all.
SOURCES_NAMED_MAX = 1_000


class Window(msgspec.Struct, frozen=True):
    """Entries that Redis lost before the ledger had them. No answer of 200 is among them."""

    first: Seq
    last: Seq
    # When the entry before was booked, and the last of them at the latest; UTC milliseconds.
    since_ms: int
    until_ms: int
    sources: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """How many."""
        return self.last.number - self.first.number + 1


def alert_of(window: Window, now_ms: int) -> Fact:
    """The command that tells a window: an alert `answers_lost`, its payload the window."""
    told = {
        "first": str(window.first),
        "last": str(window.last),
        "since": instant(window.since_ms),
        "until": instant(window.until_ms),
        "sources": window.sources[:SOURCES_NAMED_MAX],
        "sources_count": len(window.sources),
    }
    payload = msgspec.json.encode(told).decode()
    digest = digest_of(payload)
    detail = Raising(f"{window.first}..{window.last}", window.entries)
    return own_alert("answers_lost", f"{window.first}:{digest}", digest, now_ms, payload, detail)
