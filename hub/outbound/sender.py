"""One channel: what its pool shows told to its target, the newest numbers only.

The process that holds the channel's lock tells it. It follows the journal, and where something may have been missed it
compares all that the pool shows with what the target is known to have.
"""

import asyncio
from collections.abc import Iterable
from time import monotonic
from typing import Protocol

import structlog

from hub.domain.channels import ChannelNote
from hub.domain.offers import Offers, Remembered
from hub.domain.pools import REVS_PER_EPOCH, Status, View
from hub.faults import Fault
from hub.outbound.means import Means
from hub.patience import Trouble, news_within
from hub.settings.tree import Channel

log = structlog.get_logger()

# How often a process tries to be the one that tells, and the one that does writes down how it is.
LOOK_SECONDS = 2.0
# What comes within this goes into one round.
TICK_SECONDS = 0.05
# Reading all that a pool shows takes at most a part of the time.
READING_SHARE = 0.5


class Target(Protocol):
    """What is told: a shop or a file."""

    @property
    def circuit(self) -> str:
        """How it is, in a word: `closed`, `open` or `file`."""

    @property
    def why(self) -> str:
        """What keeps it from being told, or did last."""

    async def begin(self) -> Iterable[Remembered]:
        """Begin anew; what it has besides what the ledger remembers."""

    async def tell(self, offers: Offers) -> bool:
        """Tell some of what is due; whether there may be more at once. Raises Fault: a store did not answer."""

    def quiet_until(self, offers: Offers) -> float:
        """Before then nothing is told, whatever comes; 0: it may be at once. By the clock."""

    def next_at(self, offers: Offers) -> float:
        """When something is due that is not now; 0: nothing is. By the clock."""

    def look_again(self) -> None:
        """An operator wants things tried again."""


class Sender:
    """Tells one channel, where no other process does."""

    def __init__(self, channel: Channel, target: Target, means: Means) -> None:
        self.channel = channel
        self.pool = channel.pool
        self._target = target
        self._means = means
        # None: another process tells it, or the ledger is away.
        self._offers: Offers | None = None
        self._must_compare = True
        self._news = asyncio.Event()
        self._version = 0
        self._looked_at = 0.0
        self._is_drifting = False

    async def run(self) -> None:
        """Tell until cancelled."""
        trouble = Trouble("a channel is not told for now", "a channel is told again")
        while True:
            try:
                if await self._means.memory.hold(self.channel.id):
                    await self._work(trouble)
            except Fault as fault:
                trouble.note(fault, channel=self.channel.id)
            except Exception:
                log.exception("a channel met a defect", channel=self.channel.id)
            finally:
                self._means.following.remove(self)
                self._offers = None
            await asyncio.sleep(LOOK_SECONDS * (0.5 + self._means.jitter() / 2))

    def hear(self, sku: str, view: View, epoch: int) -> None:
        """The pool shows another value."""
        if self._offers is not None and view.available >= 0:
            is_low = view.status == Status.low_stock
            self._offers.show(sku, view.available, view.rev(epoch), self._means.clock(), is_low=is_low)
            self._news.set()

    def compare(self) -> None:
        """Read all that the pool shows again."""
        self._must_compare = True
        self._news.set()

    def reading(self) -> tuple[ChannelNote, int, float] | None:
        """How the channel is, how much of it is dead, and for how long the oldest waits; None: another tells it."""
        if self._offers is None:
            return None
        note = self._note(self._offers)
        return note, len(self._offers.dead), max(0.0, self._means.clock() - note.oldest) if note.oldest else 0.0

    def _note(self, offers: Offers) -> ChannelNote:
        return ChannelNote(
            waiting=offers.waiting,
            oldest=offers.oldest,
            drifting=len(offers.drifting),
            circuit=self._target.circuit,
            why=self._target.why,
        )

    async def _work(self, trouble: Trouble) -> None:
        """Tell until a fault: the lock may be another's then."""
        id, offers = self.channel.id, Offers(self.channel.keep_back)
        self._version = await self._means.memory.opened(id, self.channel.target)
        behind = ""
        while rows := await self._means.memory.rows(id, behind):
            offers.remember(rows, self._means.clock())
            behind = rows[-1].sku
        offers.remember(await self._target.begin(), self._means.clock())
        self._offers, self._must_compare, self._looked_at = offers, True, 0.0
        self._means.following.add(self)
        while True:
            if monotonic() >= self._looked_at + LOOK_SECONDS:
                await self._look(offers)
            is_following = self._means.following.is_following
            if self._must_compare and is_following:
                self._must_compare = False
                await self._compare(offers)
            # What was heard before may be outdated while the journal is not followed.
            if not is_following or self._must_compare or not await self._tell(offers):
                await self._idle(offers)
            trouble.note_over()

    async def _tell(self, offers: Offers) -> bool:
        is_quiet = self._means.clock() < self._target.quiet_until(offers)
        return not is_quiet and await self._target.tell(offers)

    async def _look(self, offers: Offers) -> None:
        """Write down how the channel is, and see what an operator wants tried again."""
        id, now = self.channel.id, self._means.clock()
        version = await self._means.memory.note(id, self._note(offers), now)
        if version != self._version:
            self._version = version
            given_up = [each.sku for each in offers if each.known.state != "live"]
            for row in await self._means.memory.alive(id, given_up):
                offers.revive(row.sku, now)
            self._target.look_again()
        self._looked_at = monotonic()
        if bool(offers.drifting) == self._is_drifting:
            return
        self._is_drifting = bool(offers.drifting)
        if self._is_drifting:
            log.warning("somebody else sets what a vendor has, again and again", channel=id, sku=min(offers.drifting))
        else:
            log.info("nobody else sets what a vendor has any more", channel=id)

    async def _compare(self, offers: Offers) -> None:
        """Compare all that the pool shows with what the target has."""
        cursor, is_first = 0, True
        while cursor or is_first:
            began, is_first = monotonic(), False
            cursor, skus = await self._means.reads.walk.stretch(cursor)
            for item in await self._means.reads.read(self.pool, skus) if skus else ():
                # What the pool never showed is nothing that it knows: a shop keeps its number until then.
                if item.available is not None and item.rev % REVS_PER_EPOCH:
                    is_low = item.status == Status.low_stock.word
                    offers.show(item.sku, item.available, item.rev, self._means.clock(), is_low=is_low)
            await asyncio.sleep((monotonic() - began) * (1 / READING_SHARE - 1))
        if offers.left_out:
            log.error("a channel has no room for so many SKUs", channel=self.channel.id, left_out=offers.left_out)
            offers.left_out = 0

    async def _idle(self, offers: Offers) -> None:
        """Wait until there may be something to do, or to look at."""
        now = self._means.clock()
        blocked = self._target.quiet_until(offers) - now
        if blocked > 0:
            await asyncio.sleep(min(blocked, LOOK_SECONDS))
            return
        next_at = self._target.next_at(offers)
        seconds = min(LOOK_SECONDS, next_at - now) if next_at else LOOK_SECONDS
        await news_within(self._news, max(TICK_SECONDS, seconds))
        await asyncio.sleep(TICK_SECONDS)
