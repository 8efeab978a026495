"""How long a client waits, and when it may ask again. Pure: who waits draws the lot."""

from typing import Final

from msgspec import Struct

from protocol.limits import HEARTBEAT_SECONDS

# Timeout of the request, too early, too many: another try can succeed, as after any 5xx.
_AGAIN: Final = frozenset({408, 425, 429})
RETRY_AFTER_SECONDS_MAX: Final = 300.0
# 2 to this times the first pause is far beyond any longest one.
_DOUBLINGS_MAX: Final = 16


class Patience(Struct, frozen=True, kw_only=True):
    """The times of one client."""

    # One try of one request, and the opening of a connection.
    try_seconds: float = 15.0
    # All tries of one request; then it is `Unanswered`.
    asking_seconds: float = 60.0
    # The longest first pause; each further one may be twice as long, up to the second.
    pause_seconds: float = 0.5
    pause_seconds_max: float = 30.0
    # How often the hub says that it is there; a connection silent for two of them is dead.
    heartbeat_seconds: float = HEARTBEAT_SECONDS

    @property
    def silence_seconds(self) -> float:
        """How long a connection may bring no frame."""
        return 2 * self.heartbeat_seconds

    def pause(self, tries: int, lot: float, retry_after_seconds: float = 0.0) -> float:
        """Seconds to wait after so many failed tries, 0 before the first pause; `lot` is from 0 to 1.

        Full jitter: any time up to the bound, so that a thousand who lost the hub together do not come back together.
        What the hub asked for comes before it.
        """
        longest: float = min(self.pause_seconds_max, self.pause_seconds * 2 ** min(tries, _DOUBLINGS_MAX))
        return retry_after_seconds + lot * longest


def is_unknown(status: int) -> bool:
    """Whether an HTTP status leaves open what became of a request, so that asking again is right."""
    return status >= 500 or status in _AGAIN


def retry_after(header: str | None) -> float:
    """Seconds of a `Retry-After`, bounded; its form as a date, and nonsense, count as none."""
    text = header or ""
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    return min(float(text), RETRY_AFTER_SECONDS_MAX) if is_number else 0.0
