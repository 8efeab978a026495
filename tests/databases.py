"""A database of its own for whoever needs an empty one, on the run's Postgres."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from tests.faults.patience import until


@asynccontextmanager
async def new_database(dsn: str) -> AsyncIterator[str]:
    """The DSN of a new and empty database beside the one at `dsn`; it is dropped afterwards."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def closed_database(dsn: str) -> AsyncIterator[None]:
    """The database at `dsn` lets nobody in."""
    server, _, database = dsn.partition("?")[0].rpartition("/")
    outside = await asyncpg.connect(dsn.replace(f"{server}/{database}", f"{server}/postgres"))
    try:
        await outside.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
        await outside.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", database
        )
        yield
    finally:
        await outside.execute(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
        await outside.close()


@asynccontextmanager
async def unwritten(dsn: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """The ledger answers what it is asked and takes no entry.

    The call that it yields waits until a writer is stuck; what that is about to write is thrown away at the end.
    """
    held, beside = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    stuck = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def waits_for_writer() -> None:
        async def waits() -> bool:
            return bool(await beside.fetchval(f"SELECT count(*) {stuck}"))

        await until(waits)

    try:
        async with held.transaction():
            await held.execute("LOCK TABLE hub.event IN SHARE MODE")
            yield waits_for_writer
            await beside.execute(f"SELECT pg_terminate_backend(pid, 5000) {stuck}")
    finally:
        await beside.close()
        await held.close()
