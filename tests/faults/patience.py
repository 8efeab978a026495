"""Waiting with an end, also where a cancellation gets lost, as it may in a client of Redis on Python 3.11."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

SECONDS = 60.0


async def until(claim: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Come back when the claim holds.

    Raises:
        TimeoutError: it did not hold in time.
    """
    ends = monotonic() + seconds
    while not await claim():
        if monotonic() > ends:
            raise TimeoutError(f"{claim.__qualname__} in {seconds:g} seconds")
        await asyncio.sleep(0.02)


async def until_so(claim: Callable[[], bool], seconds: float = SECONDS) -> None:
    """The same for what needs no waiting to look at."""

    async def holds() -> bool:
        return claim()

    holds.__qualname__ = claim.__qualname__
    await until(holds, seconds)
