"""Close a partition that lacks what was answered: it takes nothing until it is healed, whoever stops meanwhile."""

from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import WatchError

from hub.domain.entry import Seq
from hub.domain.standing import BEHIND, is_open, lacks
from hub.stock import keys
from hub.stock.partition import read_meta
from hub.stock.reading import reading


async def close_behind(client: Redis, hub: UUID, unanswered: Seq, *, was_restarted: bool = False) -> bool:
    """Close the partition if it has less than this process was answered, or in any case if Redis was restarted.

    `unanswered` is the first place that it was not answered. The ledger is not needed for it. False: it has all, or
    somebody else changed it meanwhile.

    Raises:
        Unavailable: Redis does not answer.
        ServerRefused: what it says cannot be read.
    """
    with reading():
        async with client.pipeline(transaction=True) as transaction:
            await transaction.watch(keys.META)
            meta = await read_meta(transaction)
            if not is_open(meta, hub, unanswered.epoch) or not (was_restarted or lacks(meta, unanswered)):
                return False
            transaction.multi()  # type: ignore[no-untyped-call]
            transaction.hset(keys.META, "halted", BEHIND)
            try:
                await transaction.execute()
            except WatchError:
                return False
    return True
