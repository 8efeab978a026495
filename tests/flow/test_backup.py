"""Backup and restore of both stores, by the commands that the operations page names."""

import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from hub.commands.token import make_token
from hub.embedded.servers import EmbeddedServers
from hub.settings import load
from hub.stock import keys
from tests.databases import new_database
from tests.flow.pair import Shop
from tests.flow.process import ForkedHub, HubProcess, said_by
from tests.intake.door import ALL_SCOPES, line
from tests.intake.reserving import CLERK_SCOPES
from tests.ledger.test_append_only import run_tool

PATIENCE_SECONDS = 60
BAG, PLACE, TIME = "BAG-NOIR", "LON-KNB", "2026-11-22T10:00:00Z"
RESTORE = ("--no-owner", "--no-privileges", "--exit-on-error")

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@asynccontextmanager
async def serving(hub: HubProcess, stores: dict[str, str]) -> AsyncIterator[Shop]:
    """A shop at a hub that runs meanwhile, on these stores or on private ones."""
    await hub.start(env={**os.environ, **stores})
    scopes = (*ALL_SCOPES, *CLERK_SCOPES)
    claims: dict[str, Any] = {"sub": "shop", "source": None, "scope": scopes, "pool": (), "location": ()}
    token = make_token(load(hub.config, {}), **claims, ttl="1h", now=time())
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            yield Shop(hub, session)
    finally:
        hub.signal(signal.SIGTERM)
        await hub.ended(PATIENCE_SECONDS)


async def command(hub: HubProcess, word: str, stores: dict[str, str], *more: str) -> tuple[int, str]:
    """The exit code of `hub <word>`, and what it said."""
    code, said, _ = await said_by(hub.config, word, *more, env={**os.environ, **stores})
    return code, said


def event(id: str, type: str, units: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "time": TIME, "lines": [line(BAG, units)], **fields}


def sale(id: str, units: int) -> dict[str, Any]:
    return event(id, "sale", units, location=PLACE, pool="online")


async def told(shop: Shop, *events: dict[str, Any]) -> list[str]:
    status, answers = await shop.post("/v1/events", list(events))
    assert status == 200, answers
    return [answer["status"] for answer in answers]  # type: ignore[index]


async def live(shop: Shop) -> None:
    """Twenty bags: one is sold, two are reserved, three are ordered."""
    await told(shop, event("r-1", "receipt", 20, location=PLACE), sale("s-1", 1))
    status, _ = await shop.reserve("kept", line(BAG, 2))
    assert status in (200, 201, 202)
    assert await told(shop, event("o-1", "order.placed", 3, order="W-1", pool="online")) != ["parked"]


BEFORE, SINCE = {PLACE: (14, 5)}, {PLACE: (8, 5)}
AFTER = (sale("s-2", 2), sale("s-3", 4))


async def goes_on(shop: Shop) -> None:
    """Six bags are sold after the backup."""
    await told(shop, *AFTER)
    assert await shop.places(BAG) == SINCE


async def is_whole(shop: Shop, stores: dict[str, str]) -> None:
    """What came after the backup is sent again, what came before too, and all of it is in the books once."""
    assert await told(shop, sale("s-1", 1)) == ["duplicate"]
    await told(shop, *AFTER)
    assert await told(shop, *AFTER) == ["duplicate"] * 2
    assert await shop.places(BAG) == SINCE
    status, answer = await shop.change("release", "kept")
    assert status in (200, 202), answer
    assert await shop.places(BAG) == {PLACE: (10, 3)}
    code, said = await command(shop.hub, "verify", stores)
    assert code == 0, said


