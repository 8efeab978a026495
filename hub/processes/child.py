"""One of several processes, as the process that started it sees it: begun, asked, told, ended, and begun again."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count

import msgspec
import structlog

from hub.faults import ServerRefused
from hub.processes.lines import (
    LINE_BYTES_MAX,
    OthersReloaded,
    Ready,
    Reload,
    Reloaded,
    ReloadOthers,
    decode_from_child,
    encode,
)
from hub.roles import Given

log = structlog.get_logger()

# How long a process may take to read its file again.
RELOAD_SECONDS = 60.0
_ENDED = "it ended"

# Has the other processes take the changed file, for the one that asks.
Spread = Callable[["Child"], Awaitable[tuple[int, tuple[str, ...]]]]


class Child:
    """One process; it may be started again once it has ended."""

    def __init__(self, command: Sequence[str], given: Given, spread: Spread) -> None:
        self.number = given.number
        self.doors: Ready | None = None
        self._command = command
        self._given = given
        self._spread = spread
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[str]] = {}

    async def start(self) -> Ready:
        """Start it, and come back when it takes events.

        Raises:
            ServerRefused: it ended before that.
        """
        ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            # Ctrl-C in the terminal reaches the parent alone, which then stops them in order.
            start_new_session=True,
        )
        log.info("a process was started", process=self.number, pid=process.pid)
        self._tell(encode(self._given))
        self._hearing = asyncio.create_task(self._hear(process, ready), name=f"process {self.number}")
        self.doors = await ready
        return self.doors

    async def ended(self) -> int:
        """Wait until it has ended: its exit code, below zero the signal that ended it."""
        assert self._process is not None
        assert self._hearing is not None
        # To the end of what it says, so that it is not taken for one that still takes events.
        await asyncio.wait({self._hearing})
        self._hearing.result()
        return await self._process.wait()

    def send(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def stop(self, patience_seconds: float) -> None:
        """Have it end in order; it is killed when it takes longer."""
        if self._process is None or self._hearing is None:
            return
        self.send(signal.SIGTERM)
        _, late = await asyncio.wait({self._hearing}, timeout=patience_seconds)
        if late:
            log.warning("a process does not end in time and is killed", process=self.number)
            self.send(signal.SIGKILL)
        await self._process.wait()
        self._hearing.cancel()

    async def reload(self) -> str | None:
        """Have it take the changed file: why it did not, empty when it did; None where it does not run."""
        if self.doors is None:
            return None
        number = next(self._numbers)
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked[number] = told
        self._tell(encode(Reload(number)))
        try:
            async with asyncio.timeout(RELOAD_SECONDS):
                return await told
        except TimeoutError:
            return "it did not say in time how it went"
        finally:
            del self._asked[number]

    async def _hear(self, process: asyncio.subprocess.Process, ready: asyncio.Future[Ready]) -> None:
        """Heed what one process says, to its end."""
        assert process.stdout is not None
        spreading: set[asyncio.Task[None]] = set()
        while line := await process.stdout.readline():
            try:
                said = decode_from_child(line)
            except msgspec.MsgspecError:
                log.warning("a process says what nobody understands", process=self.number)
                continue
            match said:
                case Ready():
                    ready.set_result(said)
                case Reloaded(number, why_not) if number in self._asked:
                    self._asked[number].set_result(why_not)
                case ReloadOthers(number):
                    task = asyncio.create_task(self._have_others_reload(number), name="reload others")
                    spreading.add(task)
                    task.add_done_callback(spreading.discard)
        self.doors = None
        code = await process.wait()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(_ENDED)
        if not ready.done():
            why = f"process {self.number} ended with exit code {code} before it was ready; it said why above"
            ready.set_exception(ServerRefused(why))

    async def _have_others_reload(self, number: int) -> None:
        taken, refused = await self._spread(self)
        self._tell(encode(OthersReloaded(number, taken, refused)))

    def _tell(self, line: bytes) -> None:
        # Who has ended hears nothing; whoever waits for its answer finds out.
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line + b"\n")
