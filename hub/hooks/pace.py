"""How many messages a process sends in a second, so that hooks leave the time to the sales."""

import asyncio

# A message that comes alone does not wait for those of the second before.
BURST_SECONDS = 0.2


class Pace:
    """Turns of all hooks, first come, first served."""

    def __init__(self, per_second: float) -> None:
        self._seconds = 1 / per_second
        # When the next message may go, by the loop's clock.
        self._free_at = 0.0

    async def turn(self) -> None:
        """Wait until a message may go."""
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - BURST_SECONDS) + self._seconds
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
