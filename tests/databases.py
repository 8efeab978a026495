"""A database of its own for whoever needs an empty one, on the run's Postgres."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg


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
