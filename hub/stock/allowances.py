"""What vendors let one account ask, shared by all processes of the hub: a bucket in Redis for each account.

It is of whoever asks the vendor, for whatever reason: to fetch what a delivery points at, to ask what happened, or to
tell it what is available.
"""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from redis.asyncio import Redis

from adapters.offering import Allowance
from hub.stock import keys
from hub.stock.scripts import ALLOWANCE, Script

# An account of which nobody says what it may; being left alone holds for it too.
UNBOUNDED = Allowance(per_second=1_000.0, burst=1_000.0)
# The longest that a vendor may have itself left alone, and the slowest that it may let units come back.
REST_SECONDS_MAX = 3_600.0
PER_SECOND_MIN = 0.001


class Allowances:
    """The allowances of all accounts; `allowed` says what each may ask, as the file and its adapter have it."""

    def __init__(self, client: Redis, allowed: Callable[[str], Allowance | None] = lambda account: None) -> None:
        self._client = client
        self._script = Script(ALLOWANCE)
        self.allowed = allowed
        # Source -> requests a second, where the file says less than the vendor does.
        self.slowed: Mapping[str, float] = {}

    async def take(self, account: str, cost: float = 1.0) -> float:
        """Take so many units for one question; 0: it may be asked now, else seconds after which to try to take again.

        Raises:
            Unavailable: Redis did not answer; units may have been taken.
        """
        return await self._call(account, cost)

    async def turn(self, account: str, cost: float = 1.0, *, patience_seconds: float) -> float:
        """The same after a wait, where that is not longer than so much; else when to try again, in seconds.

        Raises:
            Unavailable: as `take`.
        """
        ends = monotonic() + patience_seconds
        while (wait_seconds := await self.take(account, cost)) > 0:
            if monotonic() + wait_seconds > ends:
                return wait_seconds
            await asyncio.sleep(wait_seconds)
        return 0.0

    async def rest(self, account: str, seconds: float) -> None:
        """Leave the account alone from now on, whoever asks. Raises Unavailable."""
        await self._call(account, 0.0, rest_seconds=max(0.0, min(seconds, REST_SECONDS_MAX)))

    async def hear(self, account: str, left: float | None, per_second: float | None) -> None:
        """Take the vendor's own word for what is left, and comes back. Raises Unavailable."""
        if left is not None or per_second is not None:
            await self._call(account, 0.0, left=left, per_second=per_second)

    async def _call(
        self,
        account: str,
        cost: float,
        *,
        rest_seconds: float = 0.0,
        left: float | None = None,
        per_second: float | None = None,
    ) -> float:
        allowed = self.allowed(account) or UNBOUNDED
        if cost and (slowed := self.slowed.get(account)):
            # Each takes so much that no more of them fit into what comes back.
            cost = max(cost, allowed.per_second / slowed)
            allowed = Allowance(allowed.per_second, min(allowed.burst, max(cost, allowed.per_second)))
        arguments = (
            f"{cost:.6f}",
            f"{max(allowed.per_second, PER_SECOND_MIN):.6f}",
            f"{max(allowed.burst, 1.0):.6f}",
            int(rest_seconds * 1000),
            "" if left is None else f"{max(left, 0.0):.6f}",
            "" if per_second is None else f"{max(per_second, PER_SECOND_MIN):.6f}",
        )
        wait_ms = await self._script.call(self._client, [keys.allowance(account)], *arguments)
        assert isinstance(wait_ms, int)
        return wait_ms / 1000
