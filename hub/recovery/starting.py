"""At the start: does Redis lack what the ledger has, and is it this process that heals it?"""

import asyncio

import structlog
from redis.asyncio import Redis

from hub.domain.standing import Standing, standing
from hub.faults import ServerRefused
from hub.journal.reader import Tail
from hub.ledger.epochs import Epochs
from hub.ledger.opening import LedgerState
from hub.patience import attempts
from hub.stock import keys
from hub.stock.partition import read_meta

log = structlog.get_logger()

# How long a Redis without stock is left to the hubs that run, which have it healed within a second or so.
PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 0.2
ABANDONED_LOOKS = 15


async def must_heal(client: Redis, ledger: LedgerState, epochs: Epochs) -> bool:
    """Whether Redis lacks what the ledger has, or has something else in its place, and no running hub heals it.

    Raises:
        ServerRefused: a hub that runs works with another Redis.
        Unavailable: a store does not answer.
    """
    looks_without = 0
    for _ in attempts(PATIENCE_SECONDS):
        found = standing(await read_meta(client), ledger.hub, ledger.epoch, ledger.next_place)
        if found is Standing.GOOD and await _has_another(client, ledger, epochs):
            found = Standing.LOST
        if found not in (Standing.LOST, Standing.OLDER):
            return False
        looks_without = 0 if await epochs.others_work_in(ledger.epoch) else looks_without + 1
        # Those who work in a newer epoch may have to come back first.
        if looks_without >= (1 if found is Standing.LOST else ABANDONED_LOOKS):
            # Nobody is left who knows what was answered 202 beyond the ledger; the rebuild tells what may be lost.
            log.error("Redis lacks what the ledger has, and is healed", ledger_has=str(ledger.cursor))
            return True
        await asyncio.sleep(LOOK_SECONDS)
    raise ServerRefused("Redis lacks the hub's stock, and another hub works with a Redis that has it: use that one")


async def _has_another(client: Redis, ledger: LedgerState, epochs: Epochs) -> bool:
    """Whether the journal has another entry at the ledger's end than the ledger: it lost that one, and went on."""
    if ledger.cursor is None:
        return False
    here = await Tail(client, keys.JOURNAL, None).raw_at(ledger.cursor)
    return here is not None and here != await epochs.entry_at(ledger.cursor)
