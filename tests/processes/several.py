"""Several processes of one hub, as `hub serve --workers` starts them, and what a test sees of each."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import randrange
from typing import Any

import aiohttp

from tests.faults.patience import until
from tests.flow.process import HubProcess
from tests.intake.door import line

WORKERS = 3
PATIENCE_SECONDS = 60
# One that stands still does not answer.
_ANSWER = aiohttp.ClientTimeout(2)
_STARTED = re.compile(r'"process": (\d+), "pid": (\d+), "event": "a process was started"')


class Several(HubProcess):
    """One `hub serve --workers`, and its processes."""

    def __init__(self, folder: Path, workers: int = WORKERS) -> None:
        super().__init__(folder, "--workers", str(workers))
        self.workers = workers
        first = ports_in_a_row(workers)
        self.admins = [f"http://127.0.0.1:{first + number}" for number in range(workers)]
        # No answer is late because the machine is busy.
        text = self.config.read_text().replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{first}"')
        self.config.write_text(f"{text}\n[limits]\nledger_wait_ms = 5000\n")

    def pids(self) -> list[int]:
        """Of each process the number by which the system knows the newest one."""
        newest = {int(number): int(pid) for number, pid in _STARTED.findall(self.log())}
        return [newest[number + 1] for number in range(self.workers)]

    async def metrics(self, name: str) -> list[float | None]:
        """What each process says of itself; None of one that does not answer."""
        return await asyncio.gather(*(_metric(admin, name) for admin in self.admins))

    async def holder(self, *, other_than: int | None = None) -> int:
        """Which process has the duty, once one has."""
        found: list[int] = []

        async def is_one() -> bool:
            held = await self.metrics("hub_on_duty")
            found[:] = [number for number, value in enumerate(held) if value == 1 and number != other_than]
            return bool(found)

        await until(is_one, PATIENCE_SECONDS)
        return found[0]

    def kill(self, number: int) -> None:
        os.kill(self.pids()[number], signal.SIGKILL)


async def _metric(admin: str, name: str) -> float | None:
    try:
        async with aiohttp.ClientSession(timeout=_ANSWER) as session, session.get(f"{admin}/metrics") as response:
            found = re.search(rf"^{re.escape(name)} (\S+)$", await response.text(), re.MULTILINE)
    except (aiohttp.ClientError, TimeoutError):
        return None
    return float(found[1]) if found else 0.0


def ports_in_a_row(count: int) -> int:
    """The first of so many free ports in a row, below those that the system gives to others."""
    while True:
        first = randrange(20_000, 30_000)
        taken: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                taken.append(socket.socket())
                taken[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for each in taken:
                each.close()
        return first


@asynccontextmanager
async def served(hub: HubProcess, env: Mapping[str, str]) -> AsyncIterator[None]:
    """The hub runs, from here to the end of the block unless it ends before."""
    await hub.start(env={**os.environ, **env})
    try:
        yield
    finally:
        if hub.process.returncode is None:
            hub.signal(signal.SIGTERM)
            await hub.ended(PATIENCE_SECONDS)


async def ask(hub: HubProcess, path: str, token: str | None = None, **more: Any) -> tuple[int, Any]:
    """Ask over a connection of its own, so that the system chooses a process."""
    method = "POST" if more else "GET"
    headers = {"Authorization": f"Bearer {token or hub.token()}"}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, hub.url + path, headers=headers, **more) as response,
    ):
        return response.status, await response.json()


async def book(hub: HubProcess, id: str, type: str, sku: str, quantity: int = 1) -> tuple[int, Any]:
    """Send one event alone, over a connection of its own."""
    pool = {"pool": "store"} if type == "sale" else {}
    time = "2026-11-22T10:00:00Z"
    event = {"id": id, "type": type, "time": time, "location": "LON-KNB", "lines": [line(sku, quantity)], **pool}
    return await ask(hub, "/v1/events", json=event)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
