"""The house this process works by: one place that everybody asks, exchanged whole when the partition holds another.

The partition's document is the truth; this is a copy. Whoever finds that the partition has moved on (`stale_rules`,
another token in `meta`) calls `catch_up` and goes on with the same work; nothing is refused for it.
"""

import asyncio
from collections.abc import Callable
from time import time
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub.domain.articles import Catalogue
from hub.domain.catalogue import HouseSettings
from hub.domain.document import HouseDocument, decode_document, document_of, next_boundary_ms
from hub.domain.rules import House
from hub.faults import Fault, Unavailable
from hub.patience import Trouble, attempts, news_within
from hub.stock import keys
from hub.stock.kernel import Kernel

log = structlog.get_logger()

# The longest wait for a boundary, and for news that nobody brought; in seconds.
WATCH_SECONDS = 2.0
CHANGED_TOO_FAST = "the house is changed faster than it can be adopted"

Change = Callable[[HouseDocument], HouseDocument]


class _Held(NamedTuple):
    """What the partition holds, and Redis's clock."""

    token: str
    rules_version: int
    digest: str
    document: HouseDocument | None
    now_ms: int


class CurrentHouse:
    """The house as the partition holds it. Call `open` once before anything else."""

    def __init__(self, client: Redis, kernel: Kernel, catalogue: Catalogue) -> None:
        self._client = client
        self._kernel = kernel
        self.catalogue = catalogue
        self.house: House
        # Of the document that `house` was made from.
        self.token = ""
        # Told, without waiting, after each exchange.
        self.listeners: list[Callable[[], None]] = []
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()

    async def open(self, hub: UUID, epoch: int, settings: HouseSettings, *, create: bool) -> None:
        """Bind this process to its partition, and make the settings the partition's where they say something else.

        Raises:
            ServerRefused: the partition is missing, belongs to another hub or epoch, or is halted.
            SettingsInvalid: the house is too large.
            Unavailable: Redis did not answer.
        """
        for _ in attempts():
            held = await self._read(strict=False)
            house = self._house(settings, held)
            if held.document is not None and self._is_held(house, held):
                house = House.of(held.document, self.catalogue)
            if await self._kernel.open(hub, epoch, house, create=create, instead_of=held.token):
                self.house, self.token = house, house.document.token()
                return
        raise Unavailable(CHANGED_TOO_FAST)

    async def reopen(self, hub: UUID, epoch: int) -> None:
        """Bind this process to its partition as it was healed, and take the house that it holds.

        Raises:
            ServerRefused: the partition is missing, belongs to another hub or epoch, or is halted.
            Unavailable: Redis did not answer, or what it holds is no house of this version.
        """
        async with self._turn:
            for _ in attempts():
                held = await self._read()
                assert held.document is not None
                house = House.of(held.document, self.catalogue)
                if await self._kernel.open(hub, epoch, house, create=False, instead_of=held.token):
                    self._exchange(house, held.token)
                    return
        raise Unavailable(CHANGED_TOO_FAST)

    async def adopt_settings(self, settings: HouseSettings) -> bool:
        """Make these settings the partition's; False where it holds them already.

        Raises:
            SettingsInvalid: the house is too large.
            ServerRefused: the partition is halted, or not this hub's any more.
            Unavailable: Redis did not answer; whether they were taken is unknown.
        """
        return await self._adopt(lambda held: document_of(settings, held.active_at_ms, held.stale_sources))

    def tried(self, settings: HouseSettings) -> House:
        """The house that these settings would make now, by this machine's clock; nothing changes."""
        held = self.house.document
        active_at_ms = max(held.active_at_ms, int(time() * 1000))
        return House.of(document_of(settings, active_at_ms, held.stale_sources), self.catalogue)

    async def set_stale_sources(self, sources: set[str]) -> bool:
        """Say which sources have been silent for too long; False where the partition knows it already.

        Raises:
            Fault: as `adopt_settings`.
        """
        stale = tuple(sorted(sources))
        return await self._adopt(lambda held: msgspec.structs.replace(held, stale_sources=stale))

    async def catch_up(self) -> bool:
        """Take the house that the partition holds; False where this process has it already.

        Raises:
            Unavailable: Redis did not answer, or what it holds is no house of this version.
        """
        async with self._turn:
            return self._take(await self._read())

    def note_news(self) -> None:
        """Somebody heard that the house changed: look soon."""
        self._news.set()

    async def watch(self) -> None:
        """For ever: hear of changes by other processes, and put rules into force when their time comes."""
        trouble = Trouble("the house cannot be watched", "the house is watched again")
        while True:
            try:
                wait_seconds = await self._look()
                trouble.note_over()
            except Fault as fault:
                # A store that is away or refuses is somebody else's to end the hub for.
                trouble.note(fault)
                wait_seconds = WATCH_SECONDS
            await news_within(self._news, wait_seconds)

    async def _look(self) -> float:
        """Do what is due; returns how long nothing will be, in seconds, as far as anybody knows."""
        token, now_ms = await self._glance()
        if token != self.token:
            await self.catch_up()
        document = self.house.document
        due_ms = next_boundary_ms(document.settings.rules, document.active_at_ms)
        if due_ms is None:
            return WATCH_SECONDS
        if due_ms <= now_ms:
            await self._adopt(lambda held: held)
            log.info("rules came into force or ended", rules_version=self._kernel.rules_version)
            return 0
        return min(WATCH_SECONDS, (due_ms - now_ms) / 1000)

    async def _adopt(self, change: Change) -> bool:
        async with self._turn:
            for _ in attempts():
                held = await self._read()
                assert held.document is not None
                wanted = change(held.document)
                house = self._house(wanted.settings, held, wanted.stale_sources)
                if self._is_held(house, held) and not self._passes_boundary(held):
                    self._take(held)
                    return False
                if await self._kernel.adopt(house, held.token):
                    self._exchange(house, house.document.token())
                    return True
        raise Unavailable(CHANGED_TOO_FAST)

    def _house(self, settings: HouseSettings, held: _Held, stale_sources: tuple[str, ...] | None = None) -> House:
        """The settings as of now by Redis's clock; what was in force once is looked at no earlier."""
        before = held.document
        active_at_ms = held.now_ms if before is None else max(held.now_ms, before.active_at_ms)
        if stale_sources is None:
            stale_sources = () if before is None else before.stale_sources
        return House.of(document_of(settings, active_at_ms, stale_sources), self.catalogue)

    @staticmethod
    def _is_held(house: House, held: _Held) -> bool:
        assert held.document is not None
        return house.digest == held.digest and house.document.says_the_same(held.document)

    @staticmethod
    def _passes_boundary(held: _Held) -> bool:
        """Whether a time came at which a rule begins or ends, though nothing else follows from it.

        The document must say so nevertheless, or its next boundary would be due for ever.
        """
        assert held.document is not None
        due_ms = next_boundary_ms(held.document.settings.rules, held.document.active_at_ms)
        return due_ms is not None and due_ms <= held.now_ms

    def _take(self, held: _Held) -> bool:
        """Work by what the partition holds; False where this process does."""
        if (held.token, held.rules_version) == (self.token, self._kernel.rules_version):
            return False
        assert held.document is not None
        self._kernel.rules_version = held.rules_version
        self._exchange(House.of(held.document, self.catalogue), held.token)
        return True

    def _exchange(self, house: House, token: str) -> None:
        is_another = token != self.token
        self.house, self.token = house, token
        # A new epoch has the same house.
        if is_another:
            log.info("another house", rules_version=self._kernel.rules_version)
        for tell in self.listeners:
            tell()

    async def _glance(self) -> tuple[str, int]:
        try:
            async with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hget(keys.META, "document")
                pipeline.time()
                token, clock = await pipeline.execute()
        except RedisError as error:
            raise Unavailable("Redis does not tell which house it holds") from error
        return (token or b"").decode(), _ms(clock)

    async def _read(self, *, strict: bool = True) -> _Held:
        """What the partition holds, in one step; unless strict, no house or an unreadable one is none."""
        try:
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.hmget(keys.META, ["document", "rules", "house"])
                pipeline.get(keys.HOUSE)
                pipeline.time()
                (token, rules, digest), packed, clock = await pipeline.execute()
        except RedisError as error:
            raise Unavailable("Redis does not tell which house it holds") from error
        document: HouseDocument | None = None
        try:
            document = decode_document(packed) if packed is not None and token is not None else None
        except msgspec.MsgspecError as error:
            if strict:
                raise Unavailable("the partition holds a house of another version of the hub", 5) from error
        if strict and document is None:
            raise Unavailable("Redis has lost the hub's house", 5)
        return _Held((token or b"").decode(), int(rules or 0), (digest or b"").decode(), document, _ms(clock))


def _ms(clock: Any) -> int:
    """What Redis's TIME says, in UTC milliseconds."""
    seconds, microseconds = clock
    return int(seconds) * 1000 + int(microseconds) // 1000
