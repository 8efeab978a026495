"""A Redis and a Postgres that a test may kill, stop, empty, replace or rob of power."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from random import Random

import asyncpg
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.embedded.account import postgres_account, take_over
from hub.embedded.binaries import postgres_binaries, redis_binaries
from hub.embedded.servers import start
from tests.faults.patience import until
from tests.faults.power import ForgetfulDisk, Forgotten

PROMISES = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no", "save": ""}


class OwnServer:
    """A server's process, killed at the end whatever happened."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def spawn(self, command: Sequence[str], log: Path, more: dict[str, str]) -> None:
        with log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "LC_ALL": "C", "TZ": "UTC", **more},
            )

    async def kill(self) -> None:
        """As `kill -9` does; comes back when it has ended."""
        if self.process is not None:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It stands still meanwhile."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            if self.is_running:
                self.process.send_signal(signal.SIGCONT)


class OwnRedis(OwnServer):
    """A Redis or Valkey in a folder with a short path, for its socket."""

    def __init__(self, folder: Path, program: Path, disk: ForgetfulDisk | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.data = folder / "redis"
        self._copy = folder / "redis-before"
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._program = program
        self.disk = disk

    async def start(self, *options: str, port: int = 0) -> None:
        """Start it on what its folder holds, and come back when it answers."""
        self.data.mkdir(exist_ok=True)
        settings = {
            **PROMISES,
            "dir": str(self.data),
            "port": str(port),
            "unixsocket": str(self.socket),
            "enable-debug-command": "yes",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        more = self.disk.environment() if self.disk else {}
        self.socket.unlink(missing_ok=True)
        await self.spawn([str(self._program), *words, *options], self.folder / "redis.log", more)
        await until(self.answers)

    def client(self) -> Redis:
        return Redis.from_url(self.url, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    async def answers(self) -> bool:
        assert self.is_running, (self.folder / "redis.log").read_text()[-2000:]
        try:
            async with self.client() as client:
                return bool(await client.ping())
        except (RedisError, OSError):
            return False

    async def empty(self) -> None:
        """Its volume is lost; call it when it has ended."""
        shutil.rmtree(self.data)

    def copy(self) -> None:
        """Keep its disk as it is at one moment."""
        with self.paused():
            shutil.rmtree(self._copy, ignore_errors=True)
            shutil.copytree(self.data, self._copy)

    async def age(self) -> None:
        """Its disk is again what was copied; call it when it has ended."""
        await self.empty()
        self._copy.rename(self.data)

    async def lose_power(self, random: Random | None = None) -> Forgotten:
        """Kill it, and take from its disk what was not synced."""
        await self.kill()
        assert self.disk is not None
        return self.disk.lose_power(random)

    def take_over(self, other: "OwnRedis") -> None:
        """Answer at another's address from now on; a socket that is listened to may be renamed."""
        self.socket.rename(other.socket)
        self.socket, self.url = other.socket, other.url


class OwnPostgres(OwnServer):
    """A Postgres in a folder of its own."""

    def __init__(self, folder: Path, disk: ForgetfulDisk | None = None) -> None:
        super().__init__()
        self.folder = folder
        self.dsn = ""
        self._cluster = folder / "made" / "postgres"
        self.disk = disk

    async def make(self) -> None:
        """Make its cluster, as the hub makes its own."""
        made = await start(self.folder / "made", redis=False, postgres=True)
        await made.stop()

    async def start(self) -> None:
        """Start it on what its folder holds, and come back when it lets a session begin."""
        binary = await anext(aiter(postgres_binaries()))
        account = await postgres_account(binary.path, self.folder)
        take_over(self._cluster, account.uid)
        options = {"port": "5432", "unix_socket_directories": str(self.folder), "listen_addresses": "", "fsync": "on"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        more = self.disk.environment() if self.disk else {}
        command = [*account.prefix, str(binary.path), "-D", str(self._cluster), *words]
        await self.spawn(command, self.folder / "postgres.log", more)
        self.dsn = f"postgresql://hub@/hub?host={self.folder}&port=5432"
        await until(self.answers)

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """The DSN of a new database, dropped afterwards; no connection is kept, for the server may die meanwhile."""
        await self._execute(f'CREATE DATABASE "{name}"')
        yield self.dsn.replace("/hub?", f"/{name}?")
        await self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn, timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def answers(self) -> bool:
        assert self.is_running, (self.folder / "postgres.log").read_text()[-2000:]
        try:
            await (await asyncpg.connect(self.dsn, timeout=5)).close()
        except (OSError, asyncpg.PostgresError, TimeoutError, asyncpg.InterfaceError):
            return False
        return True

    async def kill(self) -> None:
        """Kill all of it: its children end when they see that it did, and write nothing meanwhile."""
        children = self._children()
        await super().kill()
        for pid in children:
            _signalled(pid, signal.SIGKILL)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

        async def are_gone() -> bool:
            return not any(map(_runs, children))

        await until(are_gone)

    async def lose_power(self, random: Random | None = None) -> Forgotten:
        """Kill it, and take from its disk what was not synced."""
        await self.kill()
        assert self.disk is not None
        return self.disk.lose_power(random)

    @contextmanager
    def paused_whole(self) -> Iterator[None]:
        """It stands still meanwhile, with its children, which live in sessions of their own."""
        children = self._children()
        with self.paused():
            for pid in children:
                _signalled(pid, signal.SIGSTOP)
            try:
                yield
            finally:
                for pid in children:
                    _signalled(pid, signal.SIGCONT)

    def _children(self) -> list[int]:
        if not self.is_running:
            return []
        assert self.process is not None
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # It has just ended.
            if int(fields[1]) == self.process.pid:
                found.append(int(stat.parent.name))
        return found


def _signalled(pid: int, number: int) -> None:
    """Send a signal to a process of ours that may have ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def free_port() -> int:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


async def redis_program(only: Path | None) -> Path:
    return (await anext(aiter(redis_binaries(only)))).path
