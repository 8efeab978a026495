"""`hub` in processes of its own, forked off one that has imported all of it: it starts in a moment, again and again."""

import asyncio
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from hub.__main__ import main

_CONTEXT = multiprocessing.get_context("forkserver")
# What `hub serve` and the commands that tests run often import when they are called.
_COMMANDS = ("hub.commands.rebuild", "hub.commands.reload", "hub.commands.serving", "hub.commands.verify")
_CONTEXT.set_forkserver_preload(["hub.assembly", *_COMMANDS, "tests.faults.forked"])
_ROOT = Path(__file__).resolve().parents[2]


class Forked:
    """A process of `hub`, and what a test does with one of `asyncio.subprocess`."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], log: Path | None) -> None:
        """`log` takes its standard error; None: that goes where its standard output does."""
        self._output, output = _CONTEXT.Pipe(duplex=False)
        parts = (list(arguments), dict(env), output, log and str(log))
        # A daemon is ended with whoever started it.
        self._process = _CONTEXT.Process(target=_run, args=parts, daemon=True)
        self._process.start()
        output.close()
        self.stdout = asyncio.StreamReader()
        self._ended = asyncio.Event()
        self._transport: asyncio.BaseTransport | None = None
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._note_end)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    async def wait(self) -> int:
        await self._ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def open_output(self) -> None:
        """Read its output from now on."""
        reading = os.fdopen(os.dup(self._output.fileno()), "rb", 0)
        self._output.close()
        protocol = asyncio.StreamReaderProtocol(self.stdout)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, reading)

    async def communicate(self) -> tuple[bytes, None]:
        """All that it still says, once it has ended."""
        said = await self.stdout.read()
        await self.wait()
        return said, None

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        if self.returncode is None:
            self._process.kill()

    def _note_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()


async def forked(arguments: Sequence[str], env: Mapping[str, str], log: Path | None = None) -> Forked:
    """Start `hub` with these arguments."""
    made = Forked(arguments, env, log)
    await made.open_output()
    return made


def _run(arguments: list[str], environment: dict[str, str], output: Connection, log: str | None) -> None:
    """What the new process does."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(_ROOT)
    os.dup2(output.fileno(), 1)
    output.close()
    os.dup2(1 if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
    main(arguments)
