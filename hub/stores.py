"""Redis and the ledger, opened for one hub: checked, made sure that they belong together, and what uses them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from time import time

import structlog
from redis.asyncio import Redis

from hub.adopting import Adopting
from hub.domain.articles import Catalogue
from hub.domain.entry import Entry, Seq
from hub.domain.rules import House
from hub.imports.comparing import Comparer
from hub.imports.pace import Pace
from hub.imports.running import Imports
from hub.imports.spool import Folder
from hub.imports.working import Worker
from hub.journal.backlog import Backlog
from hub.journal.reader import Tail, last_seq, reading_client
from hub.journal.trimming import Trimmer
from hub.journal.watermark import Watermark
from hub.ledger import checkpoints, set_aside, voided
from hub.ledger.checkpointing import Checkpointing
from hub.ledger.connection import Link
from hub.ledger.counting import Since
from hub.ledger.epochs import Epochs
from hub.ledger.lookup import Lookup
from hub.ledger.opening import LedgerState, open_ledger
from hub.ledger.rows import Booking as Posted
from hub.ledger.set_aside import SetAsideMemory
from hub.ledger.sources import SourceMemory, heard_in
from hub.ledger.sums import Sums
from hub.ledger.voided import Voided
from hub.ledger.writer import LedgerWriter
from hub.memories import Memories, asking
from hub.recovery.healing import Healing
from hub.recovery.left import Left
from hub.recovery.looking import Looking
from hub.recovery.losses import OwnLost
from hub.recovery.notes import NOTES
from hub.recovery.noting import Noting
from hub.recovery.process import Process
from hub.recovery.rebuilding import Rebuild
from hub.recovery.starting import Start
from hub.settings import Settings
from hub.stock import keys, sweep
from hub.stock.about_orders import AboutOrders
from hub.stock.allowances import Allowances
from hub.stock.batcher import Batcher
from hub.stock.behind import begin_run
from hub.stock.booking import Booking
from hub.stock.books import Books
from hub.stock.connecting import client_of
from hub.stock.counting import Closer
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.describing import Describing
from hub.stock.earlier import Earlier
from hub.stock.held import Held
from hub.stock.inspecting import Inspection
from hub.stock.kernel import Kernel
from hub.stock.reads import Reads
from hub.stock.requesting import Requests
from hub.stock.requirements import check_redis
from hub.stock.server_run import ServerRun
from hub.stock.sweep import Sweep
from hub.stock.waits import Waits
from hub.telemetry import Metrics
from hub.verify import sampling
from hub.verify.looking import Running
from hub.verify.sampling import Sampling
from hub.watching.expiry import ExpiryWatch
from hub.watching.set_aside import SetAsideWatch
from hub.watching.sources import SourceWatch
from hub.watching.waits import WaitsWatch
from hub.webhooks.booking import Stock
from hub.webhooks.opening import open_webhooks

log = structlog.get_logger()


class Stores:
    """Both stores, checked and opened for one hub, and what reads and writes them."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._limits = settings.limits
        self._metrics = metrics
        self.watermark = Watermark()

    @property
    def house(self) -> House:
        """The house of now; ask each time, because it is exchanged while the hub runs."""
        return self.current.house

    async def open(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> None:
        """Check both servers, make sure that they belong together, and bind this process to them.

        Raises:
            ServerRefused: a server is not fit, or Redis and the ledger do not belong together.
            Unavailable: a server does not answer.
        """
        await self._bind(exits, redis_url, dsn)
        reader = self._reader
        self.batcher = self._batcher()
        self.describing = Describing(self.batcher, self.described)
        self.adopting = Adopting(reader, self.current, self.described, self.describing)
        self.reads = Reads(reader, self.kernel, self.batcher, self.current, self.described)
        self.held = Held(reader, self.kernel)
        self.requests = Requests(self.held, self.batcher, self.described)
        on_expired = self._metrics.reservations_expired.inc
        self.expiry = ExpiryWatch(self.held.due, expire=self.requests.expire, on_expired=on_expired)
        self.sweep = Sweep(reader, self.kernel, self.reads)
        self.current.listeners.append(self.sweep.begin)
        exits.push_async_callback((since := Since(Link(dsn, "counts"))).aclose)
        self.closer = Closer(self._client(exits, redis_url), self.batcher, self.watermark, since, self.reads.refresh)
        self.healing = self._healing()
        await self.healing.company.note(self.kernel.epoch)
        self.booking = self._booking(exits, reader, dsn)
        self.memories = Memories(dsn, exits, self._metrics)
        self.sources, self.set_aside = self._sources(exits, dsn), self._set_aside(exits, dsn)
        self.sampling = self._sampling(exits, dsn)
        self.waits = WaitsWatch(Waits(reader, self.batcher, lambda: max(self.kernel.booked_at_ms, int(time() * 1000))))
        self.imports, self.writer = self._imports(exits, redis_url, dsn), self._writer(exits, redis_url, dsn)
        stock = Stock(self.booking, self.describing, self.described, self.current, self.reads, self.watermark)
        self.allowances = Allowances(reader)
        self.webhooks = open_webhooks(self._settings, stock, self.memories, self._metrics.parties, self.allowances)
        self.writer.on_halted, self.healing.on_healed = self.healing.look_soon, self._note_healed
        self.checkpointing = self._checkpointing(dsn)
        self._live_client = reading_client(redis_url)
        exits.push_async_callback(self._live_client.aclose)

    async def _bind(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> None:
        """Bind this process to the partition, which is healed first where Redis lacks what the ledger has."""
        self._run, self._any_run = ServerRun(), self._client(exits, redis_url, any_run=True)
        log.info("redis", server=await check_redis(self._any_run))
        ledger = await self._open_ledger(dsn)
        self.kernel = Kernel(self._client(exits, redis_url))
        self.epochs = Epochs(Link(dsn, "epochs"))
        exits.push_async_callback(self.epochs.aclose)
        self._rebuild = Rebuild(self._any_run, dsn)
        folder, on_lost = self._settings.hub.data_dir / NOTES, self._metrics.answers_lost.inc
        self._left = Left(folder, self.epochs, on_lost)
        start = Start(self._any_run, self._run, self.epochs, self._rebuild, self._left, on_lost)
        ledger = await start.heal(ledger, lambda: self._open_ledger(dsn))
        self._reader = reader = self._client(exits, redis_url)
        self.described = Described(reader, Catalogue())
        await self.described.load()
        self.current = CurrentHouse(reader, self.kernel, self.described.catalogue)
        await self.current.open(ledger.hub, ledger.epoch, self._settings.house, create=ledger.empty)
        await begin_run(self._any_run, ledger.hub, ledger.epoch, start.run)
        self.noting = Noting(folder, self.epochs.process, self.kernel, self.watermark)
        exits.callback(self.noting.close)
        self.watermark.before_late, self.watermark.calls = self.noting.note, lambda: self.kernel.answered.calls
        await self.epochs.present(ledger.epoch)
        self.backlog = Backlog(reader, keys.JOURNAL, self._limits.journal_bytes_max)
        await self.backlog.look()

    def _batcher(self) -> Batcher:
        return Batcher(
            self.kernel,
            self.current,
            weight_max=self._limits.batch_weight_max,
            waiting_weight_max=self._limits.waiting_weight_max,
            on_call=self._metrics.kernel_called,
            full_because=lambda: self.backlog.full_because,
        )

    async def _heal(self, answered: Seq | None, epoch: int, own_lost: OwnLost) -> None:
        await self._rebuild.run(self.kernel.hub, answered=answered, seen_epoch=epoch, own_lost=own_lost)

    def _healing(self) -> Healing:
        self.looking = Looking(self._any_run, self._run, self.kernel, self.watermark)
        return Healing(
            Process(self.looking, self.kernel, self.current, self.described, self.closer, self.watermark),
            self.epochs,
            heal=self._heal,
            tell=lambda fact: self.batcher.submit([fact]),
            on_lost=self._metrics.answers_lost.inc,
            on_looked=self._tidy_notes,
        )

    async def _tidy_notes(self, epoch: int) -> None:
        await self._left.settle(epoch, self.watermark)
        await self.noting.tidy()

    def hear(self, entry: Entry) -> None:
        """Take what a journal entry says about the house; for whoever follows the journal."""
        if entry.kind == "rules":
            self.current.note_news()
        elif entry.kind == "sku":
            self.described.hear(entry)

    def _client(self, exits: AsyncExitStack, url: str, *, any_run: bool = False) -> Redis:
        client = client_of(url, self._limits.redis_timeout_seconds, None if any_run else self._run)
        exits.push_async_callback(client.aclose)
        return client

    def _booking(self, exits: AsyncExitStack, reader: Redis, dsn: str) -> Booking:
        exits.push_async_callback((lookup := Lookup(Link(dsn, "lookup"))).aclose)
        voids = Voided(asking(exits, dsn, "voids", voided.DEADLINE_SECONDS))
        earlier = Earlier(reader, self.kernel, lambda: self.current.house, lookup, voids, AboutOrders(self.held))
        return Booking(self.kernel, self.batcher, lookup, earlier, self.described, self.closer.note_opened)

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
            Link(dsn, "writer", only_adds=True),
            partial(Tail, client, keys.JOURNAL),
            self.watermark,
            entries_per_batch_max=self._limits.ledger_batch_max,
            on_posted=self._note_posted,
            trim=Trimmer(client, journal=keys.JOURNAL, meta=keys.META, seen=keys.seen, ahead=keys.AHEAD),
        )

    def _checkpointing(self, dsn: str) -> Checkpointing:
        return Checkpointing(
            Link(dsn, "checkpoint", command_seconds=checkpoints.COMMAND_SECONDS),
            booked_until_ms=lambda: self.writer.booked_until_ms,
            # What nobody was told of yet is more urgent.
            is_busy=lambda: self.writer.lag_entries > self._limits.ledger_batch_max,
        )

    def _set_aside(self, exits: AsyncExitStack, dsn: str) -> SetAsideWatch:
        memory = SetAsideMemory(asking(exits, dsn, "set aside", set_aside.DEADLINE_SECONDS))
        house_name, epoch = self.described.catalogue.sku, lambda: self.kernel.epoch
        return SetAsideWatch(memory, book=self.booking.book, house_name=house_name, epoch=epoch)

    def _sampling(self, exits: AsyncExitStack, dsn: str) -> Sampling:
        sums = Sums(Link(dsn, "sampling"))
        exits.push_async_callback(sums.aclose)
        running = Running(self.kernel, self.current, self.described, self.watermark)
        tell, note = (lambda fact: self.batcher.submit([fact])), self._metrics.verify_sampled.inc
        pace = sampling.Pace.of(self._limits.verify_percent)
        return Sampling(Inspection(self._reader), sums, running, raise_alert=tell, on_sampled=note, pace=pace)

    def _note_healed(self) -> None:
        self.writer.look_again()
        # What it told may be lost with the epoch that ended.
        self.set_aside.note()

    def _note_posted(self, posted: Sequence[Posted]) -> None:
        self.sources.hear(heard_in(posted))
        self.sampling.hear(posted)
        if any(booking.doubled or booking.poison for booking in posted):
            self.set_aside.note()

    def _imports(self, exits: AsyncExitStack, redis_url: str, dsn: str) -> Imports:
        since = Since(Link(dsn, "imports"))
        exits.push_async_callback(since.aclose)
        folder, pace = Folder(self._settings.hub.data_dir / "imports"), Pace(sweep.SHARE)
        comparer = Comparer(Books(self._client(exits, redis_url), self.kernel), self.watermark, since, pace)
        worker = Worker(folder, lambda: self.house, comparer, self.booking, self.closer, self.reads, pace, self.batcher)
        imports = Imports(folder, lambda: self.house, worker)
        imports.open()
        return imports

    def _sources(self, exits: AsyncExitStack, dsn: str) -> SourceWatch:
        memory = SourceMemory(Link(dsn, "sources"))
        exits.push_async_callback(memory.aclose)
        return SourceWatch(
            memory,
            raise_alert=lambda fact: self.batcher.submit([fact]),
            on_stale=lambda sources: self.current.set_stale_sources(set(sources)),
            stated_seconds=lambda: self.house.silent_seconds,
            held_stale=lambda: self.house.document.stale_sources,
            # Who was heard is known as far as the ledger follows.
            clock=lambda: time() if self.ledger_lag() == 0 else self.writer.booked_until_ms / 1000,
        )

    def ledger_lag(self) -> int:
        """Entries that this process was answered and the ledger does not have yet."""
        at = self.watermark.at
        return self.kernel.floor - (at.number + 1 if at is not None and at.epoch == self.kernel.epoch else 0)

    async def tail_from_now(self) -> Tail:
        """A tail for screens, from the journal's present end."""
        end = await last_seq(self._live_client, keys.JOURNAL)
        return self.looking.follow(Tail(self._live_client, keys.JOURNAL, end))
