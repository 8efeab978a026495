"""A process of a load: `python -m hub.load.process`, which is given its share on standard input and tells on standard
output. It ends when its standard input does, so that none outlives the one that started it.
"""

import asyncio
import os
import resource
import select
import selectors
import sys
from typing import BinaryIO

import msgspec

from hub.faults import Fault
from hub.load.options import Share
from hub.load.telling import Begin, Failed, FromWorker, Look, Ready, Sent, Stop, ToWorker
from hub.load.worker import Worker

_decode = msgspec.json.Decoder(ToWorker).decode
_LINE_BYTES_MAX = 64 * 1024 * 1024


class _Told:
    """What was told by the one that started this process."""

    def __init__(self) -> None:
        self.begin: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.look = asyncio.Event()
        self.worker: Worker | None = None

    async def listen(self, lines: asyncio.StreamReader) -> None:
        """Take what comes, until the end."""
        while line := await lines.readline():
            match _decode(line):
                case Begin(at=at):
                    self.begin.set_result(at)
                case Look():
                    self.look.set()
                case Stop() if self.worker is not None:
                    self.worker.stop("it was told to stop")
        # Nobody is left to tell; nothing here is worth an orderly end.
        os._exit(1)


async def work(out: BinaryIO) -> None:
    """Do one share."""

    def tell(message: FromWorker) -> None:
        out.write(msgspec.json.encode(message) + b"\n")
        out.flush()

    lines = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    share = msgspec.json.decode(await lines.readline(), type=Share)
    told = _Told()
    listening = asyncio.create_task(told.listen(lines))
    worker = told.worker = Worker(share, tell)
    try:
        await worker.prepare()
        tell(Ready())
        await worker.run(await told.begin)
        tell(Sent())
        await told.look.wait()
        await worker.look()
        tell(worker.final())
    except Fault as fault:
        tell(Failed(str(fault)))
    finally:
        worker.close()
        listening.cancel()


def event_loop() -> asyncio.AbstractEventLoop:
    """An event loop that wakes when it was asked to; that of epoll is up to a millisecond late."""
    if not hasattr(selectors, "EpollSelector"):
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(_Precise())


if hasattr(selectors, "EpollSelector"):

    class _Precise(selectors.EpollSelector):
        """Waits by `select`, whose timeout is in microseconds, for the one file that stands for all others."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """Wait as the others do."""
            if timeout is not None and timeout > 0:
                select.select([self], [], [], timeout)
                timeout = 0
            return super().select(timeout)


def main() -> None:
    """Run as a process of its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(work(sys.stdout.buffer))


if __name__ == "__main__":
    main()
