"""Group commit: what arrives while one call of the kernel is in flight goes into the next.

At one sale a second a batch is one command and adds nothing; at thousands a second it is what makes Python fast
enough. A fault of a call is the fault of everything in it: the outcome is unknown, and the ids make a repeat safe.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from hub.domain.command import ORDER_VERBS, REQUESTS, Fact
from hub.domain.rules import House
from hub.faults import Fault, Unavailable
from hub.patience import attempts
from hub.stock.kernel import Kernel, RulesChanged
from hub.stock.message import Command, Describe, Dismiss, Lapse, Refresh
from hub.stock.outcome import Outcome

COMMANDS_PER_CALL_MAX = 1_000
# A refresh takes Redis about 0.2 ms (four pools, four locations), and a sale that comes meanwhile waits for the call.
REFRESHES_PER_CALL_MAX = 20
_COUNTING = frozenset({"count", "close"})


class HouseNow(Protocol):
    """The house to work by; `hub.stock.current_house.CurrentHouse` is one."""

    house: House

    async def catch_up(self) -> bool:
        """Take the house that the partition holds."""


class _Ticket:
    """What one submitter waits for: its commands, answered perhaps over several calls."""

    __slots__ = ("done", "left", "outcomes")

    def __init__(self, count: int) -> None:
        self.outcomes: list[Outcome | None] = [None] * count
        self.left = count
        self.done: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()

    def answer(self, index: int, outcome: Outcome) -> None:
        self.outcomes[index] = outcome
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result([known for known in self.outcomes if known is not None])

    def fail(self, fault: Fault) -> None:
        if not self.done.done():
            self.done.set_exception(fault)


class Batcher:
    """The one queue in front of a kernel. `run` must be running while anybody submits."""

    def __init__(
        self,
        kernel: Kernel,
        current: HouseNow,
        *,
        weight_max: int,
        waiting_weight_max: int,
        on_call: Callable[[int, float], None] = lambda commands, seconds: None,
    ) -> None:
        self._kernel = kernel
        self._current = current
        # Lines × pools and serials in one call, so that a call stays within a few milliseconds of Redis.
        self._weight_max = weight_max
        # The same units waiting; beyond it the hub says 503 at once instead of growing.
        self._waiting_weight_max = waiting_weight_max
        self._waiting_weight = 0
        # What opening and closing counts took of the kernel's time since the start.
        self.counting_seconds = 0.0
        self._on_call = on_call
        self._waiting: deque[tuple[Command, _Ticket, int]] = deque()
        self._arrived = asyncio.Event()
        self._has_ended = False

    async def submit(self, commands: Sequence[Command]) -> list[Outcome]:
        """Book the commands in their order and return their outcomes.

        Raises:
            Unavailable: too much is waiting or the hub stops (nothing was sent), or a call failed (the outcome is
                unknown).
        """
        if not commands:
            return []
        if self._has_ended:
            raise Unavailable("the hub is stopping")
        weight = sum(map(self._weight, commands))
        if self._waiting and self._waiting_weight + weight > self._waiting_weight_max:
            raise Unavailable("more events are waiting than the hub can take")
        self._waiting_weight += weight
        ticket = _Ticket(len(commands))
        self._waiting.extend((command, ticket, index) for index, command in enumerate(commands))
        self._arrived.set()
        return await ticket.done

    async def run(self) -> None:
        """Send batch after batch until cancelled; what still waits then is told so."""
        try:
            while True:
                await self._arrived.wait()
                while self._waiting:
                    await self._send(self._take())
                self._arrived.clear()
        finally:
            self._has_ended = True
            for _, ticket, _ in self._waiting:
                ticket.fail(Unavailable("the hub is stopping"))
            self._waiting.clear()

    def _take(self) -> list[tuple[Command, _Ticket, int]]:
        batch: list[tuple[Command, _Ticket, int]] = []
        room = self._weight_max
        while self._waiting and len(batch) < COMMANDS_PER_CALL_MAX:
            weight = self._weight(self._waiting[0][0])
            if batch and weight > room:
                break
            room -= weight
            self._waiting_weight -= weight
            batch.append(self._waiting.popleft())
        return batch

    def refreshes_per_call(self) -> int:
        """How many refreshes make one call; whoever has more of them sends them in turn, and lets sales in between."""
        return max(1, min(REFRESHES_PER_CALL_MAX, self._weight_max // self._weight(Refresh(""))))

    def requests_per_call(self) -> int:
        """How many requests about one SKU make one call, in the same way."""
        return max(1, min(REFRESHES_PER_CALL_MAX, self._weight_max // self._request_weight()))

    def lines_per_call(self) -> int:
        """How many lines fill one call; bulk work keeps a command to so many, and lets sales in between."""
        return max(1, self._weight_max // max(1, len(self._current.house.pools)))

    def _counting_share(self, batch: list[tuple[Command, _Ticket, int]]) -> float:
        """The part of a call that its counts are answerable for."""
        counting = [command for command, _, _ in batch if isinstance(command, Fact) and command.verb in _COUNTING]
        if not counting:
            return 0.0
        return sum(map(self._weight, counting)) / sum(self._weight(command) for command, _, _ in batch)

    def _request_weight(self) -> int:
        """Of one SKU of a request or order: it looks at all positions, and passes by the house's other locations."""
        house = self._current.house
        return 2 * max(1, len(house.pools)) + len(house.locations) // 50

    def _weight(self, command: Command) -> int:
        house = self._current.house
        pools = max(1, len(house.pools))
        if isinstance(command, Refresh | Describe):
            return max(1, len(house.locations)) * pools
        if isinstance(command, Dismiss | Lapse):
            return 1
        if command.verb in REQUESTS | ORDER_VERBS:
            return max(1, len(command.lines)) * self._request_weight()
        return max(1, len(command.lines)) * pools + sum(len(line.serials) for line in command.lines)

    async def _send(self, batch: list[tuple[Command, _Ticket, int]]) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            outcomes = await self._call([command for command, _, _ in batch])
        except Fault as fault:
            for _, ticket, _ in batch:
                ticket.fail(fault)
            return
        except BaseException:
            # Stopped in mid-call, or a defect: nobody may wait for ever, whichever it is.
            for _, ticket, _ in batch:
                ticket.fail(Unavailable("the hub is stopping"))
            raise
        seconds = clock() - started
        self._on_call(len(batch), seconds)
        self.counting_seconds += seconds * self._counting_share(batch)
        for (_, ticket, index), outcome in zip(batch, outcomes, strict=True):
            ticket.answer(index, outcome)

    async def _call(self, commands: list[Command]) -> list[Outcome]:
        """One call; by rules that are not the partition's any more it wrote nothing, so it is made anew by those."""
        for _ in attempts():
            try:
                return await self._kernel.call(commands, self._current.house)
            except RulesChanged:
                await self._current.catch_up()
        raise Unavailable("the house's rules change faster than the events could be booked")
