"""The private servers: what they promise, who can reach them, and how they come back."""

import os
import stat
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.embedded import account
from hub.embedded.servers import EmbeddedServers, start
from hub.faults import ServerRefused
from hub.ledger.requirements import check_postgres
from hub.stock.requirements import check_redis


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_embedded_redis_is_fit_for_use(servers: EmbeddedServers, redis_client: Redis):
    title = await check_redis(redis_client)

    assert servers.descriptions[0].startswith(f"{title} ")


async def test_the_embedded_postgres_is_fit_for_use(servers: EmbeddedServers, postgres_dsn: str):
    connection = await asyncpg.connect(postgres_dsn)
    try:
        title = await check_postgres(connection)
    finally:
        await connection.close()

    assert servers.descriptions[1].startswith(f"{title} ")


async def test_no_server_listens_on_a_port(redis_client: Redis, postgres_dsn: str):
    connection = await asyncpg.connect(postgres_dsn)
    try:
        listens = await connection.fetchval("SHOW listen_addresses")
    finally:
        await connection.close()

    assert listens == ""
    assert (await redis_client.config_get("port"))["port"] == "0"


async def test_an_orderly_restart_keeps_the_stock_and_takes_no_new_one(tmp_path: Path):
    for expected in (1, 2):
        servers = await start(tmp_path, redis=True, postgres=False)
        try:
            async with Redis.from_url(servers.redis_url or "") as client:
                assert await client.incr("stock") == expected
        finally:
            await servers.stop()


async def test_a_data_folder_with_an_open_mode_is_closed_to_others(tmp_path: Path):
    os.chmod(tmp_path, 0o755)

    servers = await start(tmp_path, redis=True, postgres=False)
    await servers.stop()

    assert {mode(Path(folder)) for folder, _, _ in os.walk(tmp_path)} == {0o700}


@pytest.mark.parametrize("name", ["long" * 30, 'comma, space and "quote"'])
async def test_a_folder_whose_path_does_not_do_for_sockets_works_and_leaves_nothing_elsewhere(
    tmp_path: Path, name: str
):
    data_dir = tmp_path / name

    servers = await start(data_dir, redis=True, postgres=True)
    try:
        sockets = Path((data_dir / "run.path").read_text().strip())
        assert mode(sockets) == 0o700
        async with Redis.from_url(servers.redis_url or "") as client:
            assert await client.ping()
        connection = await asyncpg.connect(servers.postgres_dsn)
        assert await connection.fetchval("SELECT current_database()") == "hub"
        await connection.close()
    finally:
        await servers.stop()

    assert sockets.name not in os.listdir(sockets.parent)


async def test_a_folder_everybody_may_write_to_is_refused(tmp_path: Path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)

    with pytest.raises(ServerRefused, match="shared by everybody"):
        await start(shared, redis=True, postgres=False)

    assert list(shared.iterdir()) == []


async def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("kept")

    with pytest.raises(ServerRefused, match="cannot be used"):
        await start(tmp_path / "file", redis=True, postgres=False)


async def test_a_server_that_does_not_start_shows_the_end_of_its_log(tmp_path: Path):
    servers = await start(tmp_path, redis=True, postgres=False)
    await servers.stop()
    (manifest,) = (tmp_path / "redis/appendonlydir").glob("*.manifest")
    manifest.write_text("this is no manifest\n")

    with pytest.raises(ServerRefused, match=r"(?s)exit code 1; the end of .*manifest"):
        await start(tmp_path, redis=True, postgres=False)

    assert manifest.read_text() == "this is no manifest\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account for Postgres")
async def test_where_namespaces_are_forbidden_root_runs_postgres_as_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    unfinished = tmp_path / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("left by a hub that was killed while it made the cluster")
    for forbidden in (True, False, True):
        with monkeypatch.context() as patch:
            if forbidden:
                patch.setattr(account, "_NAMESPACE", ("/bin/false",))
            servers = await start(tmp_path, redis=False, postgres=True)
        try:
            connection = await asyncpg.connect(servers.postgres_dsn)
            await connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
        finally:
            await servers.stop()
        assert (tmp_path / "postgres").stat().st_uid == (65534 if forbidden else 0)
