"""How long something is tried again that others change meanwhile, or waited for that others tell.

A number of tries would depend on how fast the machine is and how many others have a turn; a time does not.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

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
