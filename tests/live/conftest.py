"""A live door over a real Redis, and a stage that plays the kernel: it writes state and journal in one step."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from hub.access import Claims, Unauthenticated
from hub.domain.entry import FIELD, Entry, Seq, SetPosition, SetView, encode_entry
from hub.domain.pools import Status, View
from hub.domain.position import Fence, Position
from hub.faults import Unavailable
from hub.journal.reader import Tail, last_seq, reading_client
from hub.live.limits import LiveLimits
from hub.live.server import LiveDoor
from protocol.answers import AvailabilityItem, PositionItem, rfc3339
from tests.specs.schemas import check_heard, check_said

JOURNAL = "hub:{0}:journal"
SHOWN = "test:shown"
SHELF = "test:shelf"
PATIENCE_SECONDS = 10
BOOKED_AT_MS = 1_795_000_000_000


class Pool(msgspec.Struct, frozen=True):
    id: str
    public: bool = False
    show_status: bool = False


class House:
    """Three pools, one shop, one alias."""

    def __init__(self) -> None:
        self.pools = (Pool("online", public=True), Pool("vip"), Pool("store"), Pool("hints", True, True))
        self.pool_index = {pool.id: index for index, pool in enumerate(self.pools)}
        self.locations = {"LON-KNB": None}

    def sku(self, name: str) -> str:
        return {"3607340000001": "BAG"}.get(name, name)


TOKENS = {
    "vip": Claims(sub="page", source="page", pools=frozenset({"vip"})),
    "till": Claims(
        sub="till",
        source="till",
        scope=frozenset({"positions:read"}),
        pools=frozenset({"*"}),
        locations=frozenset({"LON-KNB"}),
    ),
    "shop": Claims(
        sub="shop",
        source="shop",
        scope=frozenset({"positions:read"}),
        pools=frozenset({"store"}),
        locations=frozenset({"LON-KNB"}),
    ),
}


class Credentials:
    """A token is a key of `TOKENS`, or `short:<exp>`; what it grants may be changed or taken away."""

    def __init__(self) -> None:
        self.granted = {token: msgspec.structs.replace(claims, voucher=token) for token, claims in TOKENS.items()}

    def authenticate_token(self, token: str, now: float) -> Claims:
        if token.startswith("short:"):
            return Claims(sub="page", source="page", pools=frozenset({"vip"}), exp=float(token[6:]))
        if token not in self.granted:
            raise Unauthenticated("Nobody knows this token.")
        return self.granted[token]

    def still(self, claims: Claims) -> Claims | None:
        return self.granted.get(claims.voucher) if claims.voucher else claims


class RedisStock:
    """Reads what the stage wrote; `before_answer` can hold a read back."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self.reads = 0
        self.before_answer: Callable[[], Any] | None = None
        self.is_away = False

    async def read(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        self.reads += bool(skus)
        if self.is_away:
            raise Unavailable("Redis is away.")
        rows = await self._client.hmget(SHOWN, [f"{pool} {sku}" for sku in skus]) if skus else []
        if self.before_answer is not None:
            await self.before_answer()
        return [_item(sku, row) for sku, row in zip(skus, rows, strict=True)]

    async def positions_at(self, location: str) -> list[PositionItem]:
        rows = await self._client.hgetall(f"{SHELF}:{location}")
        if self.before_answer is not None:
            await self.before_answer()
        return [_position_item(sku.decode(), location, row) for sku, row in rows.items()]


def _item(sku: str, row: bytes | None) -> AvailabilityItem:
    epoch, view = msgspec.msgpack.decode(row, type=tuple[int, View]) if row else (0, View(at_ms=BOOKED_AT_MS))
    return AvailabilityItem(
        sku=sku,
        available=view.available,
        status=Status(view.status).word,
        rev=view.rev(epoch),
        at=rfc3339(view.at_ms),
    )


def _position_item(sku: str, location: str, row: bytes) -> PositionItem:
    # Behind the comma is what is set aside for the VIPs.
    free, _, vip = row.decode().partition(",")
    return PositionItem(
        sku=sku,
        location=location,
        on_hand=int(free) + int(vip or 0),
        free=int(free),
        ring_fenced={"vip": int(vip)} if vip else {},
        reserved=0,
        aside={},
        deficit=0,
    )


class GatedTail(Tail):
    """A tail that a test can make lag behind."""

    def __init__(self, client: Redis, after: Seq | None, gate: asyncio.Event) -> None:
        super().__init__(client, JOURNAL, after)
        self._gate = gate

    async def read(self, count_max: int, block_ms: int) -> list[tuple[Seq, Entry]]:
        await self._gate.wait()
        return await super().read(count_max, block_ms)


class Stage:
    """Everything a test of the door plays with."""

    def __init__(self, client: Redis, tail_client: Redis) -> None:
        self.client = client
        self._tail_client = tail_client
        # While it is clear, the journal is not read beyond the next entry.
        self.gate = asyncio.Event()
        self.gate.set()
        self.stock = RedisStock(client)
        self.house = House()
        self.access = Credentials()
        self.epoch = 1
        self.number = 0
        self._changes: dict[tuple[str, str], int] = {}
        self.door: LiveDoor

    async def open_tail(self) -> Tail:
        return GatedTail(self._tail_client, await last_seq(self._tail_client, JOURNAL), self.gate)

    async def hold_the_journal(self, screen: "Screen") -> None:
        """Let the journal be read no further; the screen gets a last change, of the SKU `LAST`."""
        await screen.subscribe("online", "LAST")
        self.gate.clear()
        # The read that is under way still brings this one.
        await self.change(("online", "LAST", 1))
        assert (await screen.hear())["items"][0]["sku"] == "LAST"

    async def change(self, *shown: tuple[str, str, int], changed: int = 1) -> list[int]:
        """One entry that sets what pools show, (pool, sku, available) each; the revs after it."""
        skus = tuple(dict.fromkeys(sku for _, sku, _ in shown))
        views, revs = [], []
        async with self.client.pipeline(transaction=True) as pipeline:
            for pool, sku, available in shown:
                count = self._changes[pool, sku] = self._changes.get((pool, sku), 0) + changed
                status = Status.in_stock if available else Status.out_of_stock
                view = View(changes=count, at_ms=BOOKED_AT_MS, available=available, status=status)
                views.append(SetView(skus.index(sku), pool, view, changed))
                revs.append(view.rev(self.epoch))
                pipeline.hset(SHOWN, f"{pool} {sku}", msgspec.msgpack.encode((self.epoch, view)))
            self._journal(pipeline, skus=skus, views=tuple(views))
            await pipeline.execute()
        return revs

    async def move(self, sku: str, free: int, location: str = "LON-KNB", *, vip: int = 0) -> None:
        """One entry that sets a position."""
        async with self.client.pipeline(transaction=True) as pipeline:
            pipeline.hset(f"{SHELF}:{location}", sku, f"{free},{vip}" if vip else free)
            fences = (Fence("vip", vip, vip, 0, 0),) if vip else ()
            moved = SetPosition(0, location, Position(free=free, fences=fences))
            self._journal(pipeline, skus=(sku,), positions=(moved,))
            await pipeline.execute()

    def _journal(self, pipeline: Any, **fields: Any) -> None:
        entry = Entry(
            format=1,
            kind="fact",
            type="sale",
            source="till",
            id=f"e-{self.epoch}-{self.number}",
            hash="",
            time_ms=BOOKED_AT_MS,
            booked_at_ms=BOOKED_AT_MS,
            rules_version=1,
            payload="{}",
            **fields,
        )
        pipeline.xadd(JOURNAL, {FIELD: encode_entry(entry)}, id=Seq(self.epoch, self.number).stream_id)
        self.number += 1

    @asynccontextmanager
    async def screen(self, *, slow: bool = False, **options: Any) -> AsyncIterator["Screen"]:
        """A connected client; a slow one has small buffers in its kernel."""
        options.setdefault("subprotocols", ["hub.v1.json"])
        if slow:
            options["sock"] = _socket_of_small_buffer(self.door.port)
        uri = f"ws://127.0.0.1:{self.door.port}/v1/live"
        async with connect(uri, **options) as client:
            yield Screen(client)


class Screen:
    """A client that speaks JSON and passes over heartbeats."""

    def __init__(self, client: ClientConnection) -> None:
        self.client = client

    async def say(self, **message: Any) -> None:
        check_said(message)
        await self.client.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                heard: dict[str, Any] = json.loads(await self.client.recv())
            check_heard(heard)
            if heard["op"] != "heartbeat":
                return heard

    async def ask(self, **message: Any) -> dict[str, Any]:
        await self.say(**message)
        return await self.hear()

    async def subscribe(self, pool: str, *skus: str, **more: Any) -> dict[str, Any]:
        return await self.ask(op="subscribe", ref=1, pool=pool, skus=skus, **more)

    async def ended(self) -> int | None:
        """The close code, once the connection is closed."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.client.wait_closed()
        return self.client.close_code


def _socket_of_small_buffer(port: int) -> socket.socket:
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", port))
    small.setblocking(False)
    return small


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Any]:
    """Wait for something that has no event of its own."""

    async def wait_until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():  # noqa: ASYNC110 - what a socket has taken has no event
                await asyncio.sleep(0.005)

    return wait_until


@pytest.fixture
def open_door(redis_client: Redis, redis_url: str, until: Any) -> Any:
    """Make a stage with an open door; limits as given."""

    @asynccontextmanager
    async def opened(**limits: Any) -> AsyncIterator[Stage]:
        tail_client = reading_client(redis_url)
        stage = Stage(redis_client, tail_client)
        stage.door = LiveDoor(
            house=lambda: stage.house,
            access=stage.access,
            stock=stage.stock,
            open_tail=stage.open_tail,
            clock=time.time,
            origins=["https://shop.example"],
            limits=LiveLimits(**limits),
        )
        await stage.door.start("127.0.0.1", 0)
        try:
            await until(lambda: stage.door.is_following)
            yield stage
        finally:
            await stage.door.stop()
            await tail_client.aclose()

    return opened


@pytest.fixture
async def stage(open_door: Any) -> AsyncIterator[Stage]:
    async with open_door() as opened:
        yield opened
