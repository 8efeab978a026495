"""One server under its guard: start it, wait until it answers, stop it in order."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from hub.embedded.folder import DataFolder
from hub.faults import ServerRefused

_GUARD = Path(__file__).with_name("guard.py")

# A server that replays a long log after a crash needs minutes, and answers only afterwards.
_READY_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 0.01

_LOG_TAIL_BYTES = 2000

# Where programs and their libraries are found.
_KEPT_VARIABLES = {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}


class Guarded:
    """A program running under a guard."""

    def __init__(self, title: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.title = title
        self._process = process
        self._log = log

    async def answers(self, ask: Callable[[], Awaitable[bool]]) -> None:
        """Wait until `ask` is true.

        Raises:
            ServerRefused: the server ended, or did not answer in time; with the end of its log.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not await ask():
                    if self._process.returncode is not None:
                        raise ServerRefused(self._last_words(f"ended with exit code {self._process.returncode}"))
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        except TimeoutError:
            raise ServerRefused(self._last_words(f"did not answer in {_READY_SECONDS:.0f} seconds")) from None

    async def finish(self) -> None:
        """Wait for a program that ends by itself.

        Raises:
            ServerRefused: it failed; with the end of its log.
        """
        if (code := await self._process.wait()) != 0:
            raise ServerRefused(self._last_words(f"ended with exit code {code}"))

    async def lost(self) -> str:
        """Wait until the server has ended, and say so in a sentence."""
        code = await self._process.wait()
        return self._last_words(f"ended with exit code {code}")

    async def stop(self) -> None:
        """Stop the server in order and wait for it; its guard kills it when it takes too long. Idempotent."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    def _last_words(self, what: str) -> str:
        return f"{self.title} {what}; the end of {self._log}:\n{_tail(self._log)}"


async def guard(
    title: str,
    command: Sequence[str],
    *,
    stop_steps: str,
    folder: DataFolder,
    log: Path,
) -> Guarded:
    """Start `command` under a guard, which stops it by `stop_steps` (see guard.py); its output goes to `log`."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_GUARD), stop_steps, *command),
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            # Ctrl-C in the terminal reaches the hub alone, which then stops its servers in order.
            start_new_session=True,
            pass_fds=(folder.servers_lock,),
            cwd=folder.path,
            env=server_environment(),
            umask=0o077,
        )
    return Guarded(title, process, log)


def server_environment() -> dict[str, str]:
    """Return the environment of a server: none of the hub's secrets, and nothing that changes what Postgres does."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()
