"""All hooks of one process, each with a task of its own, and what a reload does to them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import structlog

from hub.faults import Fault
from hub.hooks.means import Means
from hub.hooks.sender import Sender
from hub.settings.tree import Hook
from hub.tasks import end
from hub.telemetry import Metrics

log = structlog.get_logger()


class _Running(NamedTuple):
    sender: Sender
    task: asyncio.Task[None]


class Sending:
    """Sends to the hooks of the settings; `run` in a task."""

    def __init__(self, hooks: Sequence[Hook], means: Means) -> None:
        self._hooks = tuple(hooks)
        self._means = means
        self._running: dict[str, _Running] = {}
        self._changed = asyncio.Event()
        # Hooks that metrics were told of.
        self._told: set[str] = set()

    def take(self, hooks: Sequence[Hook]) -> bool:
        """Send to these from now on; False: they are those already."""
        if tuple(hooks) == self._hooks:
            return False
        self._hooks = tuple(hooks)
        self._changed.set()
        return True

    async def prepare(self) -> None:
        """Have the ledger know every hook, so that what happens from now on is sent. Raises Fault: it is away."""
        for hook in self._hooks:
            await self._means.memory.make(hook.id)

    async def run(self) -> None:
        """Send until cancelled."""
        is_first = True
        try:
            while True:
                self._changed.clear()
                wanted = {hook.id: hook for hook in self._hooks}
                await self._end([each for id, each in self._running.items() if each.sender.hook != wanted.get(id)])
                for hook in wanted.values():
                    if hook.id not in self._running:
                        # Whoever changed it means it: also where its receiver wanted nothing more.
                        self._start(hook, resume=not is_first)
                is_first = False
                await self._changed.wait()
        finally:
            await end(each.task for each in self._running.values())
            await self._means.memory.aclose()

    def _start(self, hook: Hook, *, resume: bool) -> None:
        sender = Sender(hook, self._means)
        self._running[hook.id] = _Running(sender, asyncio.create_task(sender.run(resume=resume), name="hook"))
        log.info("hook", hook=hook.id, host=sender.host)

    async def _end(self, ended: list[_Running]) -> None:
        await end(each.task for each in ended)
        for each in ended:
            del self._running[each.sender.hook.id]
            # What ended in the middle of a question has lost its connection, and the locks with it.
            with suppress(Fault):
                await self._means.memory.release(each.sender.hook.id)

    def take_readings(self, metrics: Metrics) -> None:
        """Tell how every hook is that this process sends to, and nothing of others."""
        found = {id: reading for id, each in self._running.items() if (reading := each.sender.reading()) is not None}
        gauges = (metrics.hook_pending, metrics.hook_dead, metrics.hook_lag_seconds, metrics.hook_stopped)
        for id in self._told - found.keys():
            for gauge in gauges:
                gauge.remove(id)
        self._told = set(found)
        for id, reading in found.items():
            for gauge, value in zip(gauges, reading, strict=True):
                gauge.labels(id).set(value)
