"""No server outlives its hub, however the hub ends, and nothing acknowledged is lost by it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.embedded.folder import open_folder
from hub.embedded.servers import start
from hub.faults import ServerRefused

STANDIN = Path(__file__).with_name("standin_hub.py")


@asynccontextmanager
async def standin_hub(data_dir: Path, *parts: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(STANDIN), str(data_dir), *parts), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        (await open_folder(data_dir)).close()


async def redis_pid(url: str) -> int:
    async with Redis.from_url(url) as client:
        return (await client.info("server"))["process_id"]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_killed_hub_leaves_no_server_running(tmp_path: Path):
    async with standin_hub(tmp_path, "postgres") as (hub, said):
        pids = [await redis_pid(said["redis_url"])]
        pids.append(int((tmp_path / "postgres/postmaster.pid").read_text().split()[0]))
        assert all(map(runs, pids))

        hub.kill()
        await hub.wait()
        # The folder opens as soon as the last server has ended.
        folder = await open_folder(tmp_path)

        assert not any(map(runs, pids))
        assert not (tmp_path / "postgres/postmaster.pid").exists()
        folder.close()


async def test_what_a_killed_hub_acknowledged_is_there_at_the_next_start(tmp_path: Path):
    async with standin_hub(tmp_path, "postgres") as (hub, said):
        async with Redis.from_url(said["redis_url"]) as client:
            await client.set("stock", 7)
        connection = await asyncpg.connect(said["postgres_dsn"])
        await connection.execute("CREATE TABLE ledger AS SELECT 7 AS stock")
        await connection.close()

        hub.kill()
        await hub.wait()
        servers = await start(tmp_path, redis=True, postgres=True)

        try:
            async with Redis.from_url(servers.redis_url or "") as client:
                assert await client.get("stock") == b"7"
            connection = await asyncpg.connect(servers.postgres_dsn)
            assert await connection.fetchval("SELECT stock FROM ledger") == 7
            await connection.close()
        finally:
            await servers.stop()


async def test_a_second_hub_is_refused_at_once_and_told_which_process_is_the_first(tmp_path: Path):
    async with standin_hub(tmp_path) as (hub, said):
        with pytest.raises(ServerRefused, match=f"process {hub.pid}"):
            await start(tmp_path, redis=True, postgres=False)

        assert await redis_pid(said["redis_url"])


async def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(tmp_path: Path):
    async with standin_hub(tmp_path) as (hub, said):
        server = await redis_pid(said["redis_url"])

        assert os.getsid(server) != os.getsid(hub.pid)
        assert os.getpgid(server) != os.getpgid(hub.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux tells a child of its parent's death")
async def test_a_server_whose_guard_is_killed_stops_and_the_hub_hears_of_it(tmp_path: Path):
    servers = await start(tmp_path, redis=True, postgres=False)
    lost = asyncio.create_task(servers.lost())
    server = await redis_pid(servers.redis_url or "")

    os.kill(parent_of(server), signal.SIGKILL)

    async with asyncio.timeout(20):
        assert "ended with exit code -9" in await lost
        await servers.stop()
        (await open_folder(tmp_path)).close()
    with pytest.raises(OSError, match=r"No such file|refused"):
        await asyncio.open_unix_connection(tmp_path / "run/redis.sock")


async def test_the_hub_hears_of_a_server_that_ends_by_itself(tmp_path: Path):
    servers = await start(tmp_path, redis=True, postgres=False)
    lost = asyncio.create_task(servers.lost())

    os.kill(await redis_pid(servers.redis_url or ""), signal.SIGKILL)

    try:
        async with asyncio.timeout(20):
            assert "ended with exit code 137" in await lost
    finally:
        await servers.stop()


async def test_a_server_that_does_not_heed_its_guard_is_killed(tmp_path: Path):
    guard = Path(__file__).parents[2] / "hub/embedded/guard.py"
    deaf = "trap '' TERM; echo ready; while :; do read -r line < /dev/zero; done"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", str(guard), "SIGTERM:0.1", "/bin/sh", "-c", deaf),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"

    process.stdin.close()

    async with asyncio.timeout(20):
        assert await process.wait() == 128 + signal.SIGKILL
    await process.communicate()
