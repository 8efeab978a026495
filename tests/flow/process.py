"""A hub as its users run it: `hub serve` in a process of its own, with private servers."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time
from typing import Any

import aiohttp
from redis.asyncio import Redis

from hub.commands.token import make_token
from hub.settings import load
from tests.faults.forked import forked
from tests.faults.patience import until
from tests.intake.door import ALL_SCOPES, settings_in

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
_READY = re.compile(r"hub: ready(?: · events (\S+))?(?: · live (\S+))? · admin (\S+)")


async def said_by(config: Path, word: str, *options: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """The exit code of `hub <word>`, and what it said on standard output and standard error."""
    return await said(word, "--config", str(config), *options, env=env)


async def said(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """The same of `hub` with any arguments."""
    with NamedTemporaryFile(prefix="hub-said-") as errors:
        process = await forked(arguments, os.environ if env is None else env, Path(errors.name))
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), errors.read().decode()


@asynccontextmanager
async def running_process(folder: Path) -> AsyncIterator["HubProcess"]:
    """A hub with private servers, from here to the end of the block unless it ends before."""
    made = ForkedHub(folder)
    await made.start()
    yield made
    if made.process.returncode is None:
        made.signal(signal.SIGTERM)
        await made.ended(PATIENCE_SECONDS)


class HubProcess:
    """A hub in a folder, by `python -m hub serve`; started and ended as often as a test likes."""

    def __init__(self, folder: Path, *options: str, log: str = "stderr.txt") -> None:
        settings_in(folder)
        # Of `hub serve`.
        self.options = options
        self.folder = folder
        self.config = folder / "hub.toml"
        self.data = folder / "data"
        self.url = ""
        self.live = ""
        self.admin = ""
        self.process: asyncio.subprocess.Process
        self._log = folder / log
        self._token = ""
        # With the secrets that its file names.
        self.environ: dict[str, str] = {}

    async def spawn(self, **more: Any) -> None:
        """Start the process and wait for nothing."""
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub", "serve", "--config", str(self.config), *self.options),
                **{"cwd": ROOT, "stdout": asyncio.subprocess.PIPE, "stderr": log, **more},
            )

    async def start(self, **more: Any) -> None:
        """Start the process and come back when it says that it is ready."""
        await self.spawn(**more)
        await self.ready()

    async def ready(self) -> None:
        """Come back when the process says that it is ready."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            said = (await self.process.stdout.readline()).decode()
        ready = _READY.match(said)
        assert ready, said + self.log()
        self.url, self.live, self.admin = ready[1] or "", (ready[2] or "").removesuffix("/v1/live"), ready[3]

    async def ended(self, seconds: float = 10) -> int:
        """The exit code, soon."""
        async with asyncio.timeout(seconds):
            await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode

    def stop_listening(self) -> None:
        """Close the reading end of its output, as `head` does when it has enough."""
        output: Any = self.process._transport  # type: ignore[attr-defined]
        output.get_pipe_transport(1).close()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def log(self) -> str:
        return self._log.read_text()

    def token(self) -> str:
        if not self._token:
            self._token = make_token(
                load(self.config, self.environ),
                sub="till-7",
                source=None,
                scope=ALL_SCOPES,
                pool=(),
                location=(),
                ttl="1h",
                now=time(),
            )
        return self._token

    async def server_pids(self) -> list[int]:
        async with Redis.from_url(f"unix://{self.data}/run/redis.sock") as client:
            redis = int((await client.info("server"))["process_id"])
        return [redis, int((self.data / "postgres/postmaster.pid").read_text().split()[0])]

    async def send(self, session: aiohttp.ClientSession, events: Sequence[Any]) -> list[dict[str, Any]] | None:
        """Send an array; None when the hub gave no answer, or one that says it is not available."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        try:
            async with session.post(f"{self.url}/v1/events", json=events, headers=headers) as response:
                if response.status == 503:
                    return None
                assert response.status == 200, await response.text()
                answers: list[dict[str, Any]] = await response.json()
                return answers
        except aiohttp.ClientError:
            return None

    async def position(self, sku: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token()}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.url}/v1/positions", params={"sku": sku}) as response,
        ):
            assert response.status == 200
            [found] = (await response.json())["items"]
            position: dict[str, Any] = found
            return position

    async def metric(self, name: str) -> float:
        """What Prometheus would read."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.admin}/metrics") as response:
            found = re.search(rf"^{name} (\S+)$", await response.text(), re.MULTILINE)
        assert found, name
        return float(found[1])

    async def ledger_has_all(self) -> None:
        """Come back when nothing that was answered is in Redis alone."""

        async def has_all() -> bool:
            return await self.metric("hub_ledger_lag_entries") == 0

        await until(has_all, PATIENCE_SECONDS)


class ForkedHub(HubProcess):
    """The same, started in a moment: for a test that is not about the start of an interpreter."""

    async def spawn(self, **more: Any) -> None:
        """Start the process and wait for nothing; of its surroundings only `env` may be another."""
        [env] = {"env": os.environ, **more}.values()
        words = ("serve", "--config", str(self.config), *self.options)
        self.process = await forked(words, env, self._log)  # type: ignore[assignment]
