"""Tills that were offline: what they sold comes to the hub in order and once, whoever is killed on the way."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import asyncpg
import msgspec
import pytest

from protocol.answers import AvailabilityItem
from protocol.clients import HubClient, NotBooked, Outbox, Patience, RequestRefused
from protocol.clients.bearer import Token
from protocol.events import Event, Line, Receipt
from tests.flow.network import Network, network_to
from tests.flow.own_servers import OwnServers, stopped
from tests.flow.process import ROOT, running_process
from tests.intake.door import Door, open_door, settings_in
from tests.protocol.clients.tills import SOON, TIME, sale

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
PATIENCE_SECONDS = 60
SALES = 700


@pytest.fixture(scope="module")
async def door(stores: OwnServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    folder, servers = tmp_path_factory.mktemp("hub"), stores.running
    async with open_door(settings_in(folder, redis_url=servers.redis_url, dsn=servers.postgres_dsn)) as opened:
        yield opened


@pytest.fixture
async def network(door: Door) -> AsyncIterator[Network]:
    async with network_to(door.url) as network:
        yield network


class Till:
    """A till: its outbox, a client, and what it was told of events that were not booked."""

    def __init__(self, outbox: Outbox, hub: HubClient) -> None:
        self.outbox = outbox
        self._hub = hub
        self.told: list[NotBooked] = []

    def put(self, *events: Event) -> list[str]:
        return [self.outbox.put(event) for event in events]

    async def is_empty(self) -> bool:
        return not len(self.outbox)

    async def deliver(self) -> None:
        """Bring all of it to the hub."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._hub.deliver(self.outbox, self.told.append, until_empty=True)

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Bring to the hub whatever comes meanwhile."""
        task = asyncio.create_task(self._hub.deliver(self.outbox, self.told.append))
        try:
            yield
        finally:
            task.cancel()
            [ended] = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), ended


@asynccontextmanager
async def till(folder: Path, network: Network, token: Token, patience: Patience = SOON) -> AsyncIterator[Till]:
    with Outbox(folder / "outbox.db") as outbox:
        async with HubClient(f"http://{network.address}", token, patience=patience) as hub:
            yield Till(outbox, hub)


async def booked(stores: OwnServers, ids: Sequence[str]) -> list[str]:
    """Those of the ids that the ledger has, in its order."""
    connection = await asyncpg.connect(stores.running.postgres_dsn)
    try:
        rows = await connection.fetch("SELECT id FROM hub.event WHERE id = ANY($1) ORDER BY epoch, seq", ids)
    finally:
        await connection.close()
    return [row["id"] for row in rows]


async def test_what_was_sold_offline_comes_in_the_order_of_the_sales(
    door: Door, network: Network, stores: OwnServers, tmp_path: Path
) -> None:
    async with till(tmp_path, network, door.till) as shop:
        ids = shop.put(*(sale(sku="ORDERED") for _ in range(450)))
        network.answers_to_lose = 1
        await shop.deliver()

        assert len(shop.outbox) == 0
        assert await booked(stores, ids) == ids
        assert not shop.told
    [position] = await door.positions(sku="ORDERED")
    assert position["deficit"] == 450
    arrays = [head for head in network.asked if head.startswith(b"POST /v1/events")]
    assert all(b"Hub-Sent-At: 20" in head for head in arrays)


async def test_what_a_person_must_look_at_is_told_and_holds_up_nobody(
    door: Door, network: Network, stores: OwnServers, tmp_path: Path
) -> None:
    async with till(tmp_path, network, door.token(locations=["LON-KNB", "ATLANTIS"])) as shop:
        events = [sale(sku="TOLD"), sale(location="ATLANTIS"), sale(location="DXB-MALL"), sale(sku="TOLD")]
        ids = shop.put(*events)
        await shop.deliver()

    assert [(told.answer.id, told.answer.status) for told in shop.told] == [(ids[1], "parked"), (ids[2], "refused")]
    assert shop.told[1].answer.problem is not None
    assert b"DXB-MALL" in shop.told[1].event
    assert [id for id in await booked(stores, ids) if id not in ids[1:3]] == [ids[0], ids[3]]


async def test_a_report_that_fails_keeps_its_event(door: Door, network: Network, tmp_path: Path) -> None:
    def fail(told: NotBooked) -> None:
        raise OSError("the printer is out of paper")

    with Outbox(tmp_path / "outbox.db") as outbox:
        id = outbox.put(sale(location="ATLANTIS"))
        async with HubClient(f"http://{network.address}", door.till, patience=SOON) as hub:
            with pytest.raises(OSError, match="paper"):
                await hub.deliver(outbox, fail, until_empty=True)
            assert [event.id for event in outbox.unsent(10)] == [id]

            later: list[NotBooked] = []

            async def print_it(told: NotBooked) -> None:
                later.append(told)

            await hub.deliver(outbox, print_it, until_empty=True)
    assert [told.answer.id for told in later] == [id]


async def test_what_only_redis_has_stays_until_the_ledger_has_it_and_holds_up_nobody(
    door: Door, network: Network, stores: OwnServers, tmp_path: Path, until: Until
) -> None:
    async with till(tmp_path, network, door.till) as shop, shop.delivering():
        with stopped(*stores.postgres_pids()):
            ids = shop.put(sale(sku="LATE"), sale(sku="LATE"))

            async def are_accepted(count: int) -> bool:
                return len(shop.outbox.accepted(10)) == count

            await until(lambda: are_accepted(2))
            ids += shop.put(sale(sku="LATE"))
            await until(lambda: are_accepted(3))
            assert len(shop.outbox) == 3
        await until(shop.is_empty)

        assert await booked(stores, ids) == ids
        assert not shop.told


async def test_what_redis_lost_before_the_ledger_had_it_is_sent_again_by_itself(
    door: Door, network: Network, stores: OwnServers, tmp_path: Path, until: Until
) -> None:
    async with till(tmp_path, network, door.till) as shop, shop.delivering():
        with stopped(*stores.postgres_pids()):
            # So that the till hears of duplicates, which may be in the ledger or not.
            network.answers_to_lose = 1
            ids = shop.put(*(sale(sku="LOST") for _ in range(3)))

            async def are_accepted() -> bool:
                return len(shop.outbox.accepted(10)) == 3

            await until(are_accepted)
            async with stores.redis() as redis:
                await redis.flushall()
        await until(shop.is_empty)

        assert sorted(await booked(stores, ids)) == sorted(ids)
    [position] = await door.positions(sku="LOST")
    assert position["deficit"] == 3


async def test_a_hub_that_asks_for_time_is_given_it_however_much_is_sold_meanwhile(
    door: Door, network: Network, tmp_path: Path, until: Until
) -> None:
    hasty = Patience(asking_seconds=0.1, pause_seconds=0.01, pause_seconds_max=0.02)
    network.turned_away = [b"503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"]
    async with till(tmp_path, network, door.till, hasty) as shop, shop.delivering():
        shop.put(sale(sku="GIVEN"))

        async def is_told() -> bool:
            return not network.turned_away

        await until(is_told)
        began = monotonic()
        for _ in range(5):
            shop.put(sale(sku="GIVEN"))
        await until(shop.is_empty)
        assert monotonic() - began > 0.8


async def test_a_till_without_the_right_to_sell_keeps_all_and_says_so(
    door: Door, network: Network, tmp_path: Path
) -> None:
    async with till(tmp_path, network, door.token(["positions:read"])) as shop:
        shop.put(sale(sku="MUTE"), sale(sku="MUTE"))
        with pytest.raises(RequestRefused, match="events:write"):
            await shop.deliver()
        assert len(shop.outbox) == 2


async def test_tills_and_hub_are_killed_in_the_middle_and_every_sale_is_booked_once_and_seen(
    tmp_path: Path, until: Until
) -> None:
    path = tmp_path / "outbox.db"
    with Outbox(path) as outbox:
        for _ in range(SALES):
            outbox.put(sale(sku="KILLED"))
    async with (
        running_process(tmp_path) as hub,
        network_to(hub.url) as http,
        network_to(hub.live) as live,
        HubClient(f"http://{http.address}", hub.token(), live_url=f"ws://{live.address}", patience=SOON) as screen,
    ):
        await screen.send(
            Receipt(id="in", time=TIME, location="LON-KNB", lines=(Line(sku="KILLED", quantity=SALES + 3),))
        )
        shown: list[AvailabilityItem] = []
        following = asyncio.create_task(follow(screen, "KILLED", shown))
        http.answers_to_lose = 1
        for is_hub_killed in (False, True):
            await bring_a_little(until, http, path, hub.token())
            if is_hub_killed:
                hub.signal(signal.SIGKILL)
                await hub.ended(PATIENCE_SECONDS)
                await hub.start()
                http.lead_to(hub.url)
                live.lead_to(hub.live)
        with Outbox(path) as outbox:
            assert len(outbox) > 0, "nobody was killed in the middle"

        courier = await started("bring", str(path), f"http://{http.address}", hub.token())
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, _ = await courier.communicate()
        assert (courier.returncode, said) == (0, b"")

        async def is_seen() -> bool:
            return bool(shown) and shown[-1].available == 3

        await until(is_seen)
        assert [shown[-1]] == await screen.availability("store", ["KILLED"])
        assert [item.rev for item in shown] == sorted({item.rev for item in shown})
        assert (await hub.position("KILLED"))["on_hand"] == 3
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    with Outbox(path) as outbox:
        assert len(outbox) == 0


async def follow(screen: HubClient, sku: str, shown: list[AvailabilityItem]) -> None:
    async for item in screen.watch("store", [sku]):
        # A read names the pool once for all items.
        shown += [msgspec.structs.replace(item, pool=None)]


async def bring_a_little(until: Until, http: Network, path: Path, token: str) -> None:
    """A courier that is killed after its next array, whatever it was just doing."""
    courier = await started("bring", str(path), f"http://{http.address}", token)
    before = len(http.asked)

    async def has_sent() -> bool:
        return len(http.asked) > before

    await until(has_sent)
    courier.kill()
    await courier.communicate()


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.protocol.clients.tills", *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
