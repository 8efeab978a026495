"""A Postgres that promises less than the hub is refused in one clear sentence."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from hub.embedded import postgres_server
from hub.embedded.servers import start
from hub.faults import ServerRefused
from hub.ledger.requirements import check_postgres


@pytest.fixture
async def connection(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a Postgres that the tests of this module start with other settings."""
    return tmp_path_factory.mktemp("cluster")


async def refusal(dsn: str | None) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        with pytest.raises(ServerRefused) as refused:
            await check_postgres(connection)
    finally:
        await connection.close()
    return str(refused.value)


async def test_a_fit_server_is_described_by_name_and_version(connection: asyncpg.Connection):
    name, version = (await check_postgres(connection)).split()

    assert name == "PostgreSQL"
    assert int(version.split(".")[0]) >= 15


@pytest.mark.parametrize("value", ["local", "remote_write", "remote_apply", "on"])
async def test_every_synchronous_commit_that_flushes_is_fit(connection: asyncpg.Connection, value: str):
    await connection.execute(f"SET synchronous_commit = {value}")

    assert await check_postgres(connection)


@pytest.mark.parametrize(("name", "value"), [("synchronous_commit", "off"), ("default_transaction_read_only", "on")])
async def test_a_weaker_setting_of_the_user_is_refused_and_named(connection: asyncpg.Connection, name: str, value: str):
    await connection.execute(f"SET {name} = {value}")

    with pytest.raises(ServerRefused, match=f"{name} = {value}"):
        await check_postgres(connection)


async def test_another_encoding_is_refused(connection: asyncpg.Connection, postgres_dsn: str):
    await connection.execute("CREATE DATABASE other ENCODING 'SQL_ASCII' TEMPLATE template0 STRATEGY file_copy")
    try:
        assert "SQL_ASCII" in await refusal(urlunsplit(urlsplit(postgres_dsn)._replace(path="/other")))
    finally:
        await connection.execute("DROP DATABASE other WITH (FORCE)")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
async def test_a_server_that_may_lose_its_files_is_refused(cluster: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setitem(postgres_server._PROMISES, name, "off")
    servers = await start(cluster, redis=False, postgres=True)

    try:
        assert f"{name} = off" in await refusal(servers.postgres_dsn)
    finally:
        await servers.stop()


async def test_a_standby_is_refused(cluster: Path):
    servers = await start(cluster, redis=False, postgres=True)
    await servers.stop()
    signal = cluster / "postgres/standby.signal"
    signal.touch()
    servers = await start(cluster, redis=False, postgres=True)

    try:
        assert "standby" in await refusal(servers.postgres_dsn)
    finally:
        await servers.stop()
        signal.unlink()
