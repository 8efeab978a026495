"""A hub of two live doors whose Redis may be lost, and clients that come back and keep what has the higher rev."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import time
from typing import Any

import msgspec
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from hub.access import ANONYMOUS
from hub.domain.entry import Entry, Seq
from hub.domain.pools import Status, View
from hub.domain.shown import item
from hub.faults import Unavailable
from hub.journal.reader import Tail, last_seq, reading_client
from hub.live.limits import LiveLimits
from hub.live.server import LiveDoor
from hub.tasks import end
from protocol.answers import AvailabilityItem
from protocol.frames import CloseCode, Subscribe
from tests.live.conftest import BOOKED_AT_MS, JOURNAL, SHOWN, GatedTail, RedisStock, Stage
from tests.specs.schemas import check_heard, check_said

SETTLE_SECONDS = 5
LOST_EPOCH = "lost_epoch"
# Of a value, what must agree.
Told = tuple[int | None, str, int]
Key = tuple[str, str]


class HealedStock(RedisStock):
    """Reads as the hub does: what was never shown has the first rev of the last epoch that lost something."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client)
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        if self.is_away:
            raise Unavailable("Redis is away.")
        lost, *rows = await self._client.hmget(SHOWN, [LOST_EPOCH, *(f"{pool} {sku}" for sku in skus)])  # type: ignore[misc]
        await self.gate.wait()
        read = [msgspec.msgpack.decode(row, type=tuple[int, View]) if row else (0, View()) for row in rows]
        return [
            item(sku, view, epoch, now_ms=BOOKED_AT_MS, lost_epoch=int(lost or 0))
            for sku, (epoch, view) in zip(skus, read, strict=True)
        ]


class CutTail(GatedTail):
    """A tail whose Redis may go away, with whatever was on its way."""

    def __init__(self, client: Redis, after: Seq | None, gate: asyncio.Event, cut: asyncio.Event) -> None:
        super().__init__(client, after, gate)
        self._cut = cut

    async def read(self, count_max: int, block_ms: int) -> list[tuple[Seq, Entry]]:
        reading = asyncio.ensure_future(super().read(count_max, block_ms))
        cut = asyncio.ensure_future(self._cut.wait())
        try:
            await asyncio.wait((reading, cut), return_when=asyncio.FIRST_COMPLETED)
            # It may be back already; what was on its way is lost all the same.
            if cut.done():
                raise Unavailable("Redis is away.")
            return reading.result()
        finally:
            await end((reading, cut))


class OneDoor:
    """A live door of one process, whose journal and whose reads a test may hold back, or take away."""

    def __init__(self, stage: "Town", tail_client: Redis) -> None:
        self._stage = stage
        self._tail_client = tail_client
        self.gate = asyncio.Event()
        self.gate.set()
        self.stock = HealedStock(stage.client)
        # Set while Redis is not there for this process.
        self._away = asyncio.Event()
        # Whether anybody may have been turned away since the last quiet moment.
        self.was_away = False
        self.live = LiveDoor(
            house=lambda: stage.house,
            access=stage.access,
            stock=self.stock,
            open_tail=self.open_tail,
            clock=time,
            origins=[],
            limits=LiveLimits(retry_seconds=0.01, retry_seconds_max=0.02),
        )

    async def open_tail(self) -> Tail:
        if self._away.is_set():
            raise Unavailable("Redis is away.")
        return CutTail(self._tail_client, await last_seq(self._tail_client, JOURNAL), self.gate, self._away)

    def lose_redis(self) -> None:
        """Have Redis away for this process; others go on."""
        self._away.set()
        self.stock.is_away = self.was_away = True

    def find_redis(self) -> None:
        """Have it back."""
        self._away.clear()
        self.stock.is_away = False


