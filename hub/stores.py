"""Redis and the ledger, opened for one hub: checked, made sure that they belong together, and what uses them."""

from contextlib import AsyncExitStack
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from hub.domain.rules import House
from hub.faults import ServerRefused
from hub.journal.reader import Tail, last_seq, reading_client
from hub.journal.trimming import Trimmer
from hub.journal.watermark import Watermark
from hub.ledger.connection import Link
from hub.ledger.lookup import Lookup
from hub.ledger.opening import LedgerState, open_ledger
from hub.ledger.requirements import check_postgres
from hub.ledger.writer import LedgerWriter
from hub.settings import Settings
from hub.stock import keys
from hub.stock.batcher import Batcher
from hub.stock.booking import Booking
from hub.stock.kernel import Kernel
from hub.stock.reads import Reads
from hub.stock.requirements import check_redis
from hub.telemetry import Metrics

log = structlog.get_logger()


class Stores:
    """Both stores, checked and opened for one hub, and what reads and writes them."""

    def __init__(self, settings: Settings, house: House, metrics: Metrics) -> None:
        self._limits = settings.limits
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
        self.booking = Booking(self.kernel, self.batcher, lookup)
        self.writer = self._writer(exits, redis_url, dsn)
        self._live_client = reading_client(redis_url)
        exits.push_async_callback(self._live_client.aclose)

    def _client(self, exits: AsyncExitStack, url: str) -> Redis:
        # A retry by the client would sell twice: after a timeout the script may have run.
        client = Redis.from_url(
            url,
            socket_timeout=self._limits.redis_timeout_seconds,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
        )
        exits.push_async_callback(client.aclose)
        return client

    async def _open_ledger(self, dsn: str) -> LedgerState:
        link = Link(dsn, "opening")
        try:
            async with link.use("The ledger cannot be opened") as connection:
                log.info("ledger", server=await check_postgres(connection))
                return await open_ledger(connection)
        finally:
            await link.aclose()

    def _writer(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> LedgerWriter:
        client = reading_client(redis_url)
        exits.push_async_callback(client.aclose)
        return LedgerWriter(
            Link(dsn, "writer"),
            partial(Tail, client, keys.JOURNAL),
            self.watermark,
            trim=Trimmer(client, journal=keys.JOURNAL, meta=keys.META, seen=keys.seen, ahead=keys.AHEAD),
        )

    async def tail_from_now(self) -> Tail:
        """A tail for screens, from the journal's present end."""
        return Tail(self._live_client, keys.JOURNAL, await last_seq(self._live_client, keys.JOURNAL))
