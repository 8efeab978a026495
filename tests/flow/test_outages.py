"""A store goes away under a running hub: nothing is lost, nothing is booked twice, and everybody is told the truth."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from hub.stock import keys
from tests.flow.own_servers import OwnServers, stopped
from tests.flow.screen import screen
from tests.intake.door import Door, Reply, line, open_door, settings_in

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture(scope="module")
async def door(stores: OwnServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    settings = settings_in(
        tmp_path_factory.mktemp("hub"),
        redis_url=stores.running.redis_url,
        dsn=stores.running.postgres_dsn,
        extra="[limits]\nredis_timeout_seconds = 0.5\n",
    )
    async with open_door(settings) as opened:
        yield opened


async def is_ready(door: Door) -> bool:
    return (await door.get("/readyz")).status == 200


def unavailable(reply: Reply) -> None:
    assert (reply.status, reply.problem) == (503, "unavailable")
    assert int(reply.headers["Retry-After"]) >= 1
    assert "no-store" in reply.headers["Cache-Control"]


async def taken(door: Door, until: Until, event: dict[str, Any]) -> dict[str, Any]:
    """Send an event until it is taken, as a till does."""
    told: dict[str, Any] = {}

    async def sent() -> bool:
        nonlocal told
        reply = await door.send(event)
        told = reply.json()
        return reply.status == 200

    await until(sent)
    return told


async def test_a_redis_that_stands_still_is_told_as_unavailable_and_the_repeat_finds_what_was_booked(
    door: Door, stores: OwnServers, until: Until
) -> None:
    await door.send(door.receipt(line("STILL", 5)))
    events = [door.sale(line("STILL", 1)) for _ in range(3)]
    with stopped(await stores.redis_pid()):
        for reply in await asyncio.gather(*(door.send(event) for event in events)):
            unavailable(reply)
        unavailable(await door.send(events))
        unavailable(await door.get("/v1/availability", pool="online", sku="STILL"))
        unavailable(await door.get("/v1/positions", token=door.till, sku="STILL"))
        unavailable(await door.get("/readyz"))
        assert (await door.get("/healthz")).status == 200

    for event in events:
        assert (await taken(door, until, event))["status"] in ("applied", "duplicate")
    await until(lambda: is_ready(door))
    assert [item["on_hand"] for item in await door.positions(sku="STILL")] == [2]


async def test_a_redis_that_is_killed_and_comes_back_goes_on_where_it_was(
    door: Door, stores: OwnServers, until: Until
) -> None:
    seq = (await door.send(door.receipt(line("KILLED", 5)))).json()["seq"]
    async with screen(door.live) as page:
        await page.subscribe("online", "KILLED")
        os.kill(await stores.redis_pid(), signal.SIGKILL)
        await stores.running.lost()
        event = door.sale(line("KILLED", 1))
        unavailable(await door.send(event))
        assert not await is_ready(door)

        await stores.running.stop()
        await stores.start()

        told = await taken(door, until, event)
        # An answer that came too late was a 503, though the sale was booked.
        assert told["status"] in ("applied", "duplicate")
        assert int(told["seq"].rpartition("-")[2]) == int(seq.rpartition("-")[2]) + 1
        assert (await page.sees("KILLED"))["available"] == 4
    await until(lambda: is_ready(door))


async def test_while_the_ledger_stands_still_sales_are_accepted_and_later_known(
    door: Door, stores: OwnServers, until: Until
) -> None:
    event = door.sale(line("LEDGER", 2))
    old = door.sale(line("LEDGER", 1), time="2011-11-22T10:00:00Z")
    with stopped(*stores.postgres_pids()):
        first = await door.send(event)
        again = await door.send(event)
        array = await door.send([event, door.sale(line("LEDGER", 1))])
        unavailable(await door.send(old))
        assert await is_ready(door)
        lag = (await door.get(door.admin + "/metrics")).body

    assert (first.status, first.json()["status"]) == (202, "accepted")
    assert (again.status, again.json()["status"]) == (202, "duplicate")
    assert (array.status, [answer["status"] for answer in array.json()]) == (200, ["duplicate", "accepted"])
    assert b"hub_ledger_lag_entries" in lag
    later = await taken(door, until, event)
    assert later["status"] == "duplicate"
    assert later["lines"] == first.json()["lines"]
    assert later["alerts"] == first.json()["alerts"]
    assert (await taken(door, until, old))["status"] in ("applied", "accepted")


async def test_a_partition_that_is_halted_takes_nothing_and_is_still_read(door: Door, stores: OwnServers) -> None:
    await door.send(door.receipt(line("HALTED", 5)))
    async with stores.redis() as client:
        await client.hset(keys.META, "halted", 1)
        try:
            unavailable(await door.send(door.sale(line("HALTED", 1))))
            unavailable(await door.get("/readyz"))
            assert [item["available"] for item in await door.shown("online", "HALTED")] == [5]
        finally:
            await client.hdel(keys.META, "halted")

    assert await is_ready(door)
