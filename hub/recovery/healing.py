"""Watch over the partition: when Redis lacks what was booked, have it healed, and work on in the new epoch.

The path of one loss: Redis comes back empty, older or as another → the kernel takes nothing, reads are refused → it is
healed from the ledger, by whichever process is first → this process takes the new epoch, its house and its SKUs → what
it had been answered and nobody has any more is told, with who sent it. Screens get all they watch again, because every
`rev` is higher.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import time

import msgspec
import structlog

from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.domain.losing import Window, alert_of
from hub.domain.standing import HEALING, Meta, Standing, standing
from hub.faults import Fault, Unavailable
from hub.ledger.epochs import End, Epochs, Present
from hub.patience import Trouble, news_within
from hub.recovery.company import Company
from hub.recovery.losses import OwnLost, heard_from_ms, told_in_epoch
from hub.recovery.process import Process
from hub.recovery.recovered import log_lost
from hub.stock.outcome import Applied, Duplicate, Outcome

log = structlog.get_logger()

# How often both stores are looked at while nobody notices anything.
LOOK_SECONDS = 1.0
# Between two looks while others may be healing this Redis.
BESIDE_SECONDS = 0.1
# Windows that the ledger could not keep yet.
UNTOLD_MAX = 100

_WHY = {
    Standing.OLDER: "another hub works in a newer epoch: this Redis was replaced, and takes nothing",
    Standing.NEWER: "the ledger is of an older epoch than Redis: it was restored from a copy that is too old",
    Standing.FOREIGN: "Redis holds the stock of another hub",
}


class Healing:
    """The watch of one process. `run` beside everything else."""

    def __init__(
        self,
        process: Process,
        epochs: Epochs,
        *,
        heal: Callable[[Seq | None, int, OwnLost], Awaitable[None]],
        tell: Callable[[Fact], Awaitable[Sequence[Outcome]]],
        on_lost: Callable[[int], None] = lambda entries: None,
    ) -> None:
        self._process = process
        self._epochs = epochs
        # Heals Redis unless somebody did, given the last place that this process was answered, the ledger's epoch, and
        # who says what this process lost by that.
        self._heal = heal
        self._tell = tell
        self._on_lost = on_lost
        # Told once this process works in the new epoch.
        self.on_healed: Callable[[], None] = lambda: None
        # Noted, and the ledger does not keep it yet.
        self._untold: list[Window] = []
        # Noted since this process took an epoch.
        self._noted_windows: list[Window] = []
        # The last entry that was noted as lost.
        self._noted: Seq | None = None
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
        kernel.fence(_WHY.get(found))
        if found is Standing.OLDER:
            # Nobody shall be told 202 for what the ledger never takes.
            if kernel.epoch < present.epoch:
                # What it lost those tell who work in the newer one: its own Redis takes no alert any more.
                await self._note_own(present.epoch)
            else:
                await self._end_of(kernel.epoch, present.epoch)
        if found is Standing.LOST and not is_others:
            await self._have_it_healed(present, meta)
        elif found is Standing.HEALED:
            await self._take_up(present)
        await self._keep_lost()
        await self.company.note(kernel.epoch)
        if found in (Standing.GOOD, Standing.HEALED):
            await self._tell_lost()

    async def _meta(self, known: Seq) -> Meta:
        looking = self._process.looking
        await looking.look_for_run()
        if looking.was_restarted:
            # What was known of others may be old, if this process stood still.
            with suppress(Unavailable):
                await self.company.note(self._process.kernel.epoch)
        return await looking.look(known, works_alone=self.company.is_none)

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

    def _unanswered(self) -> Seq:
        return Seq(self._process.kernel.epoch, self._process.kernel.floor)

    async def _have_it_healed(self, seen: Present, meta: Meta) -> None:
        if meta.halted == HEALING:
            # By `hub rebuild` or another process of the hub; should that have died, this one takes over.
            log.warning("a rebuild of Redis is under way, and no event is taken meanwhile")
        else:
            log.error("Redis lacks what was booked, and is healed", epoch=self._process.kernel.epoch)
        unanswered = self._unanswered()
        # Before it begins, so that a process of another Redis never finds the new epoch without anybody in it.
        await self._epochs.present(seen.epoch + 1)
        answered = Seq(unanswered.epoch, unanswered.number - 1) if unanswered.number else None
        await self._heal(answered, seen.epoch, self._own_lost)
        # The next look finds the new epoch, or that it is another Redis's.
        self.look_soon()

    async def _take_up(self, present: Present) -> None:
        """Work on in the new epoch, with the run of Redis that was looked at."""
        looking, _, current, described, closer, _ = self._process
        await self._note_own(present.epoch)
        self._noted_windows = []
        looking.adopt()
        # Before anybody is answered in it.
        await self._epochs.present(present.epoch)
        await described.load()
        await current.reopen(present.hub, present.epoch)
        closer.forget_lost()
        self.on_healed()
        log.info("events are taken in a new epoch", epoch=present.epoch)

    async def _end_of(self, epoch: int, newer: int) -> End:
        """How far the ledger is with an epoch that ended; who waits for more of it is told that it is lost."""
        end, watermark = await self._epochs.end_of(epoch), self._process.watermark
        watermark.note_end(epoch, end.number)
        watermark.advance(Seq(newer, -1))
        return end

    async def _window(self, ended: Seq, newer: int) -> Window | None:
        """What this process was answered in the epoch that ended, the ledger never had, and was not noted yet."""
        end = await self._end_of(ended.epoch, newer)
        first = Seq(ended.epoch, end.number + 1)
        if self._noted is not None and self._noted >= first:
            first = Seq(ended.epoch, self._noted.number + 1)
        if ended <= first:
            return None
        last, kernel = Seq(ended.epoch, ended.number - 1), self._process.kernel
        # Of what others were answered nothing is known here, nor of what was before this process began.
        is_own = ended == self._unanswered() and kernel.answered.since <= first
        is_certain = is_own and await self._epochs.worked_alone(ended.epoch)
        # When another was answered nobody knows; it was before now.
        until_ms = kernel.booked_at_ms if ended <= self._unanswered() else int(time() * 1000)
        return Window(first, last, end.booked_at_ms, until_ms, certain=is_certain)

    async def _note_own(self, newer: int) -> None:
        """Note once what this process was answered in the epoch before a newer one, and the ledger never gets."""
        kernel, ended = self._process.kernel, self._unanswered()
        if not await self._epochs.others_work_in(kernel.epoch):
            # What another was answered that vanished, as far as this process heard of it.
            ended = max(ended, self._process.looking.known())
        window = await self._window(ended, newer)
        if window is None:
            return
        told, heard = None, tuple[str, ...]()
        if kernel.answered.since > window.first or ended.number > kernel.floor:
            # Who may have been answered before this process began, unless a rebuild by hand has told it.
            told = await told_in_epoch(self._process.looking.client, newer)
            if told is not None and told.covers(window):
                heard = told.sources
            else:
                heard = await self._epochs.senders_since(heard_from_ms(window.since_ms))
        sources = {*heard, *kernel.answered.take_since(window.first)}
        window = msgspec.structs.replace(window, sources=tuple(sorted(sources)))
        if told is not None and told.covers(window):
            # The same alert once more is the same entry.
            window = told
        log_lost(window)
        self._on_lost(window.entries)
        self._untold = [*self._untold, window][-UNTOLD_MAX:]
        self._noted_windows = [*self._noted_windows, window][-UNTOLD_MAX:]
        self._noted = window.last

    async def _own_lost(self, newer: int) -> list[Window]:
        """What is to be told when the newer epoch is opened by this process; it may be tried more than once.

        The ledger keeps it from now on: should this process end before it opened the epoch, another tells it.
        """
        await self._note_own(newer)
        await self._keep_lost()
        return list(self._noted_windows)

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
            await self._note_own(present.epoch)
        await self._keep_lost()

    async def _keep_lost(self) -> None:
        for window in list(self._untold):
            await self._epochs.keep(window)
            self._untold.remove(window)

    async def _tell_lost(self) -> None:
        """Tell what was lost, also by others, until the ledger has the alert: it may be lost with Redis too."""
        for window in await self._epochs.kept():
            [outcome] = await self._tell(alert_of(window, int(time() * 1000)))
            if isinstance(outcome, Applied | Duplicate) and self._process.watermark.covers(outcome.seq):
                await self._epochs.forget(window)
