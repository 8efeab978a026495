"""Redis and the ledger, opened for one hub: checked, made sure that they belong together, and what uses them."""

from contextlib import AsyncExitStack
from functools import partial

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from hub.domain.rules import House
from hub.faults import ServerRefused
from hub.imports.comparing import Comparer
from hub.imports.pace import Pace
from hub.imports.running import Imports
from hub.imports.spool import Folder
from hub.imports.working import Worker
from hub.journal.reader import Tail, last_seq, reading_client
from hub.journal.trimming import Trimmer
from hub.journal.watermark import Watermark
from hub.ledger.connection import Link
from hub.ledger.counting import Since
from hub.ledger.lookup import Lookup
from hub.ledger.opening import LedgerState, open_ledger
from hub.ledger.writer import LedgerWriter
from hub.settings import Settings
from hub.stock import keys
from hub.stock.batcher import Batcher
from hub.stock.booking import Booking
from hub.stock.books import Books
from hub.stock.counting import Closer
from hub.stock.kernel import Kernel
from hub.stock.reads import BULK_SHARE, Reads
from hub.stock.requirements import check_redis
from hub.telemetry import Metrics

log = structlog.get_logger()

# Of one client; Redis answers in turn anyway.
REDIS_CONNECTIONS_MAX = 16


class Stores:
    """Both stores, checked and opened for one hub, and what reads and writes them."""

    def __init__(self, settings: Settings, house: House, metrics: Metrics) -> None:
        self._limits = settings.limits
        self._data_dir = settings.hub.data_dir
        self._metrics = metrics
        self.house = house
        self.watermark = Watermark()

    async def open(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> None:
        """Check both servers, make sure that they belong together, and bind this process to them.

        Raises:
            ServerRefused: a server is not fit, or Redis and the ledger do not belong together.
            Unavailable: a server does not answer.
        """
        client = self._client(exits, redis_url)
        log.info("redis", server=await check_redis(client))
        ledger = await self._open_ledger(dsn)
        self.kernel = Kernel(client)
        await self.kernel.open(ledger.hub, ledger.epoch, self.house, create=ledger.empty)
        if ledger.cursor is not None and ledger.cursor.number >= self.kernel.floor:
            raise ServerRefused(
                f"Redis is behind the ledger, which already has {ledger.cursor}: rebuild Redis from the ledger, or "
                "give back its newer data folder"
            )
        self.batcher = Batcher(
            self.kernel,
            self.house,
            weight_max=self._limits.batch_weight_max,
            waiting_weight_max=self._limits.waiting_weight_max,
            on_call=self._metrics.kernel_called,
        )
        self.reads = Reads(self._client(exits, redis_url), self.kernel, self.batcher)
        lookup = Lookup(Link(dsn, "lookup"))
        exits.push_async_callback(lookup.aclose)
        since = Since(Link(dsn, "counts"))
        exits.push_async_callback(since.aclose)
        self.closer = Closer(self._client(exits, redis_url), self.batcher, self.watermark, since)
        self.booking = Booking(self.kernel, self.batcher, lookup, self.closer.note_opened)
        self.imports = self._imports(exits, redis_url, dsn)
        self.writer = self._writer(exits, redis_url, dsn)
        self._live_client = reading_client(redis_url)
        exits.push_async_callback(self._live_client.aclose)

    def _client(self, exits: AsyncExitStack, url: str) -> Redis:
        pool = BlockingConnectionPool.from_url(
            url,
            # Reads beyond so many at once wait for a connection; the usual pool would refuse them.
            max_connections=REDIS_CONNECTIONS_MAX,
            timeout=self._limits.redis_timeout_seconds,
            socket_timeout=self._limits.redis_timeout_seconds,
            socket_connect_timeout=2.0,
            # A retry by the client would sell twice: after a timeout the script may have run.
            retry=Retry(NoBackoff(), 0),
        )
        client = Redis.from_pool(pool)
        exits.push_async_callback(client.aclose)
        return client

    async def _open_ledger(self, dsn: str) -> LedgerState:
        link = Link(dsn, "opening")
        try:
            async with link.use("The ledger cannot be opened") as connection:
                state = await open_ledger(connection)
                log.info("ledger", server=state.server)
                return state
        finally:
            await link.aclose()

    def _writer(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> LedgerWriter:
        client = reading_client(redis_url)
        exits.push_async_callback(client.aclose)
        return LedgerWriter(
            Link(dsn, "writer"),
            partial(Tail, client, keys.JOURNAL),
            self.watermark,
            entries_per_batch_max=self._limits.ledger_batch_max,
            trim=Trimmer(client, journal=keys.JOURNAL, meta=keys.META, seen=keys.seen, ahead=keys.AHEAD),
        )

    def _imports(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> Imports:
        since = Since(Link(dsn, "imports"))
        exits.push_async_callback(since.aclose)

        def house() -> House:
            return self.house

        folder, pace = Folder(self._data_dir / "imports"), Pace(BULK_SHARE)
        comparer = Comparer(Books(self._client(exits, redis_url), self.kernel), self.watermark, since, pace)
        worker = Worker(folder, house, comparer, self.booking, self.closer, self.reads, pace, self.batcher)
        imports = Imports(folder, house, worker)
        imports.open()
        return imports

    def ledger_lag(self) -> int:
        """Entries that this process was answered and the ledger does not have yet."""
        at = self.watermark.at
        return self.kernel.floor - (at.number + 1 if at is not None and at.epoch == self.kernel.epoch else 0)

    async def tail_from_now(self) -> Tail:
        """A tail for screens, from the journal's present end."""
        return Tail(self._live_client, keys.JOURNAL, await last_seq(self._live_client, keys.JOURNAL))
