"""`hub load`: which hub, with which token, and what is written in the end."""

import asyncio
import resource
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import time
from urllib.parse import urlsplit

import click
import msgspec

from hub.commands.token import make_token
from hub.domain.catalogue import HouseSettings, LocationSettings, PoolSettings
from hub.faults import SettingsInvalid
from hub.load.load import run_load
from hub.load.options import LoadOptions, Target, check_consent, check_files, is_loopback
from hub.load.report import report_html
from hub.load.words import live_line, summary
from hub.settings import Settings, load

# Who it is at the hub: the space of its event ids, and the owner of its reservations.
SUB = "load"
SCOPES = ("events:write", "positions:read", "reservations:write", "reservations:any")
_TTL = "2d"
# Connections of a private hub besides the load's sockets.
_SPARE_CONNECTIONS = 100


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says besides the load itself."""

    config: Path | None
    url: str | None
    live: str | None
    bearer: str | None
    location: str | None
    pool: str | None
    consent: str | None
    json_file: Path | None
    report: Path | None


async def run_load_command(
    asked: Asked, options: LoadOptions, environ: Mapping[str, str], stop_signal: Callable[[], asyncio.Event]
) -> int:
    """Run a load; the exit code is 0 only where everything that was judged is right.

    Raises:
        SettingsInvalid: the options do not fit together, or the target was not allowed.
        Fault: the hub cannot be asked.
    """
    options.check()
    _check_target(asked)
    check_files(options, _files_allowed())
    for file in (asked.json_file, asked.report):
        if file is not None and not file.parent.is_dir():
            raise SettingsInvalid(f"{file}: there is no such folder")
    told = stop_signal()
    async with _target(asked, options, environ) as target:
        result = await run_load(
            target,
            options,
            version=version("inventory-sync-hub"),
            told=told,
            say=partial(click.echo, err=True),
            second=lambda second: click.echo(live_line(second, options), err=True),
        )
    click.echo(summary(result))
    if asked.json_file is not None:
        asked.json_file.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    if asked.report is not None:
        asked.report.write_text(report_html(result), "utf-8")
    return 0 if result.judgement.is_clean else 1


def _check_target(asked: Asked) -> None:
    """Raises SettingsInvalid where the load may not go to the address."""
    if asked.url is None:
        if asked.live or asked.bearer:
            raise SettingsInvalid("--live and --token are for a hub that --url names")
        return
    check_consent(asked.url, asked.consent)
    if asked.live is not None:
        host = urlsplit(asked.live).hostname or ""
        if not is_loopback(host) and host != urlsplit(asked.url).hostname:
            raise SettingsInvalid(f"--live {asked.live} is on another machine than --url {asked.url}")


def _files_allowed() -> int:
    """Raise the limit of open files to the highest that is allowed, and tell it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


@asynccontextmanager
async def _target(asked: Asked, options: LoadOptions, environ: Mapping[str, str]) -> AsyncIterator[Target]:
    """The hub that is named, or a private one that ends with the block."""
    settings = load(asked.config, environ)
    location, pool = _place(settings.house, asked)
    async with AsyncExitStack() as at_end:
        url, live = asked.url, asked.live
        if url is None:
            from hub.assembly import running  # noqa: PLC0415 - a load of another hub need not load the servers

            folder = at_end.enter_context(tempfile.TemporaryDirectory(prefix="hub-load-"))
            settings = _private(settings, Path(folder), options)
            hub = await at_end.enter_async_context(running(settings))
            url, live = hub.doors().http, hub.doors().live
        elif live is None:
            live = f"ws://{settings.hub.live}"
        token = asked.bearer or make_token(
            settings, sub=SUB, source=None, scope=SCOPES, pool=(pool,), location=(location,), ttl=_TTL, now=time()
        )
        yield Target(url=url.rstrip("/"), live=live.rstrip("/"), token=token, location=location, pool=pool)


def _private(settings: Settings, folder: Path, options: LoadOptions) -> Settings:
    """The same house on free ports, its data in `folder`, with room for the sockets."""
    if settings.redis.url or settings.ledger.dsn:
        raise SettingsInvalid(
            "without --url the load brings its own servers: unset HUB_REDIS_URL and HUB_LEDGER_DSN for it"
        )
    doors = dict.fromkeys(("http", "live", "admin"), "127.0.0.1:0")
    room = max(settings.limits.connections_max, options.sockets + _SPARE_CONNECTIONS)
    return msgspec.structs.replace(
        settings,
        hub=msgspec.structs.replace(settings.hub, data_dir=folder.resolve(), **doors),
        limits=msgspec.structs.replace(settings.limits, connections_max=room),
    )


def _place(house: HouseSettings, asked: Asked) -> tuple[str, str]:
    """Where it sells and for whom: as asked, else the first pool that shows numbers whole, and what it sees."""
    if asked.location and asked.pool:
        return asked.location, asked.pool
    shows_all = [pool for pool in house.pools if pool.show == "number" and pool.cap is None]
    for pool in [*shows_all, *house.pools]:
        for location in house.locations:
            is_asked = asked.pool in (None, pool.id) and asked.location in (None, location.id)
            if is_asked and _sees(pool, location):
                return location.id, pool.id
    raise SettingsInvalid("no pool of the house sees a location as asked; name both with --location and --pool")


def _sees(pool: PoolSettings, location: LocationSettings) -> bool:
    if pool.locations:
        return location.id in pool.locations
    of_kind = not pool.kinds or location.kind in pool.kinds
    return of_kind and (not pool.countries or location.country in pool.countries) and bool(pool.kinds or pool.countries)
