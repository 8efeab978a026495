"""Somebody else's program that follows the feed holds the same stock, whatever becomes of hubs and of Redis."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from hub.tasks import end
from tests.conftest import until_holds
from tests.flow.own_servers import OwnServers
from tests.intake.door import Door, line, open_door, settings_in
from tests.intake.feeding import Follower, end_of, following, read
from tests.intake.reserving import CLERK_SCOPES, basket

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
SKUS, LOCATIONS = ("BAG", "BELT", "SCARF"), ("LON-KNB", "DC-LYON")
TILLS, DEEDS, SEED = 4, 12, 11


@pytest.fixture
async def stores(tmp_path: Path, redis_binary: Path | None) -> AsyncIterator[OwnServers]:
    servers = OwnServers(tmp_path / "own", redis_binary)
    await servers.start()
    yield servers
    await servers.running.stop()


def hub_at(folder: Path, stores: OwnServers) -> AbstractAsyncContextManager[Door]:
    folder.mkdir(exist_ok=True)
    limits = "[limits]\nredis_timeout_seconds = 0.5\nledger_wait_ms = 2000\n"
    running = stores.running
    return open_door(settings_in(folder, redis_url=running.redis_url, dsn=running.postgres_dsn, extra=limits))


class Mirror:
    """A program that adds up movements from the beginning, over any number of connections."""

    def __init__(self) -> None:
        self.units = Counter[tuple[str, str, str]]()
        self.cursor: str | None = None
        self.ids: set[str] = set()

    async def follow(self, door: Door) -> None:
        """Take everything that the stream tells; when it breaks, come back where it was."""
        while True:
            async with following(door, last=self.cursor) as stream:
                while (item := await self._next(stream)) is not None:
                    self.take(item)

    @staticmethod
    async def _next(stream: Follower) -> dict[str, Any] | None:
        with suppress(aiohttp.ClientError, EOFError):
            return await stream.item()
        return None

    def take(self, item: dict[str, Any]) -> None:
        assert item["id"] not in self.ids, "told twice"
        self.ids.add(item["id"])
        self.cursor = item["cursor"]
        if item["type"].startswith("movement."):
            data = item["data"]
            self.units[data["sku"], data["location"], data["from"]] -= data["quantity"]
            self.units[data["sku"], data["location"], data["to"]] += data["quantity"]

    def positions(self) -> dict[tuple[str, str, str], int]:
        """Units by SKU, location and bucket of the shelf."""
        outside = ("supplier", "customer", "adjustment", "written_off", "variance", "unannounced", "lost")
        kept = {at: n for at, n in self.units.items() if n and at[2] not in outside}
        return {at: n for at, n in kept.items() if not at[2].startswith("in_transit:")}


class Keeper:
    """A program that takes positions first, and then whatever the feed says lies there since."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self._cursor = ""

    async def take_positions(self, door: Door) -> None:
        for location in LOCATIONS:
            reply = (await door.get("/v1/positions", token=door.till, location=location)).json()
            assert reply["next"] is None
            self._cursor = self._cursor or reply["feed_cursor"]
            for item in reply["items"]:
                self.items[item["sku"], location] = item

    async def catch_up(self, door: Door) -> None:
        for item in await read(door, after=self._cursor, types="movement.*", limit=50):
            self._cursor = item["cursor"]
            if found := item["data"].get("position"):
                self.items[found["sku"], found["location"]] = found


async def positions_of(door: Door) -> dict[tuple[str, str], dict[str, Any]]:
    told = [item for sku in SKUS for item in await door.positions(sku=sku)]
    return {(item["sku"], item["location"]): item for item in told}


def by_bucket(positions: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str, str], int]:
    units: dict[tuple[str, str, str], int] = {}
    for (sku, location), item in positions.items():
        buckets = {"free": item["free"], "reserved": item["reserved"], "deficit": -item["deficit"]}
        buckets |= {f"ring_fenced:{pool}": n for pool, n in item["ring_fenced"].items()}
        buckets |= {f"aside:{status}": n for status, n in item["aside"].items()}
        units |= {(sku, location, bucket): n for bucket, n in buckets.items() if n}
    return units


