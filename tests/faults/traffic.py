"""Clients at work and screens that watch, for as long as something is broken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hub.tasks import end
from tests.faults.clients import Client
from tests.faults.judge import Judge
from tests.faults.patience import SECONDS, until_so
from tests.faults.town import Town
from tests.faults.watchers import Watcher


class Traffic:
    """What runs meanwhile."""

    def __init__(
        self, town: Town, watchers: list[Watcher], working: list[asyncio.Task[None]], stop: asyncio.Event, judge: Judge
    ) -> None:
        self.town = town
        self._working = working
        self._stop = stop
        self.watchers = watchers
        self.judge = judge

    async def goes_on(self, more: int, seconds: float = SECONDS) -> None:
        """Come back when so many more things were answered."""
        aim = self.answers() + more

        await until_so(lambda: self.answers() >= aim or any(task.done() for task in self._working), seconds)
        for task in self._working:
            if task.done():
                task.result()

    async def ends(self) -> None:
        """Let nobody send any more, and wait for the last answers."""
        self._stop.set()
        await asyncio.wait_for(asyncio.gather(*self._working), 60)

    def answers(self) -> int:
        return sum(len(sent.answers) for sent in self.town.log)

    def unknown(self) -> int:
        return sum(sent.unknown for sent in self.town.log)

    async def until(self, claim: Callable[[], bool]) -> None:
        await until_so(claim)


@asynccontextmanager
async def working(
    town: Town, seed: object, *, clients: int = 4, watchers: int = 2, drops: float = 0.01
) -> AsyncIterator[Traffic]:
    """Traffic inside the block, until its `ends`; the screens watch to the end of the block."""
    stop = asyncio.Event()
    screens = [Watcher(town, f"screen-{number}", seed, drops=drops) for number in range(watchers)]
    watching = [asyncio.create_task(screen.watch()) for screen in screens]
    tills = [asyncio.create_task(Client(town, f"{seed}-till-{n}", seed).work(stop)) for n in range(clients)]
    try:
        yield Traffic(town, screens, tills, stop, Judge(town, screens, seed))
    finally:
        await end([*tills, *watching])


@asynccontextmanager
async def traffic(
    town: Town, seed: object, *, clients: int = 4, watchers: int = 2, drops: float = 0.01
) -> AsyncIterator[Traffic]:
    """The same; behind the block nobody sends any more, and the judge finds nothing."""
    async with working(town, seed, clients=clients, watchers=watchers, drops=drops) as made:
        yield made
        await made.ends()
        verdict = await made.judge.judge()
        assert verdict.is_clean, f"seed {seed}: {verdict}"
