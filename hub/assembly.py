"""The only place that knows all the parts: it starts them in order, watches them, and stops them in order."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import time
from typing import Any

import structlog
from aiohttp import web

from hub.access import Access
from hub.addresses import bound, host_of, listening, port_of, url_at, url_of
from hub.admin.reload import add_reload
from hub.console.metrics import add_metrics
from hub.console.server import add_console
from hub.console.session import DemoSession, Doors
from hub.credentials import with_a_key
from hub.embedded.servers import EmbeddedServers, start
from hub.faults import Fault
from hub.hooks.means import means_of
from hub.hooks.sending import Sending
from hub.imports.dropping import Drops
from hub.intake.parts import Parts
from hub.intake.replaying import Replaying
from hub.intake.sealing import Sealing
from hub.intake.server import http_app
from hub.intake.streams import Streams
from hub.live.limits import LiveLimits
from hub.live.server import LiveDoor
from hub.outbound.opening import channels_of
from hub.outbound.sending import Channels
from hub.readings import take_readings_of, take_readings_of_doors
from hub.recovery.stopping import come_to_rest
from hub.reloading import Reloading, Reread
from hub.settings import Settings
from hub.stores import Stores
from hub.tasks import end
from hub.telemetry import Metrics

log = structlog.get_logger()

MakeDemoSession = Callable[[Doors], DemoSession]

# A stop waits so long for the ledger to have what was booked; what it lacks then it takes up at the next start.
LEDGER_GOODBYE_SECONDS = 2.0
_LEDGER_WRITER = "ledger writer"


@asynccontextmanager
async def running(
    settings: Settings, *, demo: MakeDemoSession | None = None, reread: Reread | None = None
) -> AsyncIterator["Hub"]:
    """A hub that takes events, from here to the end of the block; `reread` reads its settings anew for a reload.

    Raises:
        Fault: a part cannot start; those that were started are stopped again.
    """
    async with AsyncExitStack() as exits:
        hub = Hub(settings, demo, reread)
        await hub.start(exits)
        yield hub


class Hub:
    """A running hub; made by `running`."""

    def __init__(self, settings: Settings, demo: MakeDemoSession | None, reread: Reread | None) -> None:
        self._settings = settings
        self._demo = demo
        self._metrics = Metrics()
        self._access = Access(with_a_key(settings.access, settings.hub.data_dir))
        self._stores = Stores(settings, self._metrics)
        self._reloading = Reloading(settings, reread, self._stores, self._access)
        self._hooks: Sending
        self._channels: Channels
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
        http, admin = bound(exits, self._settings.hub.http), bound(exits, self._settings.hub.admin)
        # The live door takes its own address later; whether it is free shall be known now.
        bound(exits, self._settings.hub.live).close()
        redis_url, dsn = await self._servers(exits)
        # Before the servers are stopped, or their end would look like a loss; and again before the stores are closed.
        exits.push_async_callback(self._end_tasks)
        await self._stores.open(exits, redis_url, dsn)
        exits.push_async_callback(self._end_tasks)
        self._run("kernel batches", self._stores.batcher.run())
        self._run(_LEDGER_WRITER, self._stores.writer.run())
        self._run("healing", self._stores.healing.run())
        self._run("checkpoint", self._stores.checkpointing.run())
        self._run("watch over sources", self._stores.sources.run())
        self._run("watch over the backlog", self._stores.backlog.run())
        self._run("watch over holds", self._stores.expiry.run())
        self._run("watch over what waits", self._stores.waits.run())
        self._run("watch over what is set aside", self._stores.set_aside.run())
        self._run("sampling", self._stores.sampling.run())
        self._run("closing of counts", self._stores.closer.run())
        exits.push_async_callback(self._let_ledger_catch_up)
        # An event may name an alias, so the aliases come before the doors.
        await self._stores.adopting.describe(self._settings.house.skus)
        # After the doors: what they took last is tried to the end.
        exits.push_async_callback(self._stores.webhooks.taking.aclose)
        live = await self._open_live(exits, origins := self._origins(admin))
        self._doors = Doors(
            url_at("http", http), url_of("ws", host_of(self._settings.hub.live), live.port), url_at("http", admin)
        )
        self._channels = channels_of(self._stores, self._settings.channels, exits, dsn, self._metrics)
        parts = self._parts(origins, live)
        sealing = Sealing(self._stores.kernel.hub)
        means = means_of(self._settings, exits, dsn, self._stores.watermark, sealing, self._metrics)
        self._hooks = Sending(self._settings.hooks, means)
        self._reloading.take_hooks, self._reloading.take_channels = self._hooks.take, self._channels.take
        await self._hooks.prepare()
        await self._serve(exits, http_app(parts), http)
        await self._serve(exits, self._admin_app(live), admin)
        self._run_behind_doors(parts)
        self._is_open = True
        exits.callback(setattr, self, "_is_open", False)

    def _run_behind_doors(self, parts: Parts) -> None:
        """What works while the doors are open."""
        self._run("imports", self._stores.imports.run())
        self._run("drops", Drops(self._settings.drops, self._stores.imports, self._metrics.parties).run())
        self._run("sweep", self._stores.sweep.run())
        self._run("house", self._stores.current.watch())
        self._run("reload", self._reload_when_asked())
        replaying = Replaying()
        self._stores.current.listeners += [replaying.note_house_changed, self._stores.webhooks.note_house_changed]
        self._run("parked events", replaying.run(parts))
        self._run("hooks", self._hooks.run())
        self._stores.current.listeners.append(self._channels.note_house_changed)
        self._run("channels", self._channels.run())
        for name, job in self._stores.webhooks.jobs().items():
            self._run(name, job)

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
            await self._reloading.log_reload()

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

    def _origins(self, admin: socket.socket) -> frozenset[str]:
        """Who may ask from a browser: the configured, and the pages of the admin door under each of its names."""
        port = admin.getsockname()[1]
        own = {url_at("http", admin), f"http://localhost:{port}", f"http://127.0.0.1:{port}"}
        return frozenset(self._settings.hub.origins) | own

    def _parts(self, origins: frozenset[str], live: LiveDoor) -> Parts:
        stores = self._stores
        return Parts(
            access=self._access,
            current=stores.current,
            booking=stores.booking,
            closer=stores.closer,
            describing=stores.describing,
            described=stores.described,
            reads=stores.reads,
            held=stores.held,
            requests=stores.requests,
            imports=stores.imports,
            webhooks=stores.webhooks,
            channels=lambda: self._channels.channels,
            offered=stores.memories.offered,
            watermark=stores.watermark,
            past=stores.memories.past,
            counts=stores.memories.counts,
            closings=stores.memories.closings,
            waiting=stores.memories.waiting,
            alerts=stores.memories.alerts,
            happened=stores.memories.happened,
            followed=stores.memories.followed,
            sealing=Sealing(stores.kernel.hub),
            streams=self._streams,
            live=live,
            metrics=self._metrics,
            limits=self._settings.limits,
            not_ready=self.not_ready,
            ledger_state=lambda: stores.writer.state,
            origins=origins,
        )

    async def _open_live(self, exits: AsyncExitStack, origins: frozenset[str]) -> LiveDoor:
        stores = self._stores
        door = LiveDoor(
            house=lambda: stores.house,
            access=self._access,
            stock=stores.reads,
            open_tail=stores.tail_from_now,
            clock=time,
            hear=stores.hear,
            origins=sorted(origins),
            limits=LiveLimits(connections_max=self._settings.limits.connections_max),
        )
        with listening(self._settings.hub.live):
            await door.start(host_of(self._settings.hub.live), port_of(self._settings.hub.live))
        exits.push_async_callback(door.stop)
        self._run("live door", door.failed())
        stores.current.listeners.append(door.recheck)
        self._reloading.on_keys.append(door.recheck_claims)
        stores.sweep.watched = door.watched_skus
        return door

    def _admin_app(self, live: LiveDoor) -> web.Application:
        # Bodies are unpacked where both sizes are bounded.
        app, demo = web.Application(handler_args={"auto_decompress": False}), self._demo
        add_console(app, doors=self.doors, demo=None if demo is None else lambda: demo(self.doors()))

        def take_readings() -> None:
            take_readings_of(self._stores, self._metrics)
            take_readings_of_doors(live.counters, self._streams, self._metrics)
            self._hooks.take_readings(self._metrics)
            self._channels.take_readings(self._metrics)
            self._metrics.ready.set(self.not_ready() is None and self._stores.kernel.closed_because is None)

        add_metrics(app, self._metrics.registry, take_readings)
        add_reload(app, self._access, self._reloading)
        return app

    async def _serve(self, exits: AsyncExitStack, app: web.Application, taken: socket.socket) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=self._settings.limits.stop_seconds)
        await runner.setup()
        exits.push_async_callback(runner.cleanup)
        await web.SockSite(runner, taken, backlog=1024).start()

    def _run(self, name: str, job: Coroutine[Any, Any, Any]) -> None:
        self._tasks.append(asyncio.create_task(job, name=name))

    async def _end_tasks(self) -> None:
        await end(self._tasks)

    async def _let_ledger_catch_up(self) -> None:
        """Wait a moment until the ledger has all, and have it note that then; nobody but its writer works any more."""
        stores = self._stores
        await end(task for task in self._tasks if task.get_name() != _LEDGER_WRITER)
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