async def deed(door: Door, till: str, number: int, random: Random) -> None:
    """Something that somebody does, tried again until the ledger has it."""
    sku, location, units = random.choice(SKUS), random.choice(LOCATIONS), random.randint(1, 3)
    name, kind = f"{till}-{number}", random.choice(("receipt", "receipt", "sale", "sale", "fence", "moved", "reserve"))
    if kind == "reserve":
        clerk = basket(door, till, CLERK_SCOPES)
        body = {"id": name, "pool": "online", "owner": name, "lines": [line(sku, 1)]}
        reply = await clerk.again(body)
        if reply.status == 201 and random.random() < 0.5:
            await clerk.change(random.choice(("confirm", "release", "fulfil")), name)
        return
    event = {
        "receipt": lambda: door.receipt(line(sku, units), location=location, id=name),
        "sale": lambda: door.sale(line(sku, units), location=location, id=name),
        "fence": lambda: door.event("ring_fence", line(sku, units), location=location, pool="vip", id=name),
        "moved": lambda: door.event(
            "moved", line(sku, 1, **{"from": "free", "to": "damaged"}), location=location, id=name
        ),
    }[kind]()

    async def is_booked() -> bool:
        reply = await door.send(event)
        assert reply.status in (200, 202, 503), reply.body
        return reply.status == 200

    await until_holds(is_booked)


async def traffic(door: Door, phase: str) -> None:
    """Some tills at once."""

    async def till(name: str) -> None:
        random = Random(f"{SEED}-{name}")
        for number in range(DEEDS):
            await deed(door, name, number, random)

    await asyncio.gather(*(till(f"{phase}-{number}") for number in range(TILLS)))


async def test_who_follows_the_feed_holds_the_same_stock_through_restarts_and_a_healing(
    stores: OwnServers, tmp_path: Path, until: Until
) -> None:
    mirror, keeper = Mirror(), Keeper()

    async def are_alike(door: Door) -> None:
        """At a quiet moment everybody has the same, as soon as the ledger has what was booked last."""
        wanted = await positions_of(door)
        assert len(by_bucket(wanted)) > len(wanted)

        async def is_alike() -> bool:
            await keeper.catch_up(door)
            return mirror.positions() == by_bucket(wanted) and keeper.items == wanted

        with suppress(TimeoutError):
            await until(is_alike)
        assert mirror.positions() == by_bucket(wanted)
        assert keeper.items == wanted

    for phase in ("first", "restarted", "healed"):
        async with hub_at(tmp_path / "hub", stores) as door:
            following_it = asyncio.create_task(mirror.follow(door))
            selling = asyncio.create_task(traffic(door, phase))
            if phase == "first":
                await asyncio.sleep(0)
                await keeper.take_positions(door)
            if phase == "healed":
                await keeper.catch_up(door)
                async with stores.redis() as client:
                    await client.flushall()
            await selling
            await are_alike(door)
            assert not following_it.done(), following_it.exception()
            await end([following_it])

    async with hub_at(tmp_path / "hub", stores) as door:
        # Whoever comes late, with any cursor of any epoch or with none, is told the same.
        everything = await read(door)
        assert {item["id"] for item in everything} == mirror.ids
        middle = everything[len(everything) // 3]
        assert await read(door, after=middle["cursor"], limit=77) == everything[len(everything) // 3 + 1 :]
        assert (await end_of(door)).startswith("0-2-")


async def test_what_one_hub_books_is_told_at_the_other(redis_url: str, postgres_dsn: str, tmp_path: Path) -> None:
    # One data folder, so that both know the same key.
    same = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    async with open_door(same) as one, open_door(same) as two:
        async with following(two, after=await end_of(two), types="movement.*") as stream:
            cursors = []
            for number in range(5):
                await one.send(one.receipt(line(f"BAG-{number}", 1)))
                item = await stream.item()
                assert item["data"]["sku"] == f"BAG-{number}"
                cursors.append(item["cursor"])
        # A cursor of the one is good at the other.
        assert [item["cursor"] for item in await read(one, after=cursors[1], types="movement.*")] == cursors[2:]
