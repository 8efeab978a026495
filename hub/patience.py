"""How long something is tried again that others change meanwhile, or waited for that others tell; what is said of it.

A number of tries would depend on how fast the machine is and how many others have a turn; a time does not.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import structlog

log = structlog.get_logger()

SECONDS = 5.0


def attempts(seconds: float = SECONDS) -> Iterator[None]:
    """Yield at least once, and then again until so many seconds have passed."""
    ends = monotonic() + seconds
    yield
    while monotonic() < ends:
        yield


async def news_within(news: asyncio.Event, seconds: float) -> None:
    """Wait until somebody has news, at most so long; then they are no news any more."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()
    news.clear()


class Trouble:
    """What fails again and again: told when it begins and when its reason changes, and once when it is over."""

    def __init__(self, said: str, over: str) -> None:
        self._said = said
        self._over = over
        # As told last; empty while there is none.
        self._reason = ""

    def note(self, fault: Exception, **about: object) -> None:
        """It failed once more."""
        reason = str(fault) or type(fault).__name__
        if self._reason != reason:
            log.warning(self._said, reason=reason, **about)
        self._reason = reason

    def note_over(self) -> None:
        """It went well."""
        if self._reason:
            log.info(self._over)
        self._reason = ""
