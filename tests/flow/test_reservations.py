"""Reservations over whole hubs: two at once on one stock, and a hub that was down when a reservation ended."""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import time

import aiohttp
from redis.asyncio import Redis

from hub.commands.token import make_token
from hub.domain.entry import FIELD, decode_entry
from hub.settings import Settings, load
from hub.stock import keys
from tests.flow.process import ForkedHub
from tests.flow.screen import screen
from tests.intake.door import line, open_door, settings_in
from tests.intake.reserving import CLERK_SCOPES, SCOPES, available, basket, stocked

TIME = "2026-11-22T10:00:00Z"
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


def settings(folder: Path, redis_url: str, dsn: str) -> Settings:
    folder.mkdir(exist_ok=True)
    return settings_in(folder, redis_url=redis_url, dsn=dsn, extra="[limits]\nledger_wait_ms = 10000\n")


async def test_two_hubs_hold_one_stock_and_each_knows_the_others_reservations(
    redis_url: str, redis_client: Redis, postgres_dsn: str, tmp_path: Path
) -> None:
    # One data folder, so that both know the same key.
    same = settings(tmp_path / "hub", redis_url, postgres_dsn)
    async with open_door(same) as one, open_door(same) as two:
        sku = await stocked(one, "SHARED", LON_KNB=1)
        here, there = basket(one, "anna"), basket(two, "bert")

        told = await here.held(line(sku))
        refused = await there.reserve(line(sku))
        clerk = basket(two, "clerk", CLERK_SCOPES)
        seen = await clerk.get(told["id"])
        released = await clerk.changed("release", told["id"])
        short = await there.held(line(sku), ttl_seconds=1)

        assert (refused.status, refused.problem) == (409, "insufficient")
        assert seen.json() == told
        assert released["state"] == "released"
        async with screen(one.live) as page:
            [item] = await page.subscribe("online", sku)
            if not item["available"]:
                # Nobody asks: it is given back, and said to be, by whoever comes first.
                assert (await page.sees(sku))["available"] == 1
        assert (await clerk.get(short["id"])).json()["state"] == "expired"
        entries = [decode_entry(fields[FIELD]) for _, fields in await redis_client.xrange(keys.JOURNAL)]
        assert [entry.type for entry in entries].count("reservation.expired") == 1


async def test_what_ended_while_no_hub_ran_is_found_at_the_start(
    redis_url: str, redis_client: Redis, postgres_dsn: str, tmp_path: Path, until: Until
) -> None:
    made = settings(tmp_path / "hub", redis_url, postgres_dsn)
    async with open_door(made) as door:
        sku = await stocked(door, "OVERNIGHT", LON_KNB=3)
        # Long enough for the hub to stop before it is over.
        short = await basket(door, "anna").held(line(sku, 2), ttl_seconds=3)
        long = await basket(door, "bert").held(line(sku, 1))

    async def is_over() -> bool:
        clock = await redis_client.time()
        now_ms = int(clock[0]) * 1000 + int(clock[1]) // 1000
        [(_, at_ms)] = await redis_client.zrange(keys.EXPIRY, 0, 0, withscores=True)
        return bool(at_ms <= now_ms)

    await until(is_over)
    async with open_door(made) as door:

        async def is_shown_again() -> bool:
            return await available(door, sku) == 2

        await until(is_shown_again)
        assert (await basket(door, "anna").get(short["id"])).json()["state"] == "expired"
        assert (await basket(door, "bert").get(long["id"])).json() == long

        async def is_counted() -> bool:
            metrics = (await door.get(f"{door.admin}/metrics")).body.decode()
            return "hub_reservations_expired_total 1.0" in metrics and "hub_reservations_live 1.0" in metrics

        await until(is_counted)


async def test_what_a_killed_hub_held_is_given_back_by_another(
    redis_url: str, redis_client: Redis, postgres_dsn: str, tmp_path: Path, until: Until
) -> None:
    stores = {**os.environ, "HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn}
    hubs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        hubs.append(ForkedHub(tmp_path / name))
        await hubs[-1].start(env=stores)
    one, two = hubs
    receipt = {"id": "in", "type": "receipt", "time": TIME, "location": "LON-KNB", "lines": [line("BAG-NOIR", 2)]}
    body = {"id": "r-1", "pool": "online", "ttl_seconds": 1, "lines": [line("BAG-NOIR", 2)]}
    token = make_token(
        load(one.config, {}),
        sub="anna",
        source=None,
        scope=SCOPES,
        pool=(),
        location=(),
        ttl="1h",
        now=time(),
    )
    try:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
            assert await one.send(session, [receipt])
            async with session.post(f"{one.url}/v1/reservations", json=body) as response:
                assert response.status == 201, await response.text()
        one.signal(signal.SIGKILL)
        await one.ended()

        async def is_given_back() -> bool:
            return not await redis_client.exists(keys.EXPIRY)

        await until(is_given_back)
        async with screen(two.live) as page:
            [item] = await page.subscribe("online", "BAG-NOIR")
        assert item["available"] == 2
    finally:
        for hub in hubs:
            if hub.process.returncode is None:
                hub.signal(signal.SIGTERM)
                assert await hub.ended() == 0
