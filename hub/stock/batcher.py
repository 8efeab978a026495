"""Group commit: what arrives while one call of the kernel is in flight goes into the next.

At one sale a second a batch is one command and adds nothing; at thousands a second it is what makes Python fast
enough. A fault of a call is the fault of everything in it: the outcome is unknown, and the ids make a repeat safe.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from hub.crashpoints import crash
from hub.domain.command import Fact
from hub.domain.rules import House
from hub.faults import Fault, Unavailable
from hub.patience import attempts
from hub.stock.kernel import Kernel, RulesChanged
from hub.stock.message import Command, Refresh
from hub.stock.outcome import Outcome
from hub.stock.weighing import COMMAND, line_weight, sku_weight, weight

COMMANDS_PER_CALL_MAX = 1_000
# What a call weighs at most while little waits, about 2 ms of Redis: a sale that comes meanwhile waits for the call.
CALM_WEIGHT = 200
# The refreshes of one call; a sweep makes thousands of such calls, and each is to be as short as a few sales.
REFRESHES_WEIGHT = 100
# In a rush whoever comes waits for all that came before, and larger calls get through with it sooner: then a call takes
# this part of what waits, up to the limit of the settings.
RUSH_PART = 8
# A journal that is full is not empty again in a moment.
FULL_RETRY_SECONDS = 10
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


class _Place(NamedTuple):
    """One command in the queue."""

    command: Command
    # As of when it came.
    weight: int
    ticket: _Ticket
    # Among its submitter's commands.
    number: int


def _counting_share(batch: Sequence[_Place]) -> float:
    """The part of a call that its counts are answerable for."""
    counting = sum(
        place.weight for place in batch if isinstance(place.command, Fact) and place.command.verb in _COUNTING
    )
    return counting / sum(place.weight for place in batch)


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
        full_because: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._kernel = kernel
        self._current = current
        # Of one call in a rush, in units of `hub.stock.weighing`; a command that is heavier by itself goes alone.
        self._weight_max = weight_max
        # The same units waiting; beyond it the hub says 503 at once instead of growing.
        self._waiting_weight_max = waiting_weight_max
        self._waiting_weight = 0
        # What opening and closing counts took of the kernel's time since the start.
        self.counting_seconds = 0.0
        self._on_call = on_call
        # Why there is no room for anything new; None while there is.
        self._full_because = full_because
        self._waiting: deque[_Place] = deque()
        self._arrived = asyncio.Event()
        self._has_ended = False

    async def submit(self, commands: Sequence[Command]) -> list[Outcome]:
        """Book the commands in their order and return their outcomes.

        Raises:
            Unavailable: too much is waiting, the journal is full or the hub stops (nothing was sent), or a call failed
                (the outcome is unknown).
        """
        if not commands:
            return []
        if self._has_ended:
            raise Unavailable("the hub is stopping")
        # What is only shown anew takes little, and whoever asks for it reads.
        if (why := self._full_because()) and not all(isinstance(command, Refresh) for command in commands):
            raise Unavailable(why, FULL_RETRY_SECONDS)
        house = self._current.house
        weights = [weight(command, house) for command in commands]
        if self._waiting and self._waiting_weight + sum(weights) > self._waiting_weight_max:
            raise Unavailable("more events are waiting than the hub can take")
        self._waiting_weight += sum(weights)
        ticket = _Ticket(len(commands))
        self._waiting.extend(
            _Place(command, own, ticket, number)
            for number, (command, own) in enumerate(zip(commands, weights, strict=True))
        )
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
            for place in self._waiting:
                place.ticket.fail(Unavailable("the hub is stopping"))
            self._waiting.clear()

    def _take(self) -> list[_Place]:
        batch: list[_Place] = []
        room = max(self._calm_weight(), min(self._weight_max, self._waiting_weight // RUSH_PART))
        while self._waiting and len(batch) < COMMANDS_PER_CALL_MAX:
            heavy = self._waiting[0].weight
            if batch and heavy > room:
                break
            room -= heavy
            self._waiting_weight -= heavy
            batch.append(self._waiting.popleft())
        return batch

    def _calm_weight(self) -> int:
        return min(CALM_WEIGHT, self._weight_max)

    def refreshes_per_call(self) -> int:
        """How many refreshes make one call; whoever has more of them sends them in turn, and lets sales in between."""
        return max(1, min(REFRESHES_WEIGHT, self._weight_max) // weight(Refresh(""), self._current.house))

    def requests_per_call(self) -> int:
        """How many requests about one SKU make one call, in the same way."""
        return max(1, min(REFRESHES_WEIGHT, self._weight_max) // (COMMAND + sku_weight(self._current.house)))

    def lines_per_call(self) -> int:
        """How many lines of a count fill one call, also the one that closes it; bulk work counts so many at a time."""
        return max(1, (self._calm_weight() - COMMAND) // line_weight(self._current.house, closing=True))

    async def _send(self, batch: list[_Place]) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            if crash.armed:
                await crash.at("batch taken")
            outcomes = await self._call([place.command for place in batch])
            if crash.armed:
                await crash.at("batch answered")
        except Fault as fault:
            for place in batch:
                place.ticket.fail(fault)
            return
        except BaseException:
            # Stopped in mid-call, or a defect: nobody may wait for ever, whichever it is.
            for place in batch:
                place.ticket.fail(Unavailable("the hub is stopping"))
            raise
        seconds = clock() - started
        self._on_call(len(batch), seconds)
        self.counting_seconds += seconds * _counting_share(batch)
        for place, outcome in zip(batch, outcomes, strict=True):
            place.ticket.answer(place.number, outcome)

    async def _call(self, commands: list[Command]) -> list[Outcome]:
        """One call; by rules that are not the partition's any more it wrote nothing, so it is made anew by those."""
        for _ in attempts():
            try:
                return await self._kernel.call(commands, self._current.house)
            except RulesChanged:
                await self._current.catch_up()
        raise Unavailable("the house's rules change faster than the events could be booked")
