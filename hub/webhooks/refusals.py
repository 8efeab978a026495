"""Deliveries that are not the vendor's, in the log: soon, and seldom, for anybody may send them."""

from collections.abc import Callable
from time import monotonic

import structlog

from hub.webhooks.accounts import Party

log = structlog.get_logger()

# Between two lines about one source; what comes meanwhile is counted.
QUIET_SECONDS = 60.0
_REASON_CHARS_MAX = 300


class Refusals:
    """What was refused of each source; as many as the house has, since others are not verified."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # Source -> when it was logged last, and how many were refused since.
        self._since: dict[str, tuple[float, int]] = {}

    def note(self, party: Party, reason: str) -> None:
        """One more; it is logged if there was no line about this source for a while."""
        source, now = party.settings.id, self._clock()
        logged_at, unlogged = self._since.get(source, (None, 0))
        if logged_at is not None and now - logged_at < QUIET_SECONDS:
            self._since[source] = (logged_at, unlogged + 1)
            return
        self._since[source] = (now, 0)
        log.warning(
            "a delivery was refused",
            source=source,
            adapter=party.settings.adapter,
            reason=without_secrets(party, reason)[:_REASON_CHARS_MAX],
            unlogged=unlogged,
        )


def without_secrets(party: Party, reason: str) -> str:
    """A stranger's adapter may quote what it compared."""
    for secret in party.account.secrets:
        reason = reason.replace(secret, "…")
    return reason
