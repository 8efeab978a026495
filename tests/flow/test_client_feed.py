"""The feed in the Python client: everything once and in order, whatever becomes of connections and hubs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec
import pytest

from hub.tasks import end
from protocol.clients import (
    CursorRefused,
    Feed,
    Happening,
    HubClient,
    NotAHub,
    Patience,
    RequestRefused,
    TokenRefused,
)
from protocol.clients.bearer import Token
from protocol.events import Line, Receipt
from protocol.feed import FeedAvailability, FeedMovement, FeedReservation
from protocol.reservations import AskedLine, Reserve
from tests.conftest import until_holds
from tests.flow.network import Network, network_to
from tests.flow.own_servers import OwnServers
from tests.intake.door import ALL_SCOPES, Door, open_door, settings_in
from tests.intake.feeding import following, read
from tests.intake.reserving import CLERK_SCOPES

PATIENCE_SECONDS = 20
SOON = Patience(pause_seconds=0.05, pause_seconds_max=0.2)
_numbers = count(1)


@pytest.fixture(scope="module")
async def door(stores: OwnServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    servers, folder = stores.running, tmp_path_factory.mktemp("hub")
    extra = "[limits]\nledger_wait_ms = 2000\n"
    async with open_door(settings_in(folder, redis_url=servers.redis_url, dsn=servers.postgres_dsn, extra=extra)) as it:
        yield it


@pytest.fixture
async def http(door: Door) -> AsyncIterator[Network]:
    async with network_to(door.url) as network:
        yield network


@pytest.fixture
async def hub(door: Door, http: Network) -> AsyncIterator[HubClient]:
    async with client(http, door.token([*ALL_SCOPES, *CLERK_SCOPES])) as made:
        yield made


def client(http: Network, token: Token, patience: Patience = SOON) -> HubClient:
    return HubClient(f"http://{http.address}", token, patience=patience)


def receipt(sku: str, quantity: int = 1) -> Receipt:
    lines = (Line(sku=sku, quantity=quantity),)
    return Receipt(id=f"in-{next(_numbers)}", time=datetime.now(UTC), location="LON-KNB", lines=lines)


async def some(feed: Feed, most: int) -> list[Happening]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [await anext(feed) for _ in range(most)]


async def newest(hub: HubClient) -> str:
    """A cursor behind everything."""
    async with aclosing(hub.position_pages(location="LON-KNB")) as pages:
        async for page in pages:
            return page.feed_cursor
    raise AssertionError


async def test_what_was_comes_before_what_is_and_each_item_has_its_type(hub: HubClient) -> None:
    after = await newest(hub)
    await hub.send(receipt("WAS", 3))
    async with aclosing(hub.feed(after=after)) as feed:
        was = await some(feed, 1 + 4)
        await hub.reserve(Reserve(id="basket-typed", pool="online", lines=(AskedLine(sku="WAS", quantity=1),)))
        held = await some(feed, 2)

    first = was[0].data
    assert isinstance(first, FeedMovement)
    assert (first.sku, first.from_, first.to, first.quantity) == ("WAS", "supplier", "free", 3)
    assert all(isinstance(item.data, FeedAvailability) for item in was[1:])
    [reservation] = [item.data for item in held if isinstance(item.data, FeedReservation)]
    assert (reservation.id, reservation.state) == ("basket-typed", "held")
    assert isinstance(held[0].data, FeedMovement)


async def test_only_the_types_that_are_asked_for_come_and_the_cursor_moves_on_all_the_same(
    door: Door, hub: HubClient
) -> None:
    after = await newest(hub)
    async with aclosing(hub.feed(types=["rule.changed", "reservation.*"], after=after)) as feed:
        taking = asyncio.create_task(anext(feed))
        await hub.send(receipt("NOT-ASKED-FOR"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while feed.cursor in (after, None):  # noqa: ASYNC110 - the hub tells where it is
                await asyncio.sleep(0.02)
        assert feed.cursor is not None
        assert await read(door, after=feed.cursor, types="movement.sale") == []
        await hub.reserve(
            Reserve(id="basket-asked", pool="online", lines=(AskedLine(sku="NOT-ASKED-FOR", quantity=1),))
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await taking).type == "reservation.held"


async def test_the_next_process_goes_on_where_the_last_one_was(door: Door, hub: HubClient, http: Network) -> None:
    after = await newest(hub)
    await hub.send_many([receipt("HANDED", 1 + number) for number in range(9)])
    wanted = [item["id"] for item in await read(door, after=after)]

    taken: list[str] = []
    cursor: str | None = after
    while len(taken) < len(wanted):
        async with client(http, door.till) as process, aclosing(process.feed(after=cursor)) as feed:
            taken += [item.id for item in await some(feed, min(7, len(wanted) - len(taken)))]
            cursor = feed.cursor

    assert taken == wanted


async def test_long_pasts_are_read_page_by_page(door: Door, hub: HubClient, http: Network) -> None:
    after = await newest(hub)
    await hub.send_many([receipt(f"LONG-{number % 7}") for number in range(450)])
    wanted = [item["id"] for item in await read(door, after=after)]
    assert len(wanted) > 1_000

    async with aclosing(hub.feed(after=after)) as feed:
        assert [item.id for item in await some(feed, len(wanted))] == wanted
    assert len([head for head in http.asked if head.startswith(b"GET /v1/feed?")]) == len(wanted) // 1_000 + 1


async def follow(feed: Feed, taken: list[Happening]) -> None:
    async for item in feed:
        taken.append(item)  # noqa: PERF401 - it is looked at meanwhile


@asynccontextmanager
async def taking(feed: Feed) -> AsyncIterator[list[Happening]]:
    taken: list[Happening] = []
    following_it = asyncio.create_task(follow(feed, taken))
    try:
        yield taken
        assert not following_it.done(), following_it.exception()
    finally:
        await end([following_it])
        await feed.aclose()


async def until_alike(door: Door, after: str, taken: list[Happening]) -> None:
    async def is_alike() -> bool:
        return [item.cursor for item in taken] == [item["cursor"] for item in await read(door, after=after)]

    await until_holds(is_alike)


async def test_a_line_that_is_cut_in_the_middle_again_and_again_costs_and_doubles_nothing(
    door: Door, hub: HubClient, http: Network
) -> None:
    after = await newest(hub)
    async with client(http, door.till) as reader, taking(reader.feed(after=after)) as taken:
        for number in range(12):
            await asyncio.gather(*(hub.send(receipt(f"CUT-{sku}")) for sku in range(4)))
            http.answers_to_lose = number % 3
            http.cut()
        http.answers_to_lose = 0
        await until_alike(door, after, taken)

    resumed = [head for head in http.asked if b"Last-Event-ID: " in head]
    assert len(resumed) >= 3


async def test_a_line_that_has_gone_deaf_is_left_after_two_heartbeats(door: Door, http: Network) -> None:
    impatient = Patience(pause_seconds=0.05, pause_seconds_max=0.1, heartbeat_seconds=0.5, try_seconds=2)
    async with (
        client(http, door.till, impatient) as reader,
        network_to(door.url) as well,
        client(well, door.till) as till,
    ):
        after = await newest(till)
        async with taking(reader.feed(after=after)) as taken:
            await till.send(receipt("DEAF"))
            await until_alike(door, after, taken)
            http.go_deaf()
            await till.send(receipt("DEAF"))
            await until_alike(door, after, taken)


async def test_a_feed_outlives_its_hub(stores: OwnServers, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, redis_url=stores.running.redis_url, dsn=stores.running.postgres_dsn)
    async with AsyncExitStack() as first_hub:
        first = await first_hub.enter_async_context(open_door(settings))
        async with network_to(first.url) as http, client(http, first.till) as hub:
            after = await newest(hub)
            feed = hub.feed(types=["movement.*"], after=after)
            await hub.send(receipt("OUTLIVED", 1))
            [one] = await some(feed, 1)
            waiting = asyncio.create_task(anext(feed))
            await first_hub.aclose()
            async with open_door(settings) as second:
                http.lead_to(second.url)
                await hub.send(receipt("OUTLIVED", 2))
                async with asyncio.timeout(PATIENCE_SECONDS):
                    two = await waiting
                wanted = [item["cursor"] for item in await read(second, after=after, types="movement.*")]
                assert [one.cursor, two.cursor] == wanted
            await feed.aclose()


async def test_where_no_stream_is_to_be_had_pages_bring_it(door: Door, hub: HubClient) -> None:
    after = await newest(hub)
    async with AsyncExitStack() as others:
        for _ in range(64):
            await others.enter_async_context(following(door, after=after))
        impatient = Patience(pause_seconds=0.01, pause_seconds_max=0.02)
        async with network_to(door.url) as http, client(http, door.till, impatient) as reader:
            feed = reader.feed(types=["movement.*"], after=after)
            waiting = asyncio.create_task(anext(feed))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not any(head.startswith(b"HTTP/1.1 503") for head in http.answered):  # noqa: ASYNC110 - the wire
                    await asyncio.sleep(0.02)
            await hub.send(receipt("FULL"))
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert (await waiting).type == "movement.receipt"
            await feed.aclose()


async def test_a_refused_cursor_scope_or_type_says_so(door: Door, hub: HubClient, http: Network) -> None:
    with pytest.raises(CursorRefused, match="`after`"):
        await anext(hub.feed(after="f1.nobody-made-this"))
    with pytest.raises(RequestRefused, match="no type") as refused:
        await anext(hub.feed(types=["movements.*"]))
    assert not isinstance(refused.value, CursorRefused)
    async with client(http, door.token(["events:write"])) as till:
        with pytest.raises(RequestRefused, match="feed:read"):
            await anext(till.feed())
    async with client(http, "no token") as nobody:
        with pytest.raises(TokenRefused):
            await anext(nobody.feed())


@pytest.mark.parametrize("after", ["", "x" * 1_000, "a\nb", "a b", "ä"])
def test_what_no_hub_would_make_is_no_cursor(after: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        HubClient("http://127.0.0.1:1").feed(after=after)


def test_types_are_bounded() -> None:
    with pytest.raises(ValueError, match="types"):
        HubClient("http://127.0.0.1:1").feed(types=[f"movement.{number}" for number in range(101)])


async def test_a_token_that_is_refused_is_asked_for_again(door: Door, hub: HubClient, http: Network) -> None:
    tokens = iter(["no token", door.till])
    after = await newest(hub)
    await hub.send(receipt("RENEWED"))
    async with client(http, lambda: next(tokens)) as reader, aclosing(reader.feed(after=after)) as feed:
        assert (await some(feed, 1))[0].type == "movement.receipt"


def answer(body: bytes, type: bytes = b"application/json") -> bytes:
    return b"200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (type, len(body), body)


def item(type: str, data: object) -> dict[str, object]:
    told = {"specversion": "1.0", "id": "i", "source": "s", "type": type, "time": "t", "data": data, "cursor": "f1.i"}
    return {**told, "later": True}


def page(*items: object, next: str = "f1.next") -> bytes:
    return answer(msgspec.json.encode({"items": items, "next": next}))


async def test_an_item_of_a_later_day_comes_as_it_is(http: Network, hub: HubClient) -> None:
    http.turned_away = [page(item("weather.changed", {"rain": 1}))]
    [told] = await some(hub.feed(), 1)
    assert isinstance(told.data, msgspec.Raw)
    assert msgspec.json.decode(told.data) == {"rain": 1}


@pytest.mark.parametrize(
    "said",
    [
        [page({"nonsense": 1})],
        [page(item("movement.sale", {"sku": 7}))],
        [page(item("weather.changed", {}) | {"cursor": "a\nb"})],
        [page(next="")],
        [answer(b"Sign in", b"text/html")],
        [page(), answer(b"Sign in", b"text/html")],
        [page(), answer(b"id: f1.a\ndata: no item\n\n", b"text/event-stream")],
        [page(), answer(b"id: a b\n\n", b"text/event-stream")],
    ],
)
async def test_what_cannot_be_read_ends_the_feed_where_it_is(http: Network, hub: HubClient, said: list[bytes]) -> None:
    http.turned_away = list(said)
    feed = hub.feed(after="f1.kept")
    with pytest.raises(NotAHub):
        await some(feed, 1)
    assert feed.cursor == ("f1.kept" if len(said) == 1 else "f1.next")
