"""Senders beside a hub, with a clock that a test sets."""

import asyncio
from collections import Counter
from collections.abc import Callable
from time import time
from typing import Any
from uuid import UUID

import asyncpg

from hub.access import Secret
from hub.domain.entry import Seq
from hub.domain.hook_addresses import networks_of
from hub.domain.hooks import HookState
from hub.hooks.means import Means
from hub.hooks.pace import Pace
from hub.hooks.resolving import look_up
from hub.hooks.sending import Sending
from hub.intake.sealing import Sealing
from hub.journal.watermark import Watermark
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.feed import FeedEntries
from hub.ledger.hooks import Hooks
from hub.settings.tree import Hook
from hub.tasks import end
from tests.conftest import until_holds
from tests.hooks.receiving import SECRET, Receiver
from tests.intake.door import Door, line

_names = iter(range(1_000_000))


class Station:
    """What sends to hooks; nobody else does."""

    def __init__(self, door: Door, ledger: asyncpg.Connection, dsn: str) -> None:
        self.door = door
        self.dsn = dsn
        self.ledger = ledger
        self.later_seconds = 0.0
        # How often a sender asked for the time.
        self.looks = 0
        self.outcomes = Counter[tuple[str, str]]()
        self.allowed = ("127.0.0.1/32",)
        self.look_up: Any = look_up
        self.watermark = Watermark()
        self.tasks: list[asyncio.Task[None]] = []
        self._asked: list[Asking] = []
        # To look with, as an operator does.
        self.memory = Hooks(Link(dsn, "looking"))

    def hook(self, receiver: Receiver, *types: str, secrets: str = SECRET, url: str = "") -> Hook:
        """A hook that nobody had before."""
        return Hook(f"hook-{next(_names)}", Secret(url or receiver.url), Secret(secrets), types)

    async def send_to(self, *hooks: Hook) -> Sending:
        """Send to these; come back when it is begun."""
        sending = await self.start(*hooks)
        for hook in hooks:
            await self.until(hook, lambda state: True)
        return sending

    async def start(self, *hooks: Hook) -> Sending:
        """The same, without waiting for anything."""
        row = await self.ledger.fetchrow("SELECT hub FROM hub.hub_state")
        asking = Asking(Link(self.dsn, "hook feed"), deadline_seconds=10)
        self._asked.append(asking)
        means = Means(
            memory=Hooks(Link(self.dsn, "hooks")),
            happened=FeedEntries(asking),
            watermark=self.watermark,
            sealing=Sealing(UUID(str(row["hub"]))),
            pace=Pace(10_000),
            allowed=networks_of(self.allowed),
            on_attempt=lambda hook, outcome: self.outcomes.update([(hook, outcome)]),
            clock=self._clock,
            look_up=self.look_up,
        )
        sending = Sending(hooks, means)
        self.tasks.append(asyncio.create_task(sending.run()))
        return sending

    def _clock(self) -> float:
        self.looks += 1
        return time() + self.later_seconds

    async def look_on(self) -> None:
        """Let senders look several times at what there is to do."""
        enough = self.looks + 50

        async def have_looked() -> bool:
            return self.looks >= enough

        await until_holds(have_looked)

    async def stop(self) -> None:
        await end(self.tasks)
        self.tasks.clear()

    async def aclose(self) -> None:
        await self.stop()
        for each in (*self._asked, self.memory):
            await each.aclose()

    async def receive(self, count: int) -> list[str]:
        """So many SKUs arrive; their names."""
        skus = [f"BAG-{next(_names)}" for _ in range(count)]
        reply = await self.door.send([self.door.receipt(line(sku, 1)) for sku in skus])
        assert {each["status"] for each in reply.json()} == {"applied"}
        await self.catch_up()
        return skus

    async def catch_up(self) -> None:
        """Let senders know how far the ledger is."""
        row = await self.ledger.fetchrow("SELECT cursor_epoch, cursor_seq FROM hub.hub_state")
        if row["cursor_epoch"] is not None:
            self.watermark.advance(Seq(row["cursor_epoch"], row["cursor_seq"]))

    async def state(self, hook: Hook) -> HookState:
        state = await self.memory.state(hook.id)
        assert state is not None
        return state

    async def until(self, hook: Hook, claim: Callable[[HookState], bool]) -> HookState:
        """Wait until it holds of what the ledger knows of a hook."""

        async def holds() -> bool:
            state = await self.memory.state(hook.id)
            return state is not None and claim(state)

        await until_holds(holds)
        return await self.state(hook)

    async def is_caught_up(self, hook: Hook) -> HookState:
        return await self.until(hook, lambda state: not state.behind_since and not state.pending)
