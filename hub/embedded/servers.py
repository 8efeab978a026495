"""Start and stop the private servers of one hub.

Rules: one hub per data folder; no server outlives its hub, however the hub ends; a folder is never opened by a server
that might damage it.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path

from hub.embedded.binaries import Binary
from hub.embedded.folder import DataFolder, open_folder, sockets_in_use
from hub.embedded.guarded import Guarded
from hub.embedded.postgres_server import choose_postgres, postgres_dsn, start_postgres
from hub.embedded.record import is_used
from hub.embedded.redis_server import choose_redis, redis_url, start_redis
from hub.faults import ServerRefused


class EmbeddedServers:
    """The running private servers. Made by `start`; call `stop` once at the end."""

    def __init__(self, folder: DataFolder | None) -> None:
        # For redis-py; None when Redis was not asked for.
        self.redis_url: str | None = None
        # For asyncpg; None when Postgres was not asked for.
        self.postgres_dsn: str | None = None
        # One phrase per server, fit for a line of log: which was taken, and why.
        self.descriptions: tuple[str, ...] = ()
        # Whether they are those of another process, a running hub.
        self.are_joined = folder is None
        self._folder = folder
        self._running: list[Guarded] = []

    async def lost(self) -> str:
        """Wait until a server ends, and say which in a sentence: its hub cannot go on without it."""
        if not self._running:
            await asyncio.Event().wait()
        ends = [asyncio.ensure_future(server.lost()) for server in self._running]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            await _cancel(ends)

    async def stop(self) -> None:
        """Stop the servers in order, wait for them, and give the data folder free. Idempotent."""
        await asyncio.gather(*(server.stop() for server in self._running))
        if self._folder is not None:
            self._folder.close()

    async def _start(self, folder: DataFolder, *, redis: bool, postgres: bool, redis_binary: Path | None) -> None:
        # Both are chosen before either is started: a refusal then changes nothing at all.
        redis_choice = await choose_redis(folder, redis_binary) if redis else None
        postgres_choice = await choose_postgres(folder) if postgres else None
        starts: list[Awaitable[None]] = []
        if redis_choice:
            starts.append(self._start_redis(folder, redis_choice))
        if postgres_choice:
            starts.append(self._start_postgres(folder, postgres_choice))
        await _all(starts)
        chosen = [choice for choice in (redis_choice, postgres_choice) if choice]
        self.descriptions = tuple(f"{choice.title} {choice.source}" for choice in chosen)

    async def _start_redis(self, folder: DataFolder, binary: Binary) -> None:
        server, self.redis_url = await start_redis(folder, binary)
        self._running.append(server)

    async def _start_postgres(self, folder: DataFolder, binary: Binary) -> None:
        server, self.postgres_dsn = await start_postgres(folder, binary)
        self._running.append(server)


async def start(data_dir: Path, *, redis: bool, postgres: bool, redis_binary: Path | None = None) -> EmbeddedServers:
    """Start the private servers that are asked for and return when they answer.

    The data folder is made if need be and locked; after a hub was killed this waits up to 20 seconds for its servers
    to end. `redis_binary` names the one Redis or Valkey program to use.

    Raises:
        ServerRefused: no server is at hand, the folder is another hub's or another server's, or a start failed.
    """
    try:
        folder = await open_folder(data_dir)
        servers = EmbeddedServers(folder)
        try:
            await servers._start(folder, redis=redis, postgres=postgres, redis_binary=redis_binary)
        except BaseException:
            await servers.stop()
            raise
    except OSError as error:
        raise ServerRefused(f"the data folder {data_dir} cannot be used: {error}") from error
    return servers


async def join_or_start(data_dir: Path, *, redis: bool, postgres: bool) -> EmbeddedServers:
    """The private servers of a hub that was made before: those of the running one, else started as `start` does.

    Those of a running hub go on when `stop` is called.

    Raises:
        ServerRefused: no hub ever ran in the folder, or as `start`.
    """
    if not is_used(data_dir):
        raise ServerRefused(f"there is no hub in the data folder {data_dir}")
    try:
        sockets = sockets_in_use(data_dir)
    except OSError as error:
        raise ServerRefused(f"the data folder {data_dir} cannot be used: {error}") from error
    if sockets is None:
        return await start(data_dir, redis=redis, postgres=postgres)
    joined = EmbeddedServers(None)
    joined.redis_url, joined.postgres_dsn = redis_url(sockets), postgres_dsn(sockets)
    return joined


async def _all(starts: list[Awaitable[None]]) -> None:
    """Run all to their end; when one fails the others are cancelled, and its own exception is raised."""
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    finally:
        await _cancel(tasks)


async def _cancel(tasks: Sequence[asyncio.Future[None] | asyncio.Future[str]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
