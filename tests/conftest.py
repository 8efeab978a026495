"""Fixtures: one embedded pair of real servers for the whole run, a clean Redis and a new database for each test."""

import asyncio
import gc
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from pathlib import Path
from time import monotonic

import pytest
from redis.asyncio import Redis

from hub.embedded.servers import EmbeddedServers, start
from tests.databases import new_database

# How long anything may take that tells nobody when it is done.
PATIENCE_SECONDS = 60.0
# Folders whose files take long: begun first, so that in the end no worker waits for another's last file.
LONG_ONES = ("model", "recovery", "requirements", "flow", "faults", "verify", "docs", "load", "browser", "architecture")
# Where Python is told to keep no bytecode, each hub that a test starts would compile all that it imports.
BYTECODE = Path(__file__).resolve().parents[1] / ".pytest_cache" / "bytecode"
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(BYTECODE))
    sys.dont_write_bytecode, sys.pycache_prefix = False, os.environ["PYTHONPYCACHEPREFIX"]
# What the tests write lies in memory where there is room, and programs may lie there: an empty database then costs a
# tenth. What a disk keeps is the matter of one that forgets on purpose (tests/faults/power.py), wherever that lies.
MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 4_000_000_000
if (
    os.access(MEMORY, os.W_OK)
    and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC
    and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--redis-server",
        metavar="PATH",
        help="run the suite against this Redis or Valkey program instead of the embedded default",
    )
    parser.addoption("--rounds", type=int, default=1, help="rounds of faults drawn at random (tests/faults)")
    parser.addoption("--examples", type=int, help="drawn of each operation of the HTTP door (tests/specs)")
    parser.addoption(
        "--samples", type=int, default=400, help="changes that nobody may notice (tests/flow/test_privacy.py)"
    )
    parser.addoption("--seed", help="of the rounds of faults; with one round it replays that one")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One more than there are cores: whoever tests servers and processes waits for them often."""
    return (yield) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = Path(__file__).parent

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(folders).parts[0]
        return LONG_ONES.index(folder) if folder in LONG_ONES else len(LONG_ONES)

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    # What thousands of tests consist of stays to the end: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def redis_binary(request: pytest.FixtureRequest) -> Path | None:
    chosen: str | None = request.config.getoption("--redis-server")
    return Path(chosen) if chosen else None


@pytest.fixture(scope="session")
async def servers(
    tmp_path_factory: pytest.TempPathFactory, redis_binary: Path | None
) -> AsyncIterator[EmbeddedServers]:
    data_dir = tmp_path_factory.mktemp("servers")
    started = await start(data_dir, redis=True, postgres=True, redis_binary=redis_binary)
    yield started
    await started.stop()


@pytest.fixture
async def redis_client(servers: EmbeddedServers) -> AsyncIterator[Redis]:
    """A client of a Redis without any key; replies are bytes."""
    assert servers.redis_url is not None
    async with Redis.from_url(servers.redis_url) as client:
        await client.flushall()
        await client.script_flush()
        await client.function_flush()
        yield client


@pytest.fixture
def redis_url(servers: EmbeddedServers, redis_client: Redis) -> str:
    """The URL of a Redis without any key."""
    assert servers.redis_url is not None
    return servers.redis_url


@pytest.fixture
async def postgres_dsn(servers: EmbeddedServers) -> AsyncIterator[str]:
    """The DSN of a new and empty database, dropped after the test."""
    assert servers.postgres_dsn is not None
    async with new_database(servers.postgres_dsn) as dsn:
        yield dsn


@pytest.fixture
def until() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait until a claim holds about something that tells nobody, such as the server's list of sessions."""

    return until_holds


async def until_holds(claim: Callable[[], Awaitable[bool]]) -> None:
    """The same for what is no test."""
    ends = monotonic() + PATIENCE_SECONDS
    async with asyncio.timeout(PATIENCE_SECONDS):
        # The clock too, because a client of Redis on Python 3.11 may lose the one cancellation that a timeout sends.
        while not await claim():
            if monotonic() > ends:
                raise TimeoutError
            await asyncio.sleep(0.02)
