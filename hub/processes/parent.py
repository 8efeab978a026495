"""A process of several, and the one that started it: what it is given, what it is told, and that it ends with it."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

import structlog

from hub.console.session import Doors
from hub.faults import Fault, ServerRefused
from hub.processes.lines import (
    LINE_BYTES_MAX,
    OthersReloaded,
    Ready,
    Reload,
    Reloaded,
    ReloadOthers,
    decode_given,
    decode_to_child,
    encode,
)
from hub.reloading import Others
from hub.roles import Given

log = structlog.get_logger()

# How long a process has to end in order once its parent was killed; its private servers end at the same time.
ALONE_SECONDS = 5.0


class Parent:
    """The process that started this one; made by `met`."""

    def __init__(self, orders: asyncio.StreamReader, given: Given) -> None:
        self._orders = orders
        self.given = given
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[Others]] = {}

    @staticmethod
    async def met() -> "Parent":
        """Read what this process is given.

        Raises:
            ServerRefused: nobody gave anything.
        """
        orders = asyncio.StreamReader(LINE_BYTES_MAX)
        protocol = asyncio.StreamReaderProtocol(orders)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        given = await orders.readline()
        if not given:
            raise ServerRefused("the process that starts the others has ended")
        return Parent(orders, decode_given(given))

    def say_ready(self, doors: Doors) -> None:
        """This process takes events."""
        _say(Ready(doors.http, doors.live, doors.admin))

    async def have_others_reload(self) -> Others:
        """Have the others take the changed file too."""
        number = next(self._numbers)
        told: asyncio.Future[Others] = asyncio.get_running_loop().create_future()
        self._asked[number] = told
        _say(ReloadOthers(number))
        try:
            return await told
        finally:
            del self._asked[number]

    async def heed(self, told_to_stop: asyncio.Event, reload: Callable[[], Awaitable[str]]) -> None:
        """Do as the parent says until it ends; then this process is told to stop, and ends in any case.

        `reload` takes the changed file, and says why it did not; empty: it did.
        """
        reloads: set[asyncio.Task[None]] = set()
        while line := await self._orders.readline():
            match decode_to_child(line):
                case Reload(number):
                    task = asyncio.create_task(_reload(number, reload), name="reload")
                    reloads.add(task)
                    task.add_done_callback(reloads.discard)
                case OthersReloaded(number, taken, refused) if number in self._asked:
                    self._asked[number].set_result(Others(taken, refused))
        if told_to_stop.is_set():
            # Nobody waits for its end any more.
            os._exit(1)
        log.error("the process that started this one has ended")
        told_to_stop.set()
        asyncio.get_running_loop().call_later(ALONE_SECONDS, os._exit, 1)
        await asyncio.Event().wait()


async def _reload(number: int, reload: Callable[[], Awaitable[str]]) -> None:
    try:
        why_not = await reload()
    except Fault as fault:
        why_not = str(fault)
    except Exception:
        log.exception("A reload met a defect.")
        why_not = "the hub has a defect"
    _say(Reloaded(number, why_not))


def _say(word: Ready | Reloaded | ReloadOthers) -> None:
    # A parent that has ended hears nothing; `heed` finds out.
    with suppress(OSError):
        sys.stdout.buffer.write(encode(word) + b"\n")
        sys.stdout.buffer.flush()
