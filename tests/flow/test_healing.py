"""A Redis that lacks what was booked, under a hub or before it starts: it is healed, and nobody is told a lie."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from hub.stock import keys
from tests.flow.own_servers import OwnServers, stopped
from tests.flow.screen import screen
from tests.intake.door import Door, line, open_door, settings_in

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
async def stores(tmp_path: Path, redis_binary: Path | None) -> AsyncIterator[OwnServers]:
    servers = OwnServers(tmp_path / "own", redis_binary)
    await servers.start()
    yield servers
    await servers.running.stop()


def hub_at(folder: Path, redis_url: str | None, dsn: str | None) -> AbstractAsyncContextManager[Door]:
    """A hub with a folder of its own on these servers."""
    folder.mkdir(exist_ok=True)
    limits = "[limits]\nredis_timeout_seconds = 0.5\nledger_wait_ms = 250\n"
    return open_door(settings_in(folder, redis_url=redis_url, dsn=dsn, extra=limits))


@pytest.fixture
async def door(stores: OwnServers, tmp_path: Path) -> AsyncIterator[Door]:
    async with hub_at(tmp_path / "hub", stores.running.redis_url, stores.running.postgres_dsn) as opened:
        yield opened


async def taken(door: Door, until: Until, event: dict[str, Any]) -> dict[str, Any]:
    """Send an event until the ledger has it, as a till does."""
    told: dict[str, Any] = {}

    async def sent() -> bool:
        nonlocal told
        reply = await door.send(event)
        assert reply.status in (200, 202, 503), reply.body
        told = reply.json()
        return reply.status == 200

    await until(sent)
    return told


async def on_hand(door: Door, sku: str) -> int:
    return sum(int(item["on_hand"]) for item in await door.positions(sku=sku))


async def test_a_redis_that_is_flushed_under_a_hub_is_healed_and_screens_get_all_they_watch(
    door: Door, stores: OwnServers, until: Until
) -> None:
    first = door.receipt(line("BAG", 5), line("BOX", 3))
    booked = await taken(door, until, first)
    async with screen(door.live) as page:
        before = {item["sku"]: item for item in await page.subscribe("online", "BAG", "BOX", "NEVER")}
        async with stores.redis() as client:
            await client.flushall()

        again = await taken(door, until, first)
        sold = await taken(door, until, door.sale(line("BAG", 1)))

        seen: dict[str, dict[str, Any]] = {}
        while len(seen) < 3 or seen["BAG"]["available"] != 4:
            for item in (await page.hear())["items"]:
                assert item["rev"] > max(before[item["sku"]]["rev"], seen.get(item["sku"], {"rev": 0})["rev"])
                seen[item["sku"]] = item
    assert (again["status"], again["seq"], again["lines"]) == ("duplicate", booked["seq"], booked["lines"])
    assert sold["seq"].split("-")[1] == "2"
    assert set(seen) == {"BAG", "BOX", "NEVER"}
    assert [item["rev"] >> 32 for item in seen.values()] == [2, 2, 2]
    assert await on_hand(door, "BAG") == 4
    assert (await door.get("/readyz")).status == 200


async def test_a_redis_that_comes_back_older_is_given_what_it_lacks(
    door: Door, stores: OwnServers, until: Until, tmp_path: Path
) -> None:
    await taken(door, until, door.receipt(line("BAG", 9)))
    await stores.running.stop()
    shutil.copytree(tmp_path / "own" / "redis", tmp_path / "copy")
    await stores.start()
    sales = [door.sale(line("BAG", 1)) for _ in range(3)]
    answers = [await taken(door, until, sale) for sale in sales]

    os.kill(await stores.redis_pid(), signal.SIGKILL)
    await stores.running.lost()
    await stores.running.stop()
    shutil.rmtree(tmp_path / "own" / "redis")
    shutil.copytree(tmp_path / "copy", tmp_path / "own" / "redis")
    await stores.start()

    again = [await taken(door, until, sale) for sale in sales]
    assert [told["status"] for told in again] == ["duplicate"] * 3
    assert [told["seq"] for told in again] == [told["seq"] for told in answers]
    assert await on_hand(door, "BAG") == 6
    assert (await taken(door, until, door.sale(line("BAG", 1))))["seq"].startswith("0-2-")


async def test_what_was_answered_202_and_lost_is_named_with_who_sent_it_and_can_be_sent_again(
    door: Door, stores: OwnServers, until: Until
) -> None:
    await taken(door, until, door.receipt(line("BAG", 9)))
    other = door.token(sub="web-shop")
    mine = [door.sale(line("BAG", 1)) for _ in range(2)]
    with stopped(*stores.postgres_pids()):
        assert [(await door.send(sale)).status for sale in mine] == [202, 202]
        from_web = door.sale(line("BAG", 1))
        assert (await door.send(from_web, token=other)).status == 202
        async with stores.redis() as client:
            await client.flushall()

    async def is_told() -> bool:
        return bool(await alerts(stores))

    await until(is_told)
    # The partition opens with the alert, a moment before this process takes events in it.
    await taken(door, until, door.receipt(line("BOX", 1)))
    [told] = await alerts(stores)
    assert (told["sources"], told["certain"]) == (["till-7", "web-shop"], True)
    first, last = (int(told[end].rpartition("-")[2]) for end in ("first", "last"))
    lost = last - first + 1
    # The ledger may have got the first one when it stopped.
    assert lost in (2, 3)
    assert told["since"] <= told["until"]
    assert f"hub_answers_lost_total {lost}.0".encode() in (await door.get(door.admin + "/metrics")).body
    assert await on_hand(door, "BAG") == 6 + lost
    again = [await taken(door, until, sale) for sale in mine]
    again.append((await door.send(from_web, token=other)).json())
    assert [told["status"] for told in again].count("duplicate") == 3 - lost
    assert await on_hand(door, "BAG") == 6


async def alerts(stores: OwnServers) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(stores.running.postgres_dsn)
    try:
        rows = await connection.fetch("SELECT payload FROM hub.event WHERE type = 'answers_lost'")
    finally:
        await connection.close()
    return [msgspec.json.decode(row["payload"]) for row in rows]


async def test_a_hub_that_starts_on_an_empty_redis_has_all_the_ledger_has(
    stores: OwnServers, tmp_path: Path, until: Until
) -> None:
    url, dsn = stores.running.redis_url, stores.running.postgres_dsn
    async with hub_at(tmp_path / "one", url, dsn) as door:
        sale = door.sale(line("BAG", 1))
        await taken(door, until, door.receipt(line("BAG", 5)))
        booked = await taken(door, until, sale)
    async with stores.redis() as client:
        await client.flushall()

    async with hub_at(tmp_path / "one", url, dsn) as door:
        assert await on_hand(door, "BAG") == 4
        assert (await taken(door, until, sale))["seq"] == booked["seq"]
        assert [item["available"] for item in await door.shown("online", "BAG")] == [4]
        # It had stopped in order, so nothing that was answered is lost.
        assert b"hub_answers_lost_total 0.0" in (await door.get(door.admin + "/metrics")).body
    assert await alerts(stores) == []


@pytest.mark.parametrize("has_notes", [True, False])
async def test_a_hub_that_starts_on_an_empty_redis_names_who_was_or_may_have_been_answered_what_is_lost(
    stores: OwnServers, tmp_path: Path, until: Until, has_notes: bool
) -> None:
    url, dsn = stores.running.redis_url, stores.running.postgres_dsn
    async with AsyncExitStack() as hub:
        door = await hub.enter_async_context(hub_at(tmp_path / "one", url, dsn))
        other = door.token(sub="web-shop")
        await taken(door, until, door.receipt(line("BAG", 9)))
        known = await door.send(door.sale(line("BAG", 1)), token=other)
        with stopped(*stores.postgres_pids()):
            # The ledger may have got the first one when it stopped.
            assert (await door.send(door.sale(line("BAG", 1)))).status == 202
            lost = door.sale(line("BAG", 1))
            assert (await door.send(lost)).status == 202
            # It stops in order, but cannot hand over what it was answered.
            with capture_logs() as logged:
                await hub.aclose()
    [said] = [each for each in logged if "only Redis has" in each["event"]]
    assert said["entries"] in (1, 2)
    async with stores.redis() as client:
        await client.flushall()

    # In its folder it noted what it was answered.
    async with hub_at(tmp_path / ("one" if has_notes else "two"), url, dsn) as door:

        async def is_told() -> bool:
            return bool(await alerts(stores))

        await until(is_told)
        [told] = await alerts(stores)
        count = int(told["last"].split("-")[2]) - int(told["first"].split("-")[2]) + 1 if has_notes else 1
        assert f"hub_answers_lost_total {count}.0".encode() in (await door.get(door.admin + "/metrics")).body
        assert told["certain"] == has_notes
        assert told["sources"] == (["till-7"] if has_notes else ["till-7", "web-shop"])
        after = told["first"] if has_notes else told["after"]
        assert known.json()["seq"].rpartition("-")[0] == after.rpartition("-")[0]
        assert told["since"] <= told["until"]
        again = await taken(door, until, lost)
        assert again["seq"].startswith("0-2-")
        assert await on_hand(door, "BAG") in (6, 7)


async def test_of_two_hubs_one_heals_and_both_go_on(stores: OwnServers, tmp_path: Path, until: Until) -> None:
    url, dsn = stores.running.redis_url, stores.running.postgres_dsn
    async with hub_at(tmp_path / "one", url, dsn) as one, hub_at(tmp_path / "two", url, dsn) as two:
        await taken(one, until, one.receipt(line("BAG", 5)))
        async with stores.redis() as client:
            await client.flushall()

        sales = [one.sale(line("BAG", 1), id="from-one"), two.sale(line("BAG", 1), id="from-two")]
        told = await asyncio.gather(taken(one, until, sales[0]), taken(two, until, sales[1]))

        assert {answer["seq"].split("-")[1] for answer in told} == {"2"}
        assert [await on_hand(door, "BAG") for door in (one, two)] == [3, 3]


async def test_a_master_that_was_replaced_takes_nothing_while_the_new_one_works(
    stores: OwnServers, tmp_path: Path, redis_binary: Path | None, until: Until
) -> None:
    """Two hubs on one Redis; one of them is led to a copy that lacks a sale, and heals that."""
    promoted = OwnServers(tmp_path / "promoted", redis_binary)
    address = tmp_path / "address.sock"
    address.symlink_to(socket_of(stores))
    url, dsn = stores.running.redis_url, stores.running.postgres_dsn
    async with hub_at(tmp_path / "one", url, dsn) as left, hub_at(tmp_path / "two", f"unix://{address}", dsn) as led:
        await taken(led, until, led.receipt(line("BAG", 5)))
        await promoted.start()
        try:
            address.unlink()
            address.symlink_to(socket_of(promoted))
            async with stores.redis() as client:
                await client.client_kill_filter(_type="normal", skipme=True)

            await taken(led, until, led.sale(line("BAG", 1), id="in-the-new-epoch"))

            async def is_fenced() -> bool:
                return (await left.get("/v1/availability", pool="online", sku="BAG")).status == 503

            # It learns of the new epoch by what it books, or by a look.
            await left.send(left.sale(line("BAG", 1), id="to-the-old-one"))
            await until(is_fenced)
            assert (await left.send(left.sale(line("BAG", 1), id="to-the-old-one"))).status == 503
            assert (await left.get("/readyz")).status == 503
            assert await on_hand(led, "BAG") == 4
            async with promoted.redis() as client:
                assert await client.hget(keys.META, "epoch") == b"2"
            async with stores.redis() as client:
                assert await client.hget(keys.META, "epoch") == b"1"
        finally:
            await promoted.running.stop()


def socket_of(servers: OwnServers) -> Path:
    assert servers.running.redis_url is not None
    return Path(servers.running.redis_url.removeprefix("unix://").partition("?")[0])