class Backed:
    """A hub on servers that are not its own, a dump of its ledger, and what to restore it into."""

    def __init__(self, hub: HubProcess, redis_url: str, dsn: str, dump: Path, new: str) -> None:
        self.hub = hub
        self.before = {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": dsn}
        self.stores = {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": new}
        self._dump = dump

    async def back_up(self) -> None:
        await run_tool("pg_dump", "--format=custom", f"--file={self._dump}", self.before["HUB_LEDGER_DSN"])

    async def restore(self) -> None:
        await run_tool("pg_restore", *RESTORE, f"--dbname={self.stores['HUB_LEDGER_DSN']}", str(self._dump))


@pytest.fixture
async def backed(tmp_path: Path, redis_url: str, postgres_dsn: str, servers: EmbeddedServers) -> AsyncIterator[Backed]:
    """A hub that was backed up while it ran, went on selling, and lost its ledger."""
    async with new_database(servers.postgres_dsn or "") as new:
        made = Backed(ForkedHub(tmp_path), redis_url, postgres_dsn, tmp_path / "hub.dump", new)
        async with serving(made.hub, made.before) as shop:
            await live(shop)
            # What a dump has is what the ledger had when it began.
            await shop.places(BAG)
            await command(made.hub, "verify", made.before)
            await made.back_up()
            await goes_on(shop)
        await made.restore()
        yield made


async def test_both_stores_are_lost_and_what_came_after_the_backup_is_sent_again(
    backed: Backed, redis_client: Redis
) -> None:
    await redis_client.flushall()

    async with serving(backed.hub, backed.stores) as shop:
        assert await shop.places(BAG) == BEFORE
        assert [each["id"] for each in await shop.reservations() if each["id"] == "kept"] == ["kept"]
        await is_whole(shop, backed.stores)


async def test_only_the_ledger_is_lost_and_redis_has_what_it_lacks(backed: Backed) -> None:
    async with serving(backed.hub, backed.stores) as shop:
        assert await shop.places(BAG) == SINCE
        assert await told(shop, *AFTER) == ["duplicate"] * 2
        await is_whole(shop, backed.stores)


async def test_redis_goes_on_somewhere_else_than_the_restored_ledger_and_is_made_anew(
    backed: Backed, redis_client: Redis, until: Until
) -> None:
    """The journal was trimmed up to the lost ledger's end, so nobody has what came between."""
    await redis_client.xtrim(keys.JOURNAL, maxlen=1, approximate=False)

    async def is_halted() -> bool:
        async with aiohttp.ClientSession() as session, session.get(f"{backed.hub.url}/readyz") as response:
            return bool((await response.json()).get("ledger") == "halted")

    async with serving(backed.hub, backed.stores):
        await until(is_halted)
    code, said = await command(backed.hub, "rebuild", backed.stores)
    assert (code, "in another way than the ledger" in said) == (0, True), said

    async with serving(backed.hub, backed.stores) as shop:
        assert await shop.places(BAG) == BEFORE
        await is_whole(shop, backed.stores)


async def test_a_ledger_from_before_redis_was_healed_is_refused_until_redis_is_made_anew(
    backed: Backed, redis_client: Redis
) -> None:
    await redis_client.flushall()
    async with serving(backed.hub, backed.before) as shop:
        assert await shop.places(BAG) == SINCE

    await backed.hub.spawn(env={**os.environ, **backed.stores})
    assert await backed.hub.ended(PATIENCE_SECONDS) == 2
    assert "the ledger is of an older epoch than Redis" in backed.hub.log()
    code, said = await command(backed.hub, "rebuild", backed.stores)
    assert (code, said) == (2, "")
    code, said = await command(backed.hub, "rebuild", backed.stores, "--whole")
    assert code == 0, said
    # Above that of the Redis that knew more: no `rev` is told twice.
    assert await redis_client.hget(keys.META, "epoch") == b"3"

    async with serving(backed.hub, backed.stores) as shop:
        assert await shop.places(BAG) == BEFORE
        await is_whole(shop, backed.stores)


async def test_the_private_servers_are_copied_while_they_run(tmp_path: Path) -> None:
    old, copy = ForkedHub(tmp_path), tmp_path / "copy"
    async with serving(old, {}) as shop:
        await live(shop)
        await command(old, "verify", {})
        source = f"postgresql://hub@/postgres?host={old.data}/run&port=5432"
        await run_tool("pg_basebackup", f"--pgdata={copy / 'postgres'}", f"--dbname={source}", "--checkpoint=fast")
        for name in ("servers.json", "jwt.key"):
            shutil.copy2(old.data / name, copy / name)
        await goes_on(shop)
    shutil.rmtree(old.data)
    copy.chmod(0o700)
    copy.rename(old.data)

    async with serving(old, {}) as shop:
        assert await shop.places(BAG) == BEFORE
        await is_whole(shop, {})