class Town(Stage):
    """The state and the journal, all that the doors read."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client, client)
        self.epoch = 0
        self.values: dict[Key, int] = {}
        # What was so before each entry of the epoch: the numbers, and how often they had changed.
        self._before: list[tuple[dict[Key, int], dict[Key, int]]] = []
        self.doors: list[OneDoor] = []

    async def sell(self, pool: str, sku: str, available: int) -> None:
        """Let a pool show another number."""
        if self.values.get((pool, sku), 0) == available:
            return
        self._before.append((dict(self.values), dict(self._changes)))
        self.values[pool, sku] = available
        await self.change((pool, sku, available))

    async def cut_journal(self) -> None:
        """Forget all entries but the newest; who had not read them meets a gap."""
        await self.client.xtrim(JOURNAL, maxlen=1, approximate=False)

    async def begin_epoch(self, lost: int) -> None:
        """Make Redis anew, without the last entries of the epoch."""
        kept = max(0, len(self._before) - lost)
        if kept < len(self._before):
            self.values, self._changes = self._before[kept]
        self._before = []
        self.epoch, self.number = self.epoch + 1, 0
        async with self.client.pipeline(transaction=True) as pipeline:
            lost_epoch = await self.client.hget(SHOWN, LOST_EPOCH)  # type: ignore[misc]
            pipeline.delete(SHOWN, JOURNAL)
            for (pool, sku), available in self.values.items():
                view = view_of(self._changes[pool, sku], available)
                pipeline.hset(SHOWN, f"{pool} {sku}", msgspec.msgpack.encode((self.epoch, view)))
            pipeline.hset(SHOWN, LOST_EPOCH, self.epoch if lost else int(lost_epoch or 0))
            self._journal(pipeline)
            await pipeline.execute()


def view_of(changes: int, available: int) -> View:
    status = Status.in_stock if available else Status.out_of_stock
    return View(changes=changes, at_ms=BOOKED_AT_MS, available=available, status=status)


@dataclass
class Client:
    """One client, over as many connections as it takes, to whichever door."""

    town: Town
    by_events: bool = False
    wanted: set[Key] = field(default_factory=set)
    view: dict[Key, Told] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    token: str | None = None
    _socket: ClientConnection | None = None
    _door: OneDoor | None = None
    _hearing: asyncio.Task[None] | None = None
    _exits: AsyncExitStack = field(default_factory=AsyncExitStack)
    # Answers to `auth` that are still to come: what is heard before them is of the token before.
    _auths: int = 0
    # What was told over this connection, or is known to it.
    _revs: dict[Key, int] = field(default_factory=dict)

    @property
    def is_connected(self) -> bool:
        return self._hearing is not None and not self._hearing.done()

    async def come(self, door: OneDoor, *, knows: bool) -> None:
        """Connect to a door and ask for all that is wanted."""
        await self.drop()
        self._door = door
        # Whoever says what it knows is told nothing older, by no door.
        self._revs = {key: self.view[key][2] for key in self.wanted if knows and key in self.view}
        if self.by_events:
            self._hearing = asyncio.create_task(self._hear_events(door, self._known("online", self.wanted, knows)))
            return
        uri = f"ws://127.0.0.1:{door.live.port}/v1/live"
        self._socket = await self._exits.enter_async_context(connect(uri, subprotocols=["hub.v1.json"]))  # type: ignore[list-item]
        self._hearing = asyncio.create_task(self._hear())
        if self.token is not None:
            await self.show(self.token)
        for pool in {pool for pool, _ in self.wanted}:
            await self.ask(pool, [sku for name, sku in self.wanted if name == pool], knows=knows)

    async def ask(self, pool: str, skus: Iterable[str], *, knows: bool) -> None:
        """Watch these too; a stream of events cannot be asked for more, it is begun anew."""
        keys = {(pool, sku) for sku in skus}
        self.wanted |= keys
        if self._socket is not None and keys:
            known = self._known(pool, keys, knows)
            await self._say(op="subscribe", ref=1, pool=pool, skus=sorted(sku for _, sku in keys), known=known)

    async def leave(self, pool: str, sku: str) -> None:
        self.wanted.discard((pool, sku))
        if self._socket is not None:
            await self._say(op="unsubscribe", ref=2, pool=pool, skus=[sku])

    async def show(self, token: str | None) -> None:
        """Widen or narrow what may be watched."""
        self.token = token
        if token is None:
            self.wanted = {key for key in self.wanted if key[0] != "vip"}
        if self._socket is not None:
            self._auths += 1
            await self._say(op="auth", token=token)

    async def drop(self) -> None:
        """Cut the connection; what was told stays known."""
        if self._socket is not None:
            self._socket.transport.abort()
        if self._hearing is not None:
            self._hearing.cancel()
            [ended] = await asyncio.gather(self._hearing, return_exceptions=True)
            if isinstance(ended, Exception):
                self.wrong.append(repr(ended))
        await self._exits.aclose()
        self._socket = self._hearing = None
        self._auths = 0

    def _known(self, pool: str, keys: Iterable[Key], knows: bool) -> dict[str, int]:
        return {key[1]: self.view[key][2] for key in sorted(keys) if knows and key[0] == pool and key in self.view}

    async def _say(self, **message: Any) -> None:
        check_said(message)
        assert self._socket is not None
        # Who was turned away asks when it comes again.
        with suppress(ConnectionClosed):
            await self._socket.send(json.dumps(message))

    def _was_turned_away(self) -> bool:
        return self._door is not None and self._door.was_away

    async def _hear(self) -> None:
        assert self._socket is not None
        revs = self._revs
        try:
            async for raw in self._socket:
                self._take(json.loads(raw), revs)
        except ConnectionClosedError as error:
            if not self._was_turned_away() or error.rcvd is None or error.rcvd.code != CloseCode.TRY_LATER:
                self.wrong.append(f"the door closed: {error}")

    async def _hear_events(self, door: OneDoor, known: dict[str, int]) -> None:
        revs = self._revs
        skus = tuple(sorted(sku for _, sku in self.wanted))
        try:
            async with door.live.follow(ANONYMOUS, Subscribe(ref=0, pool="online", skus=skus, known=known)) as events:
                assert events is not None
                async for event in events:
                    self._take(json.loads(event.removeprefix(b"data: ")), revs)
        except Unavailable:
            if not self._was_turned_away():
                raise

    def _take(self, heard: dict[str, Any], revs: dict[Key, int]) -> None:
        check_heard(heard)
        if heard["op"] == "authorized":
            self._auths -= 1
        elif heard["op"] == "error":
            self.wrong.append(f"was told {heard}")
        for it in heard.get("items", ()):
            key = it["pool"], it["sku"]
            told = it["available"], it["status"], it["rev"]
            if told[2] < revs.get(key, -1):
                self.wrong.append(f"{key} went back from {revs[key]} to {told}")
            revs[key] = told[2]
            if key[0] == "vip" and self.token is None and not self._auths:
                self.wrong.append(f"was told {key} without a token")
            held = self.view.get(key)
            if held is None or told[2] > held[2]:
                self.view[key] = told
            elif told[2] == held[2] and told != held:
                self.wrong.append(f"{key} is {held} and {told}")


async def settle(town: Town, clients: Sequence[Client]) -> None:
    """Let everything go on, and see that each client ends on what a fresh read says."""
    for door in town.doors:
        door.gate.set()
        door.stock.gate.set()
        door.find_redis()
    reader = HealedStock(town.client)
    fresh: dict[Key, Told] = {}
    for pool, sku in {key for client in clients for key in client.wanted}:
        [it] = await reader.read(pool, [sku])
        fresh[pool, sku] = it.available, it.status, it.rev

    def behind() -> list[str]:
        found = [(client.by_events, key, client.view.get(key)) for client in clients for key in client.wanted]
        return [f"{key}: {told}, but it is {fresh[key]}" for _, key, told in found if told != fresh[key]]

    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            while behind() or not all(client.is_connected for client in clients):
                for client in clients:
                    if not client.is_connected:
                        await client.come(town.doors[0], knows=True)
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(behind()) from None
    assert [wrong for client in clients for wrong in client.wrong] == []
    for door in town.doors:
        door.was_away = False


@asynccontextmanager
async def town_of(client: Redis, redis_url: str, until: Callable[[Callable[[], bool]], Any]) -> AsyncIterator[Town]:
    """Two open doors over an empty Redis."""
    await client.flushall()
    town = Town(client)
    # As a partition begins with its house.
    await town.begin_epoch(0)
    async with AsyncExitStack() as exits:
        for _ in range(2):
            tail_client = reading_client(redis_url)
            exits.push_async_callback(tail_client.aclose)
            door = OneDoor(town, tail_client)
            town.doors.append(door)
            await door.live.start("127.0.0.1", 0)
            exits.push_async_callback(door.live.stop)
        await until(lambda: all(door.live.is_following for door in town.doors))
        yield town
