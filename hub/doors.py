"""The doors of one process: what they are made of, and how they are opened; `exits` closes them, newest first."""

import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from time import time
from typing import Any

from aiohttp import web

from hub.access import Access
from hub.addresses import host_of, listening, port_of, url_at
from hub.hooks.sending import Sending
from hub.intake.parts import Parts
from hub.intake.sealing import Sealing
from hub.intake.streams import Streams
from hub.jobs import Jobs
from hub.live.limits import LiveLimits
from hub.live.server import LiveDoor
from hub.outbound.sending import Channels
from hub.readings import take_readings_of, take_readings_of_doors
from hub.reloading import Reloading
from hub.settings import Channel, Settings
from hub.stores import Stores
from hub.telemetry import Metrics


def origins_of(settings: Settings, admin: socket.socket) -> frozenset[str]:
    """Who may ask from a browser: the configured, and the pages of the admin door under each of its names."""
    port = admin.getsockname()[1]
    own = {url_at("http", admin), f"http://localhost:{port}", f"http://127.0.0.1:{port}"}
    return frozenset(settings.hub.origins) | own


def live_door(
    settings: Settings, stores: Stores, access: Access, origins: frozenset[str], reloading: Reloading
) -> LiveDoor:
    """The live door, not open yet: it hears of the house and of keys."""
    door = LiveDoor(
        house=lambda: stores.house,
        access=access,
        stock=stores.reads,
        open_tail=stores.tail_from_now,
        clock=time,
        hear=stores.hear,
        origins=sorted(origins),
        limits=LiveLimits(connections_max=settings.limits.connections_max),
    )
    stores.current.listeners.append(door.recheck)
    reloading.on_keys.append(door.recheck_claims)
    stores.sweep.watched = door.watched_skus
    return door


async def open_live(door: LiveDoor, address: str, exits: AsyncExitStack, *, shared: bool) -> None:
    """Let screens in. Raises SettingsInvalid: the address cannot be listened on."""
    with listening(address):
        await door.start(host_of(address), port_of(address), shared=shared)
    exits.push_async_callback(door.stop)


def parts_of(  # noqa: PLR0913 - what the HTTP door works with
    settings: Settings,
    stores: Stores,
    jobs: Jobs,
    *,
    access: Access,
    live: LiveDoor,
    streams: Streams,
    metrics: Metrics,
    origins: frozenset[str],
    not_ready: Callable[[], str | None],
    channels: Callable[[], Sequence[Channel]],
) -> Parts:
    """One process's share of the hub, as the routes see it."""
    return Parts(
        access=access,
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
        channels=channels,
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
        streams=streams,
        live=live,
        metrics=metrics,
        limits=settings.limits,
        not_ready=not_ready,
        ledger_state=jobs.ledger_state,
        origins=origins,
    )


def readings(
    parts: Parts, stores: Stores, jobs: Jobs, live: LiveDoor, sending: tuple[Sending, Channels], metrics: Metrics
) -> Callable[[], None]:
    """What sets the gauges when somebody asks for the metrics."""

    def take_readings() -> None:
        take_readings_of(stores, metrics, on_duty=jobs.duty.is_held)
        metrics.ledger_following.set(jobs.ledger_state() == "following")
        take_readings_of_doors(live.counters, parts.streams, metrics)
        for each in sending:
            each.take_readings(metrics)
        metrics.ready.set(parts.not_ready() is None and stores.kernel.closed_because is None)

    return take_readings


async def serve(app: web.Application, taken: socket.socket, stop_seconds: float, exits: AsyncExitStack) -> None:
    """Answer at an address that was taken; at the end requests under way have so many seconds."""
    runner: Any = web.AppRunner(app, access_log=None, shutdown_timeout=stop_seconds)
    await runner.setup()
    exits.push_async_callback(runner.cleanup)
    await web.SockSite(runner, taken, backlog=1024).start()
