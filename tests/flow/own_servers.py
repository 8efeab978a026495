"""Servers of a test's own, that it may stop, kill, freeze and start under a hub."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers, start


class OwnServers:
    """Servers that can be stopped and started under a hub."""

    def __init__(self, folder: Path, redis_binary: Path | None) -> None:
        self._folder = folder
        self._redis_binary = redis_binary
        self.running: EmbeddedServers

    async def start(self) -> None:
        self.running = await start(self._folder, redis=True, postgres=True, redis_binary=self._redis_binary)

    async def redis_pid(self) -> int:
        async with self.redis() as client:
            return int((await client.info("server"))["process_id"])

    def redis(self) -> Redis:
        assert self.running.redis_url is not None
        return Redis.from_url(self.running.redis_url)

    def postgres_pids(self) -> list[int]:
        """The postmaster and its children, which live in sessions of their own."""
        postmaster = int((self._folder / "postgres/postmaster.pid").read_text().split()[0])
        children = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # It has just ended.
            if int(fields[1]) == postmaster:
                children.append(int(stat.parent.name))
        return [postmaster, *children]


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """These processes stand still meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
