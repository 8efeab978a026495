"""`hub serve`: a hub in one process, several processes of one hub, or one of those."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click
import structlog

from hub.assembly import running
from hub.console.session import Doors
from hub.processes.lines import Ready
from hub.processes.parent import Parent
from hub.processes.supervisor import Supervisor
from hub.roles import Role, Share
from hub.settings import load, read

StopSignal = Callable[[], asyncio.Event]


async def serve_alone(
    config: Path | None,
    environ: Mapping[str, str],
    roles: frozenset[Role],
    stop_signal: StopSignal,
    asked_early: Sequence[int],
) -> None:
    """Run a hub in this process until it is told to stop; `asked_early` is not empty where a reload was asked for.

    Raises:
        Fault: it cannot start, or lost a private server.
    """
    settings = load(config, environ)
    # Before the start: a hub told to stop meanwhile stops in order as soon as it has started. A cancellation
    # could get lost in a client library, and the start would go on.
    told = stop_signal()
    async with running(settings, reread=partial(read, config, environ), share=Share(roles)) as hub:
        _settle()
        _at_reload(hub.note_reload_asked, asked_early)
        click.echo(ready_line(hub.doors()))
        await hub.wait(told)


async def serve_given(
    config: Path | None,
    environ: Mapping[str, str],
    roles: frozenset[Role],
    stop_signal: StopSignal,
    asked_early: Sequence[int],
) -> None:
    """Run one of several processes until it is told to stop, or the one that started it has ended.

    Raises:
        Fault: it cannot start.
    """
    settings, told = load(config, environ), stop_signal()
    parent = await Parent.met()
    structlog.contextvars.bind_contextvars(process=parent.given.number)
    reread, share = partial(read, config, environ), Share(roles, parent.given)

    async def reload() -> str:
        return "; ".join((await hub.reloading.reload_alone()).problems[:3])

    async with running(settings, reread=reread, share=share) as hub:
        _settle()
        hub.reloading.have_others_reload = parent.have_others_reload
        heeding = asyncio.create_task(parent.heed(told, reload), name="parent")
        _at_reload(hub.note_reload_asked, asked_early)
        parent.say_ready(hub.doors())
        # It ends by a defect only.
        waiting = asyncio.create_task(hub.wait(told))
        done, _ = await asyncio.wait({waiting, heeding}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def serve_several(
    config: Path | None,
    environ: Mapping[str, str],
    roles: frozenset[Role],
    stop_signal: StopSignal,
    asked_early: Sequence[int],
    *,
    workers: int,
    log_level: str,
) -> None:
    """Run so many processes of one hub until this one is told to stop.

    Raises:
        Fault: an address, a server or a process is not to be had.
    """
    settings, told = load(config, environ), stop_signal()
    supervisor = Supervisor(settings, workers, roles, _command(config, roles, log_level))
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(supervisor.reload(), name="reload")
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    def on_ready(doors: Ready) -> None:
        _at_reload(reload, asked_early)
        click.echo(ready_line(Doors(doors.http, doors.live, doors.admin)))

    await supervisor.run(told, on_ready)


def ready_line(doors: Doors) -> str:
    """What is printed once events are taken: the doors that are open."""
    events = [f"events {doors.http}"] if doors.http else []
    live = [f"live {doors.live}/v1/live"] if doors.live else []
    return " · ".join(["hub: ready", *events, *live, f"admin {doors.admin}"])


def _settle() -> None:
    """What the start made stays: full collections need not look at it."""
    gc.collect()
    gc.freeze()


def _at_reload(reload: Callable[[], None], asked_early: Sequence[int]) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    if asked_early:
        reload()


def _command(config: Path | None, roles: frozenset[Role], log_level: str) -> list[str]:
    """Starts one process, which is given the rest by its standard input."""
    options = ["--given", "--log-level", log_level]
    options += [] if config is None else ["--config", os.fspath(config)]
    options += [word for role in sorted(roles) for word in ("--role", role)]
    return [sys.executable, "-m", "hub", "serve", *options]
