"""The Python client and a running hub: it sees what is so, and what it asks is done once, whatever the network does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import monotonic

import pytest

from protocol.answers import AvailabilityItem
from protocol.clients import (
    Denied,
    HubClient,
    Insufficient,
    NotAHub,
    Patience,
    RequestRefused,
    TokenRefused,
    Unanswered,
    WatchRefused,
)
from protocol.clients.bearer import Token
from protocol.events import Count, Line, Receipt, Sale
from protocol.reservations import AskedLine, Reservation, Reserve
from tests.flow.network import Network, network_to
from tests.flow.own_servers import OwnServers, stopped
from tests.intake.door import Door, open_door, settings_in
from tests.intake.reserving import CLERK_SCOPES

PATIENCE_SECONDS = 60
SOON = Patience(pause_seconds=0.05, pause_seconds_max=0.2)
_numbers = count(1)


@pytest.fixture(scope="module")
async def door(stores: OwnServers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    limits = "[limits]\nredis_timeout_seconds = 0.5\nledger_wait_ms = 250\n"
    folder = tmp_path_factory.mktemp("hub")
    servers = stores.running
    async with open_door(
        settings_in(folder, redis_url=servers.redis_url, dsn=servers.postgres_dsn, extra=limits)
    ) as it:
        yield it


@pytest.fixture
async def live(door: Door) -> AsyncIterator[Network]:
    async with network_to(door.live) as network:
        yield network


@pytest.fixture
async def http(door: Door) -> AsyncIterator[Network]:
    async with network_to(door.url) as network:
        yield network


@pytest.fixture
async def hub(door: Door, http: Network, live: Network) -> AsyncIterator[HubClient]:
    async with client(http, live, door.till) as made:
        yield made


def client(http: Network, live: Network, token: Token, patience: Patience = SOON) -> HubClient:
    return HubClient(f"http://{http.address}", token, live_url=f"ws://{live.address}", patience=patience)


def receipt(sku: str, quantity: int = 1, id: str = "", location: str = "LON-KNB") -> Receipt:
    lines = (Line(sku=sku, quantity=quantity),)
    return Receipt(id=id or f"in-{next(_numbers)}", time=datetime.now(UTC), location=location, lines=lines)


def sale(sku: str, quantity: int = 1) -> Sale:
    lines = (Line(sku=sku, quantity=quantity),)
    return Sale(id=f"out-{next(_numbers)}", time=datetime.now(UTC), location="LON-KNB", pool="store", lines=lines)


class Page:
    """A page that shows what a watch yields."""

    def __init__(self) -> None:
        self.shows: dict[str, AvailabilityItem] = {}
        self.heard = 0
        self._news = asyncio.Condition()

    async def follow(self, hub: HubClient, pool: str, *skus: str) -> None:
        async with aclosing(hub.watch(pool, skus)) as items:
            async for item in items:
                held = self.shows.get(item.sku)
                assert held is None or item.rev > held.rev
                self.shows[item.sku] = item
                self.heard += 1
                async with self._news:
                    self._news.notify_all()

    async def until(self, sku: str, available: int) -> AvailabilityItem:
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: sku in self.shows and self.shows[sku].available == available)
        return self.shows[sku]


@asynccontextmanager
async def page(hub: HubClient, pool: str, *skus: str) -> AsyncIterator[Page]:
    made = Page()
    following = asyncio.create_task(made.follow(hub, pool, *skus))
    try:
        yield made
    finally:
        following.cancel()
        [ended] = await asyncio.gather(following, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


async def test_a_watch_tells_what_is_so_and_then_each_change(hub: HubClient) -> None:
    async with aclosing(hub.watch("online", ["SEEN", "NEVER"])) as items:
        first = {item.sku: item for item in [await anext(items), await anext(items)]}
        assert {item.rev for item in first.values()} == {0}
        [answer] = [await hub.send(receipt("SEEN", 3))]
        told = await anext(items)

    assert (told.pool, told.available, told.status) == ("online", 3, "in_stock")
    assert told in (answer.availability or ())


async def test_whoever_takes_slowly_gets_the_newest_of_each_sku_once(hub: HubClient) -> None:
    async with page(hub, "store", "SLOW") as quick, aclosing(hub.watch("store", ["SLOW", "OTHER"])) as slow:
        await hub.send(receipt("SLOW", 50))
        await quick.until("SLOW", 50)
        taken = [await anext(slow)]
        for left in range(49, 19, -1):
            await hub.send(sale("SLOW"))
            await quick.until("SLOW", left)
        while (taken[-1].sku, taken[-1].available) != ("SLOW", 20):
            taken.append(await anext(slow))

    # What was there, the other SKU, what was still on its way, and the newest.
    assert len(taken) < 10
    assert quick.heard > 30


async def test_a_watch_whose_line_is_cut_comes_back_and_says_what_it_knows(hub: HubClient, live: Network) -> None:
    await hub.send_many([receipt("CUT", 5), receipt("KEPT", 2)])
    async with page(hub, "online", "CUT", "KEPT") as seen:
        kept = await seen.until("KEPT", 2)
        await seen.until("CUT", 5)
        live.cut()
        await hub.send(sale("CUT", 2))
        await seen.until("CUT", 3)

    assert live.connections >= 2
    assert seen.heard == 3
    again = [chunk for chunk in live.answered if b'"KEPT"' in chunk]
    assert len(again) == 1, "what is known is not told again"
    assert seen.shows["KEPT"] == kept


async def test_a_line_that_has_gone_deaf_is_left_after_two_heartbeats(
    door: Door, http: Network, live: Network, hub: HubClient
) -> None:
    impatient = Patience(pause_seconds=0.05, pause_seconds_max=0.1, heartbeat_seconds=0.5)
    async with client(http, live, None, impatient) as screen, page(screen, "online", "DEAF") as seen:
        await seen.until("DEAF", 0)
        live.go_deaf()
        await hub.send(receipt("DEAF", 4))
        await seen.until("DEAF", 4)


async def test_a_watch_outlives_its_hub(door: Door, stores: OwnServers, http: Network, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, redis_url=stores.running.redis_url, dsn=stores.running.postgres_dsn)
    async with network_to(door.live) as live, client(http, live, None) as hub:
        async with open_door(settings) as first:
            live.lead_to(first.live)
            watch = hub.watch("online", ["OUTLIVED"])
            assert (await anext(watch)).available == 0
        async with client(http, live, door.till) as till, open_door(settings) as second:
            live.lead_to(second.live)
            await till.send(receipt("OUTLIVED", 3))
            assert (await asyncio.wait_for(anext(watch), PATIENCE_SECONDS)).available == 3
        await watch.aclose()
    assert any(chunk[:1] == b"\x88" and b"\x03\xe9" in chunk[:6] for chunk in live.answered), "closed with 1001"


async def test_in_a_new_epoch_a_watch_is_told_all_anew(hub: HubClient, stores: OwnServers) -> None:
    await hub.send_many([receipt("HEALED", 5), receipt("STILL", 2)])
    async with page(hub, "online", "HEALED", "STILL") as seen:
        before = [await seen.until("HEALED", 5), await seen.until("STILL", 2)]
        async with stores.redis() as redis:
            await redis.flushall()
        assert (await hub.send(sale("HEALED"))).status in ("applied", "accepted")
        await seen.until("HEALED", 4)

        async with asyncio.timeout(PATIENCE_SECONDS):
            while seen.shows["STILL"].rev >> 32 == before[1].rev >> 32:  # noqa: ASYNC110 - the page tells of any SKU
                await asyncio.sleep(0.02)

    assert seen.shows["HEALED"].rev > before[0].rev
    assert seen.shows["STILL"].available == 2


async def test_at_quiet_a_watch_has_seen_what_a_fresh_read_says(hub: HubClient, live: Network) -> None:
    skus = [f"BUSY-{number}" for number in range(8)]
    async with page(hub, "online", *skus) as seen:
        for round in range(6):
            await asyncio.gather(*(hub.send(receipt(sku, 1 + round % 3)) for sku in skus))
            await asyncio.gather(*(hub.send(sale(sku)) for sku in skus[round:]))
            live.cut()
        fresh = {item.sku: item for item in await hub.availability("online", skus)}
        for sku, item in fresh.items():
            assert item.available is not None
            told = await seen.until(sku, item.available)
            assert (told.rev, told.status, told.at) == (item.rev, item.status, item.at)


async def test_a_token_that_ends_is_replaced_by_a_new_one(door: Door, http: Network, live: Network) -> None:
    made: list[str] = []

    async def token() -> str:
        made.append(door.token(ttl="1s" if not made else "1h"))
        return made[-1]

    async with client(http, live, token) as hub, page(hub, "vip", "PRIVATE") as seen:
        await seen.until("PRIVATE", 0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while live.connections < 2:  # noqa: ASYNC110 - nobody tells that a token has ended
                await asyncio.sleep(0.02)
        await hub.send(receipt("PRIVATE", 2))
        await seen.until("PRIVATE", 2)
    assert len(made) == 2


async def test_a_token_that_is_refused_is_asked_for_again_by_both_doors_once(
    door: Door, http: Network, live: Network
) -> None:
    tokens = iter(["no token", door.till, "never needed"])
    async with client(http, live, lambda: next(tokens)) as hub:
        _, answer = await asyncio.gather(first_of(hub, "vip"), hub.send(receipt("RENEWED")))
    assert answer.status in ("applied", "accepted")
    assert next(tokens) == "never needed"


async def test_a_token_that_stays_refused_ends_what_needs_it(http: Network, live: Network) -> None:
    worse = count()
    for token in ("no token", lambda: "the same", lambda: f"another {next(worse)}"):
        async with client(http, live, token) as hub:
            with pytest.raises(TokenRefused):
                await hub.send(receipt("REFUSED"))
            with pytest.raises(TokenRefused):
                await first_of(hub, "online")


async def first_of(hub: HubClient, pool: str) -> AvailabilityItem:
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(hub.watch(pool, ["ANY"])) as items:
        return await anext(items)


async def test_a_pool_that_may_not_be_seen_ends_a_watch_at_once(http: Network, live: Network) -> None:
    async with client(http, live, None) as hub:
        with pytest.raises(WatchRefused, match="unknown_pool"):
            await first_of(hub, "vip")
        with pytest.raises(RequestRefused) as refused:
            await hub.availability("vip", ["ANY"])
    assert refused.value.problem.name == "not_found"
    assert live.connections == 1


async def test_every_outcome_of_an_event_has_its_type(hub: HubClient) -> None:
    first = receipt("TOLD", 2, id="told-1")
    answers = [
        await hub.send(first),
        await hub.send(first),
        await hub.send(receipt("TOLD", 3, id="told-1")),
        await hub.send(receipt("TOLD", location="ATLANTIS")),
        await hub.send(receipt("TOLD", 0)),
        await hub.send(receipt("TOLD" * 300_000)),
    ]

    assert answers[0].status in ("applied", "accepted")
    assert [answer.status for answer in answers[1:]] == ["duplicate", "refused", "parked", "refused", "refused"]
    assert [answer.problem.name for answer in answers if answer.problem] == ["conflict", "malformed", "too_large"]
    assert answers[3].unknown == ("location ATLANTIS",)
    assert all(answer.id for answer in answers)


async def test_many_events_are_answered_in_their_order(hub: HubClient, http: Network) -> None:
    events = [receipt("MANY", 1 if number % 500 else 0) for number in range(1_201)]

    answers = await hub.send_many(events)

    assert [answer.id for answer in answers] == [event.id for event in events]
    assert [index for index, answer in enumerate(answers) if answer.status == "refused"] == [0, 500, 1_000]
    posts = [head for head in http.asked if head.startswith(b"POST /v1/events")]
    assert len(posts) == 2
    assert all(b"Hub-Sent-At: 20" in head for head in posts)


async def test_whoever_may_not_send_is_told_by_a_fault(door: Door, http: Network, live: Network) -> None:
    async with client(http, live, door.token(["positions:read"])) as hub:
        with pytest.raises(RequestRefused, match="events:write"):
            await hub.send(receipt("MUTE"))
        with pytest.raises(RequestRefused, match="events:write"):
            await hub.send_many([receipt("MUTE"), receipt("MUTE")])


async def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_booked_twice(
    hub: HubClient, http: Network
) -> None:
    http.answers_to_lose = 2
    assert (await hub.send(receipt("ONCE", 5))).status == "duplicate"
    http.answers_to_lose = 1
    assert [answer.status for answer in await hub.send_many([sale("ONCE"), sale("ONCE")])] == ["duplicate"] * 2

    [position] = [position async for position in hub.positions(sku="ONCE")]
    assert position.on_hand == 3


async def test_a_hub_without_its_redis_is_asked_again_when_it_says_so(
    door: Door, hub: HubClient, http: Network, stores: OwnServers
) -> None:
    with stopped(await stores.redis_pid()):
        sending = asyncio.create_task(hub.send(receipt("WAITED", 1)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(head.startswith(b"HTTP/1.1 503") for head in http.answered):  # noqa: ASYNC110 - the wire
                await asyncio.sleep(0.02)
    answer = await asyncio.wait_for(sending, PATIENCE_SECONDS)

    assert answer.status in ("applied", "accepted", "duplicate")
    assert any(b"Retry-After" in head for head in http.answered if head.startswith(b"HTTP/1.1 503"))
    [item] = await hub.availability("online", ["WAITED"])
    assert item.available == 1


TOO_BUSY = b"503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ELSEWHERE = b"302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SIGN_IN = b"200 OK\r\nContent-Type: text/html\r\nContent-Length: 7\r\nConnection: close\r\n\r\nSign in"
FORBIDDEN = b"403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def test_both_doors_are_left_alone_for_as_long_as_they_ask(hub: HubClient, http: Network, live: Network) -> None:
    http.turned_away, live.turned_away = [TOO_BUSY], [TOO_BUSY]
    began = monotonic()
    item, answer = await asyncio.gather(first_of(hub, "vip"), hub.send(receipt("BUSY")))

    assert item.sku == "ANY"
    assert answer.status in ("applied", "accepted")
    assert monotonic() - began >= 1
    assert (len(http.turned_away), len(live.turned_away)) == (0, 0)


@pytest.mark.parametrize("said", [ELSEWHERE, SIGN_IN])
async def test_what_is_no_hub_is_not_believed_and_gets_no_token_for_elsewhere(
    hub: HubClient, http: Network, said: bytes
) -> None:
    http.turned_away = [said]
    with pytest.raises(NotAHub):
        await hub.send(receipt("NOWHERE"))


async def test_a_handshake_that_is_forbidden_ends_the_watch(hub: HubClient, live: Network) -> None:
    live.turned_away = [FORBIDDEN]
    with pytest.raises(WatchRefused, match="403"):
        await first_of(hub, "online")


async def test_patience_has_an_end(door: Door) -> None:
    short = Patience(try_seconds=1, asking_seconds=0.3, pause_seconds=0.05, pause_seconds_max=0.1)
    async with network_to("http://127.0.0.1:1") as nowhere, client(nowhere, nowhere, door.till, short) as hub:
        with pytest.raises(Unanswered, match="send the same again"):
            await hub.send(receipt("NOBODY"))
    assert nowhere.connections > 1


async def test_a_client_that_is_not_entered_says_so(door: Door) -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await HubClient(door.url, door.till).send(receipt("OUTSIDE"))


async def test_a_reservation_is_held_changed_and_told(door: Door, hub: HubClient, http: Network, live: Network) -> None:
    await hub.send(receipt("HELD", 4))
    lines = (AskedLine(sku="HELD", quantity=3),)
    asked = Reserve(id=f"basket-{next(_numbers)}/1 %2F?", pool="online", lines=lines)
    async with client(http, live, door.token(CLERK_SCOPES, sub="anna")) as anna:
        http.answers_to_lose = 1
        held = await anna.reserve(asked)
        assert isinstance(held, Reservation)
        assert (held.state, held.lines[0].quantity, held.owner) == ("held", 3, "anna")
        assert await anna.reserve(asked) == held

        refused = await anna.reserve(Reserve(id=f"basket-{next(_numbers)}", pool="online", lines=lines))
        assert isinstance(refused, Insufficient)
        assert [(short.sku, short.requested, short.available) for short in refused.shortages] == [("HELD", 3, 1)]


async def test_each_verb_of_a_reservation_may_be_repeated(
    door: Door, hub: HubClient, http: Network, live: Network
) -> None:
    await hub.send_many([receipt("VERBS", 4), receipt("VERBS", 4, location="DC-LYON")])
    id = f"basket-{next(_numbers)}"
    one = [AskedLine(sku="VERBS", quantity=1)]
    async with client(http, live, door.token(CLERK_SCOPES, sub="anna")) as anna:
        held = await anna.reserve(Reserve(id=id, pool="online", lines=(AskedLine(sku="VERBS", quantity=4),)))
        assert isinstance(held, Reservation)
        later = await anna.extend(id, 3_000)
        assert isinstance(later, Reservation)
        assert (later.expires_at or "") > (held.expires_at or "")
        for _ in range(2):
            told = await anna.confirm(id, one)
        assert (await anna.confirm(id, one, request_id="meant")) != told
        for _ in range(2):
            told = await anna.release(id, one)
            told = await anna.reallocate(id, one)
            told = await anna.fulfil(id, one)
        assert isinstance(told, Reservation)
        assert (told.lines[0].confirmed, told.lines[0].released, told.lines[0].fulfilled) == (1, 1, 1)
        assert await anna.reservation(id) == told

        await anna.reserve(Reserve(id=f"{id}-over", pool="online", lines=tuple(one)))
        await anna.release(f"{id}-over")
        ended = await anna.confirm(f"{id}-over")
        missing = await anna.confirm("never")
        assert isinstance(ended, Denied)
        assert isinstance(missing, Denied)
        assert (ended.problem.name, missing.problem.name) == ("ended", "unknown_reservation")
        assert await anna.reservation("never") is None
        with pytest.raises(RequestRefused, match="nowhere"):
            await anna.reserve(Reserve(id="x", pool="nowhere", lines=tuple(one)))


async def test_long_lists_are_read_page_by_page(hub: HubClient) -> None:
    skus = [f"LONG-{number:04}" for number in range(1_150)]
    counts = [
        Count(
            id=f"count-{start}",
            time=datetime.now(UTC),
            counted_at=datetime.now(UTC),
            location="DXB-MALL",
            lines=tuple({"sku": sku, "quantity": 1} for sku in skus[start : start + 100]),  # type: ignore[misc]
        )
        for start in range(0, len(skus), 100)
    ]
    await hub.send_many(counts)

    pages = [page async for page in hub.position_pages(location="DXB-MALL")]
    found = [position.sku async for position in hub.positions(location="DXB-MALL")]
    items = await hub.availability("store", skus)

    assert len(pages) > 1
    assert pages[0].feed_cursor
    assert sorted({sku for sku in found if sku.startswith("LONG-")}) == skus
    assert [item.sku for item in items] == skus
    assert {item.available for item in items} == {1}
