"""At the start: does Redis lack what the ledger has or what was answered, and is it this process that heals it?"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto

import structlog
from redis.asyncio import Redis

from hub.domain.losing import entries_of
from hub.domain.standing import Meta, Standing, is_of_another_run, lacks, standing
from hub.faults import ServerRefused
from hub.journal.reader import Tail
from hub.ledger.epochs import Epochs
from hub.ledger.opening import LedgerState
from hub.patience import attempts
from hub.recovery.left import Left
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.behind import close_behind
from hub.stock.partition import read_meta
from hub.stock.server_run import ServerRun, run_id_of

log = structlog.get_logger()

# How long a Redis without stock is left to the hubs that run, which have it healed within a second or so.
PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 0.2
ABANDONED_LOOKS = 15
# Who starts at the same moment may be about to say that it works with this run of Redis.
RESTARTED_LOOKS = 2


class Need(Enum):
    """Whether this process must heal Redis before it works."""

    NOTHING = auto()
    # Nobody else works, so nobody else tells what is lost.
    ALONE = auto()
    # Others work, or stand still: each tells what it was answered itself.
    BESIDE = auto()
    # Redis was restarted since somebody worked who did not stop in order. It lacks nothing that anybody knows of, but
    # more may have been shown than it has: only a new epoch gives no place and no `rev` of that again.
    SHOWN = auto()


class Start:
    """The healing before a process begins to work; `on_lost` hears how many entries were lost."""

    def __init__(
        self,
        client: Redis,
        server: ServerRun,
        epochs: Epochs,
        rebuild: Rebuild,
        left: Left,
        on_lost: Callable[[int], None],
    ) -> None:
        self._client = client
        self._server = server
        # The run of Redis that this process works with.
        self.run = ""
        self._epochs = epochs
        self._rebuild = rebuild
        self._left = left
        self._on_lost = on_lost

    async def heal(self, ledger: LedgerState, reopen: Callable[[], Awaitable[LedgerState]]) -> LedgerState:
        """Take the run of Redis that is there and heal it until it lacks nothing that is known of.

        Answers the ledger as it is then.

        Raises:
            ServerRefused, Unavailable: as `must_heal` and `Rebuild.run`.
        """
        # What is noted Redis had before, so its files come first.
        await self._left.read(ledger.hub)
        while True:
            self.run = await run_id_of(self._client)
            self._server.adopt(self.run)
            if ledger.empty:
                return ledger
            need = await must_heal(self._client, ledger, self._epochs, self._left, self.run)
            if need is Need.NOTHING:
                return ledger
            epoch = ledger.epoch
            await self._epochs.present(epoch + 1)
            recovered = await self._rebuild.run(
                ledger.hub,
                seen_epoch=epoch,
                answered=self._left.answered(epoch),
                names_lost=need is Need.ALONE and not await self._left.is_all(epoch),
                own_lost=self._left.lost,
                may_lack_shown=need is Need.SHOWN,
            )
            self._on_lost(sum(map(entries_of, recovered.lost)))
            ledger = await reopen()


async def must_heal(client: Redis, ledger: LedgerState, epochs: Epochs, left: Left, run: str) -> Need:
    """Whether Redis lacks what the ledger has, what ended processes noted or what others may know, and none heals it.

    `run` is the run of Redis that this process is about to work with.

    Raises:
        ServerRefused: a hub that runs works with another Redis.
        Unavailable: a store does not answer.
    """
    looks_without = looks_restarted = 0
    for _ in attempts(PATIENCE_SECONDS):
        meta = await read_meta(client)
        found = standing(meta, ledger.hub, ledger.epoch, ledger.next_place)
        if found is Standing.GOOD and await _has_another(client, ledger, epochs):
            found = Standing.LOST
        if found is Standing.GOOD and lacks(meta, left.unanswered(ledger.epoch)):
            return await _close(client, ledger, epochs)
        if found is Standing.GOOD and (need := await _may_lack(meta, run, ledger, epochs)) is not Need.NOTHING:
            looks_restarted += 1
            if looks_restarted < RESTARTED_LOOKS:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            return await _after_restart(client, ledger, need)
        if found not in (Standing.LOST, Standing.OLDER):
            return Need.NOTHING
        looks_without = 0 if await epochs.others_work_in(ledger.epoch) else looks_without + 1
        # Those who work in a newer epoch may have to come back first.
        if looks_without >= (1 if found is Standing.LOST else ABANDONED_LOOKS):
            # Nobody is left who knows what was answered 202 beyond the ledger; the rebuild tells what may be lost.
            log.error("Redis lacks what the ledger has, and is healed", ledger_has=str(ledger.cursor))
            return Need.ALONE
        await asyncio.sleep(LOOK_SECONDS)
    raise ServerRefused("Redis lacks the hub's stock, and another hub works with a Redis that has it: use that one")


async def _close(client: Redis, ledger: LedgerState, epochs: Epochs) -> Need:
    """Close what lacks what an ended process was answered, so that nobody gives its places again meanwhile."""
    log.error("Redis lacks what ended processes answered, and is healed", epoch=ledger.epoch)
    await close_behind(client, ledger.hub, ledger.next_place, was_restarted=True)
    return Need.BESIDE if await epochs.others_work_in(ledger.epoch) else Need.ALONE


async def _may_lack(meta: Meta, run: str, ledger: LedgerState, epochs: Epochs) -> Need:
    """What follows where Redis was restarted since it was last looked at: somebody may know of more than it has.

    Nobody does where the hub is at rest, for then there was nothing beyond the ledger. Else whoever worked may have
    shown screens, or read to anybody, what is noted nowhere.
    """
    if is_of_another_run(meta, run) and await epochs.others_work_in(ledger.epoch):
        return Need.BESIDE
    # One that says nothing of its run is a copy from before anybody worked with it.
    is_other = run not in ("", meta.run)
    return Need.SHOWN if is_other and not await epochs.is_at_rest() else Need.NOTHING


async def _after_restart(client: Redis, ledger: LedgerState, need: Need) -> Need:
    if need is Need.BESIDE:
        log.warning("Redis was started anew while others work with it: a new epoch begins")
        await close_behind(client, ledger.hub, ledger.next_place, was_restarted=True)
    else:
        log.warning("Redis was started anew since a hub ended that did not stop in order: a new epoch begins")
    return need


async def _has_another(client: Redis, ledger: LedgerState, epochs: Epochs) -> bool:
    """Whether the journal has another entry at the ledger's end than the ledger: it lost that one, and went on."""
    if ledger.cursor is None:
        return False
    here = await Tail(client, keys.JOURNAL, None).raw_at(ledger.cursor)
    return here is not None and here != await epochs.entry_at(ledger.cursor)
