"""A Redis that promises less than the hub is refused in one clear sentence."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.embedded.binaries import redis_binaries
from hub.faults import ServerRefused, Unavailable
from hub.stock.requirements import check_redis


@pytest.fixture
async def settings(redis_client: Redis) -> AsyncIterator[Redis]:
    """The shared server with its settings put back afterwards."""
    names = ("maxmemory-policy", "appendfsync", "no-appendfsync-on-rewrite", "appendonly")
    before = await redis_client.config_get(*names)
    yield redis_client
    for name in names:
        await redis_client.config_set(name, before[name])


async def test_a_fit_server_is_described_by_name_and_version(redis_client: Redis):
    name, version = (await check_redis(redis_client)).split()

    assert name in ("Redis", "Valkey")
    assert version[0].isdigit()


async def test_a_client_that_decodes_replies_may_be_used_too(redis_url: str):
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        assert await check_redis(client)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendfsync", "everysec"),
        ("appendfsync", "no"),
        ("appendonly", "no"),
        ("maxmemory-policy", "allkeys-lru"),
        ("maxmemory-policy", "volatile-ttl"),
        ("no-appendfsync-on-rewrite", "yes"),
    ],
)
async def test_a_weaker_setting_is_refused_and_named(settings: Redis, name: str, value: str):
    await settings.config_set(name, value)

    with pytest.raises(ServerRefused, match=f"{name} '{value}'"):
        await check_redis(settings)


async def test_a_replica_is_refused(redis_client: Redis):
    await redis_client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(ServerRefused, match="replica"):
            await check_redis(redis_client)
    finally:
        await redis_client.replicaof("NO", "ONE")


@pytest.mark.parametrize("denied", ["config", "info"])
async def test_a_user_that_may_not_look_is_told_what_to_grant(redis_client: Redis, redis_url: str, denied: str):
    await redis_client.acl_setuser(
        "limited", enabled=True, reset=True, nopass=True, keys=["*"], categories=["+@all"], commands=[f"-{denied}"]
    )
    try:
        async with Redis.from_url(redis_url, username="limited", password="any") as client:
            with pytest.raises(ServerRefused, match=r"grant its user .*\+config\|get"):
                await check_redis(client)
    finally:
        await redis_client.acl_deluser("limited")


@pytest.mark.parametrize("denied", ["function", "fcall"])
async def test_a_user_that_may_not_use_functions_is_told_what_to_grant(
    redis_client: Redis, redis_url: str, denied: str
):
    await redis_client.acl_setuser(
        "limited", enabled=True, reset=True, nopass=True, keys=["*"], categories=["+@all"], commands=[f"-{denied}"]
    )
    try:
        async with Redis.from_url(redis_url, username="limited", password="any") as client:
            with pytest.raises(ServerRefused, match=r"grant its user .*\+function \+fcall"):
                await check_redis(client)
    finally:
        await redis_client.acl_deluser("limited")


async def test_a_wrong_password_is_refused_without_repeating_it(redis_url: str):
    async with Redis.from_url(redis_url, username="nobody", password="open-sesame") as client:
        with pytest.raises(ServerRefused, match="password") as refusal:
            await check_redis(client)

    assert "open-sesame" not in str(refusal.value)


async def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path):
    async with Redis.from_url(f"unix://{tmp_path}/none.sock", retry=None) as client:
        with pytest.raises(Unavailable, match="does not answer"):
            await check_redis(client)


async def test_a_cluster_is_refused(tmp_path: Path, redis_binary: Path | None):
    binary = await anext(redis_binaries(redis_binary))
    socket = tmp_path / "redis.sock"
    arguments = ["--cluster-enabled", "yes", "--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*(str(binary.path), *arguments), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            await process.stdout.readuntil(b"accept connections")
        async with Redis.from_url(f"unix://{socket}") as client:
            with pytest.raises(ServerRefused, match="cluster"):
                await check_redis(client)
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize(
    ("about", "title"),
    [
        ({"redis_version": "6.2.14"}, "Redis 6.2.14"),
        ({"redis_version": "7.2.4", "valkey_version": "7.1.9"}, "Valkey 7.1.9"),
    ],
)
async def test_an_old_server_is_refused(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, about: dict[str, Any], title: str
):
    async def old() -> dict[str, Any]:
        return about

    monkeypatch.setattr(redis_client, "info", old)

    with pytest.raises(ServerRefused, match=f"{title} is too old"):
        await check_redis(redis_client)
