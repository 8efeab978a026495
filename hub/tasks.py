"""End tasks for good."""

import asyncio
from collections.abc import Iterable
from typing import Any

# A cancellation can get lost when it meets the very moment at which something inside the task times out or ends
# (asyncio.wait_for before Python 3.12); the task then goes on and must be told again.
REPEAT_SECONDS = 0.5


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until each has ended, however it ends."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=REPEAT_SECONDS)
