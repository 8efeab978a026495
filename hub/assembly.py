"""The only place that knows all the parts: it starts them in order, watches them, and stops them in order."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from socket import socket
from typing import Any

import structlog
from aiohttp import web

from hub.access import Access
from hub.addresses import bound, host_of, url_at, url_of
from hub.admin.reload import add_reload
from hub.console.metrics import add_metrics
from hub.console.server import add_console
from hub.console.session import DemoSession, Doors
from hub.credentials import with_a_key
from hub.doors import live_door, open_live, origins_of, parts_of, readings, serve
from hub.embedded.servers import EmbeddedServers, start
from hub.faults import Fault
from hub.hooks.means import means_of
from hub.hooks.sending import Sending
from hub.imports.dropping import Drops
from hub.intake.parts import Parts
from hub.intake.sealing import Sealing
from hub.intake.server import http_app
from hub.intake.streams import Streams
from hub.jobs import LAST, Jobs
from hub.live.server import LiveDoor
from hub.outbound.opening import channels_of
from hub.outbound.sending import Channels
from hub.recovery.stopping import come_to_rest
from hub.reloading import Reloading, Reread
from hub.roles import Share
from hub.settings import Settings
from hub.stores import Stores
from hub.tasks import end
from hub.telemetry import Metrics

log = structlog.get_logger()

MakeDemoSession = Callable[[Doors], DemoSession]

# A stop waits so long for the ledger to have what was booked; what it lacks then it takes up at the next start.
LEDGER_GOODBYE_SECONDS = 2.0
_DUTY = "duty"


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    demo: MakeDemoSession | None = None,
    reread: Reread | None = None,
    share: Share | None = None,
) -> AsyncIterator["Hub"]:
    """A hub that takes events, from here to the end of the block; `reread` reads its settings anew for a reload.

    `share`: what of a hub of several processes this one is; all of it unless told otherwise.

    Raises:
        Fault: a part cannot start; those that were started are stopped again.
    """
    async with AsyncExitStack() as exits:
        hub = Hub(settings, demo, reread, share or Share())
        await hub.start(exits)
        yield hub


class Hub:
    """A running hub, or one process of it; made by `running`."""

    def __init__(self, settings: Settings, demo: MakeDemoSession | None, reread: Reread | None, share: Share) -> None:
        self._settings = settings if share.given is None else share.given.placed(settings)
        self._roles, self._is_shared = share.roles, share.given is not None
        self._demo = demo
        self._metrics = Metrics()
        self._access = Access(with_a_key(settings.access, settings.hub.data_dir))
        self._stores = Stores(self._settings, self._metrics)
        self.reloading = Reloading(settings, reread, self._stores, self._access)
        self._hooks: Sending
        self._channels: Channels
        self._jobs: Jobs
        # What may only end with the hub.
        self._tasks: list[asyncio.Task[Any]] = []
        self._doors = Doors("", "", "")
        self._streams = Streams()
        # Asked several times meanwhile is asked once more.
        self._reload_asked = asyncio.Event()
        self._is_open = False

    async def start(self, exits: AsyncExitStack) -> None:
        """Start every part in order; `exits` stops them, newest first.

        Raises:
            Fault: a part cannot start.
        """
        addresses, stores = self._settings.hub, self._stores
        http = bound(exits, addresses.http, shared=self._is_shared) if "intake" in self._roles else None
        admin = bound(exits, addresses.admin, shared=self._is_shared)
        if "live" in self._roles:
            # The live door takes its own address later; whether it is free shall be known now.
            bound(exits, addresses.live, shared=self._is_shared).close()
        redis_url, dsn = await self._servers(exits)
        # Before the servers are stopped, or their end would look like a loss; and again before the stores are closed.
        exits.push_async_callback(self._end_tasks)
        await stores.open(exits, redis_url, dsn)
        self._jobs = Jobs(stores, self._roles, exits, redis_url, dsn)
        exits.push_async_callback(self._end_tasks)
        self._jobs.begin(self._run)
        exits.push_async_callback(self._let_ledger_catch_up)
        # An event may name an alias, so the aliases come before the doors.
        await stores.adopting.describe(self._settings.house.skus)
        # After the doors: what they took last is tried to the end.
        exits.push_async_callback(stores.webhooks.taking.aclose)
        live, parts = self._parts(admin)
        await self._follow(live, exits)
        self._doors = Doors(
            "" if http is None else url_at("http", http),
            url_of("ws", host_of(addresses.live), live.port) if "live" in self._roles else "",
            url_at("http", admin),
        )
        self._channels = channels_of(stores, self._settings.channels, exits, dsn, self._metrics)
        self.reloading.take_channels = self._channels.take
        self._hooks = await self._sending(exits, dsn)
        stop_seconds = self._settings.limits.stop_seconds
        if http is not None:
            await serve(http_app(parts), http, stop_seconds, exits)
        await serve(self._admin_app(parts, live), admin, stop_seconds, exits)
        self._run_behind_doors(parts)
        self._is_open = True
        exits.callback(setattr, self, "_is_open", False)

    def _run_behind_doors(self, parts: Parts) -> None:
        """What works while the doors are open."""
        self._jobs.begin_behind_doors(self._run, parts)
        self._run("reload", self._reload_when_asked())
        self._stores.current.listeners.append(self._channels.note_house_changed)
        if "worker" in self._roles:
            self._run("drops", Drops(self._settings.drops, self._stores.imports, self._metrics.parties).run())
            self._run("hooks", self._hooks.run())
            self._run("channels", self._channels.run())

    def doors(self) -> Doors:
        """Where the doors are."""
        return self._doors

    async def wait(self, told: asyncio.Event) -> None:
        """Wait until told to stop, or raise what ended a part that may only end with the hub."""
        stop = asyncio.create_task(told.wait())
        pending = {stop, *self._tasks}
        try:
            while stop in pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            stop.cancel()

    def note_reload_asked(self) -> None:
        """Begin a reload; how it went is logged. A closed terminal sends SIGHUP too: then nothing has changed."""
        self._reload_asked.set()

    async def _reload_when_asked(self) -> None:
        while True:
            await self._reload_asked.wait()
            self._reload_asked.clear()
            await self.reloading.log_reload()

    def not_ready(self) -> str | None:
        """Why this process takes no events, whatever its stores do now; None when it does."""
        return self._stores.backlog.full_because if self._is_open else "the hub is starting or stopping"

    async def _servers(self, exits: AsyncExitStack) -> tuple[str, str]:
        """The addresses of both stores; those that are not configured are private ones, started here."""
        redis_url, dsn = self._settings.redis.url, self._settings.ledger.dsn
        if redis_url and dsn:
            return redis_url, dsn
        servers = await start(self._settings.hub.data_dir, redis=not redis_url, postgres=not dsn)
        exits.push_async_callback(servers.stop)
        for description in servers.descriptions:
            log.info("private server", taken=description, data_dir=str(self._settings.hub.data_dir))
        self._run("private servers", _fail_when_lost(servers))
        return redis_url or servers.redis_url or "", dsn or servers.postgres_dsn or ""

    def _parts(self, admin: socket) -> tuple[LiveDoor, Parts]:
        origins = origins_of(self._settings, admin)
        live = live_door(self._settings, self._stores, self._access, origins, self.reloading)
        parts = parts_of(
            self._settings,
            self._stores,
            self._jobs,
            access=self._access,
            channels=lambda: self._channels.channels,
            live=live,
            streams=self._streams,
            metrics=self._metrics,
            origins=origins,
            not_ready=self.not_ready,
        )
        return live, parts

    async def _follow(self, live: LiveDoor, exits: AsyncExitStack) -> None:
        """Open the live door, or follow the journal for the streams of the HTTP door."""
        if "live" in self._roles:
            await open_live(live, self._settings.hub.live, exits, shared=self._is_shared)
        elif "intake" in self._roles:
            live.follow_journal()
            exits.push_async_callback(live.stop)
        else:
            return
        self._run("live door", live.failed())

    async def _sending(self, exits: AsyncExitStack, dsn: str) -> Sending:
        stores, settings = self._stores, self._settings
        means = means_of(settings, exits, dsn, stores.watermark, Sealing(stores.kernel.hub), self._metrics)
        sending = Sending(settings.hooks, means)
        self.reloading.take_hooks = sending.take
        if "worker" in self._roles:
            await sending.prepare()
        return sending

    def _admin_app(self, parts: Parts, live: LiveDoor) -> web.Application:
        # Bodies are unpacked where both sizes are bounded.
        app, demo = web.Application(handler_args={"auto_decompress": False}), self._demo
        add_console(app, doors=self.doors, demo=None if demo is None else lambda: demo(self.doors()))
        counted = self._hooks, self._channels
        take_readings = readings(parts, self._stores, self._jobs, live, counted, self._metrics)
        add_metrics(app, self._metrics.registry, take_readings)
        add_reload(app, self._access, self.reloading)
        return app

    def _run(self, name: str, job: Coroutine[Any, Any, Any]) -> None:
        self._tasks.append(asyncio.create_task(job, name=name))

    async def _end_tasks(self) -> None:
        await end(self._tasks)

    async def _let_ledger_catch_up(self) -> None:
        """Wait a moment until the ledger has all, and have it note that then; nobody but its writer works any more."""
        await end(task for task in self._tasks if task.get_name() != _DUTY)
        await self._jobs.duty.keep_only(LAST)
        stores = self._stores
        # What a Redis that was replaced took is lost, whoever waits; and what is not noted may have been lost.
        with suppress(Fault):
            await stores.healing.keep_lost()
            if last := await come_to_rest(stores.kernel, stores.epochs, stores.watermark, LEDGER_GOODBYE_SECONDS):
                log.info("all that was answered is in the ledger", up_to=str(last))
                return
        if stores.looking.is_behind:
            log.warning("Redis lacks what was answered; the next start heals it, and tells what may be lost")
        elif (lag := stores.ledger_lag()) > 0:
            log.warning("the ledger lacks what only Redis has; the next start posts what Redis has then", entries=lag)


async def _fail_when_lost(servers: EmbeddedServers) -> None:
    raise Fault(await servers.lost())
