"""What only lost entries had shown is shown no more: not to who watched, not to who comes back, and not for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from protocol.clients import HubClient, Patience
from tests.flow.own_servers import OwnServers, stopped
from tests.flow.screen import Screen, screen
from tests.flow.test_clients import PATIENCE_SECONDS, Page, page
from tests.intake.door import Door, line, open_door, settings_in
from tests.intake.test_live_stream import Stream, stream

LOST = "LOST-BAG"
# Also watched; one nobody ever heard of, and one that the ledger has.
NEVER, KEPT = "NEVER-BAG", "KEPT-BAG"
ALL = (LOST, NEVER, KEPT)


class Watches:
    """One of each kind that watches, connected since before."""

    def __init__(self, socket: Screen, events: Stream, python: Page) -> None:
        self.socket = socket
        self.events = events
        self.python = python

    async def saw(self, sku: str, available: int) -> list[dict[str, Any]]:
        """The item of that number, as the socket and the stream were told it."""
        return [await self._sees(each, sku, available) for each in (self.socket, self.events)]

    async def _sees(self, client: Screen | Stream, sku: str, available: int) -> dict[str, Any]:
        while True:
            heard = await client.hear()
            assert heard is not None
            for item in heard.get("items", ()):
                if item["sku"] == sku and item["available"] == available:
                    found: dict[str, Any] = item
                    return found


@asynccontextmanager
async def watches(door: Door) -> AsyncIterator[Watches]:
    wish = {"pool": "online", "skus": ALL}
    soon = Patience(pause_seconds=0.05, pause_seconds_max=0.2)
    async with (
        screen(door.live) as socket,
        stream(door, "POST", door.till, json=wish) as events,
        HubClient(door.url, door.till, live_url=door.live, patience=soon) as client,
        page(client, "online", *ALL) as python,
    ):
        await socket.subscribe("online", *ALL)
        yield Watches(socket, events, python)


@pytest.fixture(scope="module")
async def door(stores: OwnServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    limits = "[limits]\nredis_timeout_seconds = 0.5\nledger_wait_ms = 250\n"
    folder, servers = tmp_path_factory.mktemp("hub"), stores.running
    settings = settings_in(folder, redis_url=servers.redis_url, dsn=servers.postgres_dsn, extra=limits)
    async with open_door(settings) as opened:
        yield opened


@pytest.fixture
async def lost(door: Door, stores: OwnServers) -> AsyncIterator[tuple[Watches, dict[str, Any]]]:
    """Watches that saw five bags of which only the journal knew, and what they were told; then Redis is emptied."""
    assert (await door.send(door.receipt(line(KEPT, 3)))).status == 200
    async with watches(door) as made:
        with stopped(*stores.postgres_pids()):
            # What was on its way to the ledger when that was stopped may still get there.
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (await door.send(door.sale(line("OTHER", 1)))).status != 202:
                    pass
            assert (await door.send(door.receipt(line(LOST, 5)))).status == 202
            told = await made.saw(LOST, 5)
            await made.python.until(LOST, 5)
            async with stores.redis() as client:
                await client.flushall()
        yield made, told[0]


async def fresh(door: Door, epoch: int) -> dict[str, dict[str, Any]]:
    """What a fresh read says, once the hub works in a newer epoch than this one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            reply = await door.get("/v1/availability", pool="online", sku=list(ALL))
            if reply.status == 200:
                items = {item["sku"]: item for item in reply.json()["items"]}
                if items[KEPT]["rev"] >> 32 > epoch:
                    return items
            await asyncio.sleep(0.02)


async def test_who_watches_a_sku_of_which_only_lost_entries_knew_ends_on_a_fresh_read(
    door: Door, lost: tuple[Watches, dict[str, Any]]
) -> None:
    seen, told = lost

    healed = await fresh(door, told["rev"] >> 32)

    assert (healed[LOST]["available"], healed[LOST]["status"]) == (0, "out_of_stock")
    assert healed[LOST]["rev"] > told["rev"]
    # It tells nothing about a SKU: what nobody ever heard of looks the same.
    assert {**healed[LOST], "sku": NEVER, "at": healed[NEVER]["at"]} == healed[NEVER]
    assert [item["rev"] for item in await seen.saw(LOST, 0)] == [healed[LOST]["rev"]] * 2
    assert (await seen.python.until(LOST, 0)).rev == healed[LOST]["rev"]
    assert (await seen.python.until(KEPT, 3)).rev == healed[KEPT]["rev"]
    explained = await door.get("/v1/availability/explain", token=door.till, pool="online", sku=LOST)
    assert explained.json()["shown"]["rev"] == healed[LOST]["rev"]

    # Whoever was away meanwhile says what it knows, and is told.
    async with screen(door.live) as again:
        known = {LOST: told["rev"], NEVER: 0, KEPT: healed[KEPT]["rev"]}
        items = {item["sku"]: item for item in await again.subscribe("online", *ALL, known=known)}
        assert {sku: item["rev"] for sku, item in items.items()} == {sku: healed[sku]["rev"] for sku in (LOST, NEVER)}
        known = {sku: item["rev"] for sku, item in healed.items()}
        assert await again.subscribe("online", *ALL, known=known) == []

    # And when it comes again it is news for all.
    assert (await door.send(door.receipt(line(LOST, 2)))).status == 200
    [item] = await door.shown("online", LOST)
    assert item["rev"] == healed[LOST]["rev"] + 1
    assert [told["rev"] for told in await seen.saw(LOST, 2)] == [item["rev"]] * 2
    assert (await seen.python.until(LOST, 2)).rev == item["rev"]
