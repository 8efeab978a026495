"""Watch over the partition: when Redis lacks what was booked, have it healed, and work on in the new epoch.

The path of one loss: Redis comes back empty, older or as another → the kernel takes nothing, reads are refused → it is
healed from the ledger, by whichever process is first → this process takes the new epoch, its house and its SKUs → what
it had been answered and nobody has any more is told, with who sent it. Screens get all they watch again, because every
`rev` is higher.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from hub.domain.entry import Seq
from hub.domain.standing import HEALING, Meta, Standing, standing
from hub.faults import Fault, Unavailable
from hub.ledger.epochs import Epochs, Present
from hub.patience import Trouble, news_within
from hub.recovery.company import Company
from hub.recovery.losses import OwnLost
from hub.recovery.own_losses import OwnLosses, Tell
from hub.recovery.process import Process

log = structlog.get_logger()

# How often both stores are looked at while nobody notices anything.
LOOK_SECONDS = 1.0
# Between two looks while others may be healing this Redis.
BESIDE_SECONDS = 0.1

_WHY = {
    Standing.OLDER: "another hub works in a newer epoch: this Redis was replaced, and takes nothing",
    Standing.NEWER: "the ledger is of an older epoch than Redis: it was restored from a copy that is too old",
    Standing.FOREIGN: "Redis holds the stock of another hub",
}


async def nothing_more(epoch: int) -> None:
    """Nobody waits for a look."""


class Healing:
    """The watch of one process. `run` beside everything else."""

    def __init__(
        self,
        process: Process,
        epochs: Epochs,
        *,
        heal: Callable[[Seq | None, int, OwnLost], Awaitable[None]],
        tell: Tell,
        on_lost: Callable[[int], None] = lambda entries: None,
        on_looked: Callable[[int], Awaitable[None]] = nothing_more,
    ) -> None:
        self._process = process
        self._epochs = epochs
        # Heals Redis unless somebody did, given the last place that this process was answered, the ledger's epoch, and
        # who says what this process lost by that.
        self._heal = heal
        self.losses = OwnLosses(process, epochs, tell, on_lost)
        # Done at the end of each look, given the ledger's epoch.
        self._on_looked = on_looked
        # Told once this process works in the new epoch.
        self.on_healed: Callable[[], None] = lambda: None
        self._is_waiting = False
        self.company = Company(epochs)
        self._closed = asyncio.Event()
        self._trouble = Trouble("the partition cannot be healed", "the partition was looked after, or needs it no more")
        process.kernel.on_closed = self.look_soon

    def look_soon(self) -> None:
        """Look at once: somebody noticed something."""
        self._closed.set()

    async def run(self) -> None:
        """Watch until cancelled; stores that are away are waited for."""
        while True:
            await news_within(self._closed, LOOK_SECONDS)
            try:
                await self.look()
                self._trouble.note_over()
            except Unavailable as fault:
                # A store that is away heals by coming back.
                log.debug("the partition cannot be looked at", reason=str(fault))
            except Fault as fault:
                self._trouble.note(fault)

    async def look(self) -> None:
        """Find out where Redis stands, and do what follows.

        Raises:
            Unavailable: a store does not answer.
            ServerRefused: somebody has to do something about a store.
        """
        kernel, looking = self._process.kernel, self._process.looking
        # What is answered while Redis is asked it need not have told.
        known = looking.known()
        # Redis first: an epoch is raised in the ledger first.
        meta = await self._meta(known)
        try:
            present = await self._epochs.present(kernel.epoch)
        except Unavailable:
            self._note_waiting(meta)
            raise
        self._note_waited()
        found = standing(meta, kernel.hub, present.epoch, known)
        if found is Standing.OLDER and await self.company.is_gone_from(present.epoch):
            found = Standing.LOST
        is_others = found is Standing.LOST and await self._is_left_to_others(present)
        if is_others and self.company.is_elsewhere:
            found = Standing.OLDER
        if found is Standing.GOOD and looking.was_restarted:
            await looking.close_restarted(known)
            found = Standing.LOST
        if found is Standing.HEALED and await self._is_restarted_since(meta, present.epoch):
            found = Standing.LOST
        kernel.fence(_WHY.get(found))
        if found is Standing.OLDER:
            # Nobody shall be told 202 for what the ledger never takes.
            if kernel.epoch < present.epoch:
                # What it lost those tell who work in the newer one: its own Redis takes no alert any more.
                await self.losses.note(present.epoch)
            await self.losses.end(kernel.epoch, present.epoch)
        if found is Standing.LOST and not is_others:
            await self._have_it_healed(present, meta)
        elif found is Standing.HEALED:
            await self._take_up(present)
        if found is Standing.GOOD:
            self.losses.goes_on()
        await self.losses.keep()
        await self.company.note(kernel.epoch)
        if found in (Standing.GOOD, Standing.HEALED):
            await self.losses.tell()
        await self._on_looked(present.epoch)

    async def _meta(self, known: Seq) -> Meta:
        looking = self._process.looking
        await looking.look_for_run()
        if looking.was_restarted:
            # What was known of others may be old, if this process stood still.
            with suppress(Unavailable):
                await self.company.note(self._process.kernel.epoch)
        return await looking.look(known, works_alone=self.company.is_none)

    async def _is_restarted_since(self, meta: Meta, epoch: int) -> bool:
        """Whether Redis was restarted since it was healed, and others, also such as vanished, may know of more."""
        looking = self._process.looking
        if not looking.was_restarted_since(meta):
            return False
        if await self._epochs.others_work_in(epoch) or not await self._epochs.worked_alone(epoch):
            await looking.close_restarted(Seq(epoch, 0))
            return True
        await looking.begin_run(epoch)
        return False

    async def _is_left_to_others(self, present: Present) -> bool:
        """Whether others work in a newer epoch than this process and heal this Redis, if it is theirs."""
        if present.epoch <= self._process.kernel.epoch or not await self.company.heals(present.epoch):
            return False
        if not self.company.is_elsewhere:
            # They may be done any moment.
            asyncio.get_running_loop().call_later(BESIDE_SECONDS, self.look_soon)
        return True

    def _note_waiting(self, meta: Meta) -> None:
        """Say once that nobody can heal Redis while the ledger is away."""
        if not self._is_waiting and (meta.hub is None or self._process.kernel.closed_because is not None):
            self._is_waiting = True
            log.error("Redis lacks what was booked, and can be healed only once the ledger answers")

    def _note_waited(self) -> None:
        if self._is_waiting:
            log.info("the ledger answers again, so Redis can be healed")
        self._is_waiting = False

    async def _have_it_healed(self, seen: Present, meta: Meta) -> None:
        if meta.halted == HEALING:
            # By `hub rebuild` or another process of the hub; should that have died, this one takes over.
            log.warning("a rebuild of Redis is under way, and no event is taken meanwhile")
        else:
            log.error("Redis lacks what was booked, and is healed", epoch=self._process.kernel.epoch)
        unanswered = self.losses.unanswered()
        # Before it begins, so that a process of another Redis never finds the new epoch without anybody in it.
        await self._epochs.present(seen.epoch + 1)
        answered = Seq(unanswered.epoch, unanswered.number - 1) if unanswered.number else None
        await self._heal(answered, seen.epoch, self.losses.own_lost)
        # The next look finds the new epoch, or that it is another Redis's.
        self.look_soon()

    async def _take_up(self, present: Present) -> None:
        """Work on in the new epoch, with the run of Redis that was looked at."""
        looking, _, current, described, closer, _ = self._process
        await self.losses.note(present.epoch)
        await self.losses.end(self._process.kernel.epoch, present.epoch)
        self.losses.forget(present.epoch)
        looking.adopt()
        # Before anybody is answered in it.
        await self._epochs.present(present.epoch)
        await described.load()
        await current.reopen(present.hub, present.epoch)
        closer.forget_lost()
        self.on_healed()
        log.info("events are taken in a new epoch", epoch=present.epoch)

    async def keep_lost(self) -> None:
        """At an orderly stop: what this process lost is in the ledger from here on, for another to tell.

        Raises:
            Unavailable, ServerRefused: as `look`.
        """
        # A Redis that does not answer keeps nobody from telling what it lost.
        with suppress(Fault):
            await self._meta(self._process.looking.known())
        present = await self._epochs.present()
        if present.epoch > self._process.kernel.epoch:
            await self.losses.note(present.epoch)
            await self.losses.end(self._process.kernel.epoch, present.epoch)
        await self.losses.keep()
