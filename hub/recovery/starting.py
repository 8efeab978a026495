"""At the start: does Redis lack what the ledger has, and is it this process that heals it?"""

import asyncio

import structlog

from hub.domain.standing import Standing, standing
from hub.faults import ServerRefused
from hub.ledger.epochs import Epochs
from hub.ledger.opening import LedgerState
from hub.patience import attempts
from hub.stock.kernel import Kernel
from hub.stock.partition import read_meta

log = structlog.get_logger()

# How long a Redis without stock is left to the hubs that run, which have it healed within a second or so.
PATIENCE_SECONDS = 15.0
LOOK_SECONDS = 0.2
ABANDONED_LOOKS = 15


async def must_heal(kernel: Kernel, ledger: LedgerState, epochs: Epochs) -> bool:
    """Whether Redis lacks what the ledger has, and no running hub heals it.

    Raises:
        ServerRefused: a hub that runs works with another Redis.
        Unavailable: a store does not answer.
    """
    looks_without = 0
    for _ in attempts(PATIENCE_SECONDS):
        found = standing(await read_meta(kernel.client), ledger.hub, ledger.epoch, ledger.next_place)
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
