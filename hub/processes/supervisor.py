"""The process that starts several of one hub: it makes sure of their addresses and servers, and does nothing else.

The path: addresses are reserved, so that what is wrong costs a sentence · private servers, once for all · the first
process, which makes or heals what must be · the others · one line that says that all are ready. A process that ends is
started again, sooner the longer it ran; while one is away the others do its work. Each has a pipe from here: when that
ends, however this process ended, they end too.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from time import monotonic

import structlog

from hub.addresses import port_of, reserved
from hub.embedded.servers import EmbeddedServers, start
from hub.faults import Fault, ServerRefused, SettingsInvalid
from hub.processes.child import Child
from hub.processes.lines import Ready
from hub.roles import Given, Role
from hub.settings import Settings
from hub.tasks import end

log = structlog.get_logger()

# Before a process that ended is started again: longer each time, from the first again once it ran for a while.
AGAIN_FIRST_SECONDS, AGAIN_MAX_SECONDS = 0.1, 5.0
LIVED_SECONDS = 30.0
# What a stop takes besides the requests under way: the ledger's moment, screens, connections.
STOP_MORE_SECONDS = 15.0
PORT_MAX = 65_535


class Supervisor:
    """The processes of one `hub serve --workers`."""

    def __init__(self, settings: Settings, workers: int, roles: frozenset[Role], command: Sequence[str]) -> None:
        self._settings = settings
        self._workers = workers
        self._roles = roles
        # Starts one process.
        self._command = command
        self._children: list[Child] = []
        self._servers: EmbeddedServers | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, told: asyncio.Event, on_ready: Callable[[Ready], None]) -> None:
        """Run them until told to stop; `on_ready` is told the doors once all take events.

        Raises:
            Fault: an address, a server or a process is not to be had; whatever was started is stopped.
        """
        async with AsyncExitStack() as exits:
            given = await self._given(exits)
            self._children = [Child(self._command, each, self._reload_others) for each in given]
            exits.push_async_callback(self._stop)
            self._begin(self._start_all(on_ready))
            if self._servers is not None:
                self._begin(_fail_when_lost(self._servers))
            stop = asyncio.create_task(told.wait())
            try:
                await self._until(stop)
            finally:
                stop.cancel()

    async def reload(self) -> None:
        """Have all take the changed file; each logs how it went."""
        await asyncio.gather(*(child.reload() for child in self._children))

    async def _until(self, stop: asyncio.Task[bool]) -> None:
        """Wait for the end of `stop`, or raise what ended something else."""
        while not stop.done():
            await asyncio.wait({stop, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._tasks if task.done()]:
                self._tasks.remove(task)
                task.result()

    async def _start_all(self, on_ready: Callable[[Ready], None]) -> None:
        # The first alone: it makes or heals what must be, and the others find it done.
        first, *others = self._children
        doors = await first.start()
        await asyncio.gather(*(child.start() for child in others))
        for child in self._children:
            self._begin(self._keep(child))
        on_ready(doors)

    async def _keep(self, child: Child) -> None:
        """Start a process again whenever it has ended."""
        pause_seconds, began = AGAIN_FIRST_SECONDS, monotonic()
        while True:
            code = await child.ended()
            if monotonic() >= began + LIVED_SECONDS:
                pause_seconds = AGAIN_FIRST_SECONDS
            log.error("a process ended and is started again", process=child.number, exit_code=code)
            await asyncio.sleep(pause_seconds)
            pause_seconds, began = min(2 * pause_seconds, AGAIN_MAX_SECONDS), monotonic()
            with suppress(ServerRefused):
                await child.start()
                log.info("a process takes events again", process=child.number)

    async def _given(self, exits: AsyncExitStack) -> list[Given]:
        """What each process is given: the addresses that they share, an admin door each, and the stores."""
        hub, redis_url, dsn = self._settings.hub, self._settings.redis.url, self._settings.ledger.dsn
        http = reserved(exits, hub.http) if "intake" in self._roles else hub.http
        live = reserved(exits, hub.live) if "live" in self._roles else hub.live
        admins = [reserved(exits, address) for address in admin_addresses(hub.admin, self._workers)]
        if redis_url and dsn:
            return [Given(http, live, admin, number) for number, admin in enumerate(admins, 1)]
        self._servers = servers = await start(hub.data_dir, redis=not redis_url, postgres=not dsn)
        exits.push_async_callback(servers.stop)
        for description in servers.descriptions:
            log.info("private server", taken=description, data_dir=str(hub.data_dir))
        stores = (servers.redis_url, servers.postgres_dsn)
        return [Given(http, live, admin, number, *stores) for number, admin in enumerate(admins, 1)]

    async def _reload_others(self, asking: Child) -> tuple[int, tuple[str, ...]]:
        """Have all others take the changed file: how many did, and what those say that did not."""
        others = [child for child in self._children if child is not asking]
        told = await asyncio.gather(*(child.reload() for child in others))
        refused = [f"process {child.number}: {why}" for child, why in zip(others, told, strict=True) if why]
        return sum(why == "" for why in told), tuple(refused)

    def _begin(self, job: object) -> None:
        self._tasks.append(asyncio.ensure_future(job))  # type: ignore[call-overload]

    async def _stop(self) -> None:
        await end(self._tasks)
        patience_seconds = self._settings.limits.stop_seconds + STOP_MORE_SECONDS
        await asyncio.gather(*(child.stop(patience_seconds) for child in self._children))


def admin_addresses(address: str, workers: int) -> list[str]:
    """An admin door for each process: the configured address, and the ports after it; 0 is any free one for each.

    Raises:
        SettingsInvalid: there are not so many ports.
    """
    host, port = address.rpartition(":")[0], port_of(address)
    if port + workers - 1 > PORT_MAX:
        raise SettingsInvalid(f"hub.admin: {workers} processes need {workers} ports from {port} on")
    return [f"{host}:{port + number if port else 0}" for number in range(workers)]


async def _fail_when_lost(servers: EmbeddedServers) -> None:
    raise Fault(await servers.lost())
