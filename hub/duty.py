"""What one process of a hub does for all of them, and what it does while another has that duty.

The process that has the lease writes the ledger, gives back what is over, watches and samples; the others hear from it
how far the ledger is. When it ends, another goes on within some seconds: at once when it gave the lease back, else when
its lease is over. All of it may be done by two processes for a moment, so nothing here protects anything. While Redis
is away nobody can take the lease over, and who has it goes on.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

import structlog

from hub.faults import Fault, Unavailable
from hub.tasks import end

log = structlog.get_logger()

# How often who has the lease says so again, and how often another tries to take it.
RENEW_SECONDS = 1.0
LOOK_SECONDS = 0.5

Jobs = Mapping[str, Callable[[], Coroutine[Any, Any, None]]]


class Lease(Protocol):
    """Who has the duty; `hub.stock.lease.Lease` is one. Each call may raise Unavailable."""

    async def hold(self) -> bool:
        """Take it if nobody has it, or go on having it; whether this process has it now."""
        ...

    async def take(self) -> None:
        """Take it from whoever has it."""
        ...

    async def give_back(self) -> None:
        """Have it no more."""
        ...


class Duty:
    """One process's part. Each job is begun anew each time it is this process's turn."""

    def __init__(
        self,
        lease: Lease | None,
        *,
        held: Jobs,
        otherwise: Jobs,
        is_alone: Callable[[], bool] = lambda: False,
    ) -> None:
        # None: this process never has the duty.
        self._lease = lease
        self._held = dict(held)
        self._otherwise = otherwise
        # Whether nobody else works with the hub, as far as anybody can tell.
        self._is_alone = is_alone
        self.is_held = False
        # Told, without waiting, when this process takes the duty.
        self.on_taken: list[Callable[[], None]] = []
        self._only: frozenset[str] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._has_looked = False
        self._has_begun = False

    async def run(self) -> None:
        """Take the duty when nobody has it, until cancelled; what ends a job by a defect is raised here."""
        self._has_begun = True
        try:
            while True:
                await self._look()
                await self._pause(RENEW_SECONDS if self.is_held or self._lease is None else LOOK_SECONDS)
        finally:
            was_held, self.is_held, self._has_begun = self.is_held, False, False
            await end(self._tasks.values())
            if self._lease is not None and was_held:
                with suppress(Fault):
                    await self._lease.give_back()

    def add(self, name: str, job: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """One more job of who has the duty."""
        self._held[name] = job
        self._begin()

    async def keep_only(self, names: Collection[str]) -> None:
        """End all jobs but these; from now on no others are begun."""
        self._only = frozenset(names)
        await self._end(self._tasks.keys() - self._only)

    async def _look(self) -> None:
        is_held = self.is_held
        try:
            if self._lease is not None:
                if not self._has_looked and self._is_alone():
                    # Who had it was killed a moment ago, and nobody but this process can have its work.
                    await self._lease.take()
                is_held = await self._lease.hold()
            self._has_looked = True
        except Unavailable as fault:
            log.debug("who has the duty is looked at later", reason=str(fault))
        if is_held is not self.is_held:
            log.info("this process works for all" if is_held else "another process works for all")
            self.is_held = is_held
            await self._end(self._tasks.keys() - self._wanted().keys())
            if is_held:
                for tell in self.on_taken:
                    tell()
        self._begin()

    def _begin(self) -> None:
        """Begin what is wanted now and does not run."""
        if not self._has_begun:
            return
        for name, job in self._wanted().items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(job(), name=name)

    def _wanted(self) -> Jobs:
        jobs = self._held if self.is_held else self._otherwise
        return {name: job for name, job in jobs.items() if self._only is None or name in self._only}

    async def _end(self, names: Collection[str]) -> None:
        # Taken out first: what is told to end is no defect.
        await end([self._tasks.pop(name) for name in list(names)])

    async def _pause(self, seconds: float) -> None:
        """Wait until the next look, or raise what ended a job."""
        if not self._tasks:
            await asyncio.sleep(seconds)
            return
        done, _ = await asyncio.wait(self._tasks.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task in self._tasks.values():
                task.result()
                raise AssertionError(f"{task.get_name()} ended by itself")
