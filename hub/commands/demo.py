"""`hub demo`: the sample house in a folder of its own, its doors where there is room, and gentle traffic."""

import asyncio
import socket
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import time

import click
import msgspec

from hub.access import mint
from hub.assembly import Hub, running
from hub.credentials import signing_key, with_a_key
from hub.demo import Demo, Mint
from hub.faults import SettingsInvalid
from hub.settings import Settings, load
from hub.tasks import end


async def run_demo(data_dir: Path | None, environ: Mapping[str, str], stop_signal: Callable[[], asyncio.Event]) -> None:
    """Run the demo until it is told to stop. Without `data_dir` nothing of it stays behind.

    Raises:
        Fault: the hub cannot start.
    """
    told = stop_signal()
    with ExitStack() as at_end:
        folder = data_dir or Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="hub-demo-")))
        settings = _settings(folder, environ)
        demo = Demo(_minter(settings))
        async with running(settings, demo=demo.session) as hub:
            await demo.stock_up(hub.doors().http)
            click.echo(f"\n  The last bag is on sale at  {hub.doors().admin}/demo")
            click.echo("  Open it, sell the bag, and watch the other screens.\n\n  Ctrl-C ends it.\n")
            await _move_until(told, demo, hub)


async def _move_until(told: asyncio.Event, demo: Demo, hub: Hub) -> None:
    traffic = asyncio.create_task(demo.keep_moving(hub.doors().http))
    try:
        await hub.wait(told)
    finally:
        await end([traffic])


def _settings(folder: Path, environ: Mapping[str, str]) -> Settings:
    """The sample house, its data in `folder`, on the usual ports where they are free."""
    settings = load(None, environ)
    if settings.redis.url or settings.ledger.dsn:
        raise SettingsInvalid("the demo brings its own servers: unset HUB_REDIS_URL and HUB_LEDGER_DSN for it")
    hub = settings.hub
    doors = {name: _free(getattr(hub, name)) for name in ("http", "live", "admin")}
    return msgspec.structs.replace(settings, hub=msgspec.structs.replace(hub, data_dir=folder.resolve(), **doors))


def _free(address: str) -> str:
    """The address, or any free port of its host when another program has it: a demo should just run."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError:
            return f"{host}:0"
    return address


def _minter(settings: Settings) -> Mint:
    key = signing_key(with_a_key(settings.access, settings.hub.data_dir))
    if key is None:
        raise SettingsInvalid("the demo needs a key that can make tokens")

    def minted(
        *, sub: str, scope: frozenset[str], pools: frozenset[str], locations: frozenset[str], ttl_seconds: int
    ) -> str:
        return mint(
            key,
            sub=sub,
            scope=tuple(scope),
            pools=tuple(pools),
            locations=tuple(locations),
            ttl_seconds=ttl_seconds,
            now=time(),
        )

    return minted
