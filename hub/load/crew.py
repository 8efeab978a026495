"""The processes of a load, seen from the one that started them."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec

from hub.faults import Fault, Unavailable
from hub.load.options import Share
from hub.load.telling import Begin, Failed, Final, FromWorker, Look, Ready, Second, Sent, Stop, ToWorker

_LINE_BYTES_MAX = 64 * 1024 * 1024
# All have heard of the beginning by then.
_BEGIN_SECONDS = 0.3
_PREPARE_SECONDS_MAX = 120.0
_END_SECONDS_MAX = 5.0
_decode = msgspec.json.Decoder(FromWorker).decode


class _One:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._in, self._out = process, process.stdin, process.stdout

    def tell(self, message: ToWorker | Share) -> None:
        """Say something."""
        self._in.write(msgspec.json.encode(message) + b"\n")

    async def next(self) -> FromWorker:
        """What it says next.

        Raises:
            Fault: it cannot go on, or is gone.
        """
        line = await self._out.readline()
        if not line:
            code = await self._process.wait()
            raise Fault(f"a process of the load ended with {code}; what it said stands above")
        message: FromWorker = _decode(line)
        if isinstance(message, Failed):
            raise Unavailable(message.reason)
        return message

    async def end(self) -> None:
        """Let it end, and see that it does."""
        self._in.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_SECONDS_MAX)
        except TimeoutError:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


class Crew:
    """All processes; each method waits for all of them."""

    def __init__(self, ones: list[_One], second: Callable[[int, Second], None]) -> None:
        self._ones = ones
        # Told of each second of each process.
        self._second = second
        self._is_stopped = False

    async def prepare(self) -> None:
        """Wait until all have opened what they need.

        Raises:
            Fault: one cannot go on.
        """
        async with asyncio.timeout(_PREPARE_SECONDS_MAX):
            await self._all(Ready)

    async def run(self) -> None:
        """Send the load, to its end. Raises Fault as `prepare`."""
        self._tell(Begin(time.monotonic() + _BEGIN_SECONDS))
        await self._all(Sent)

    async def look(self) -> list[Final]:
        """Let each compare what its sockets hold with the truth. Raises Fault as `prepare`."""
        self._tell(Look())
        found = await self._all(Final)
        return [message for message in found if isinstance(message, Final)]

    def stop(self) -> None:
        """Let nothing more become due."""
        if not self._is_stopped:
            self._is_stopped = True
            self._tell(Stop())

    def _tell(self, message: ToWorker) -> None:
        for one in self._ones:
            one.tell(message)

    async def _all(self, kind: type[Ready | Sent | Final]) -> list[FromWorker]:
        return await asyncio.gather(*(self._until(number, kind) for number in range(len(self._ones))))

    async def _until(self, number: int, kind: type[Ready | Sent | Final]) -> FromWorker:
        while not isinstance(message := await self._ones[number].next(), kind):
            if isinstance(message, Second):
                self._second(number, message)
        return message


@asynccontextmanager
async def crew(shares: list[Share], second: Callable[[int, Second], None]) -> AsyncIterator[Crew]:
    """Start a process for each share; they end with the block."""
    ones: list[_One] = []
    try:
        for share in shares:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub.load.process"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES_MAX,
                # A terminal's Ctrl-C is for the one that started them.
                start_new_session=True,
            )
            ones.append(_One(process))
            ones[-1].tell(share)
        yield Crew(ones, second)
    finally:
        await asyncio.gather(*(one.end() for one in ones))
