"""Close a partition that lacks what was answered: it takes nothing until it is healed, whoever stops meanwhile.

And say of one that lacks nothing which run of the server it is worked with.
"""

from collections.abc import Callable
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import WatchError

from hub.domain.entry import Seq
from hub.domain.standing import BEHIND, Meta, is_open, lacks
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

    def must_close(meta: Meta) -> bool:
        return is_open(meta, hub, unanswered.epoch) and (was_restarted or lacks(meta, unanswered))

    return await _set_if(client, must_close, "halted", BEHIND)


async def begin_run(client: Redis, hub: UUID, epoch: int, run: str) -> None:
    """Say that this run of the server is worked with, for whoever starts later: what it has was looked at.

    Raises:
        Unavailable, ServerRefused: as `close_behind`.
    """

    def is_new(meta: Meta) -> bool:
        return is_open(meta, hub, epoch) and run not in ("", meta.run)

    await _set_if(client, is_new, "run", run)


async def _set_if(client: Redis, is_so: Callable[[Meta], bool], field: str, value: bytes | str) -> bool:
    """Set a field of `meta` if that is so and nobody changes anything meanwhile."""
    with reading():
        async with client.pipeline(transaction=True) as transaction:
            await transaction.watch(keys.META)
            if not is_so(await read_meta(transaction)):
                return False
            transaction.multi()  # type: ignore[no-untyped-call]
            transaction.hset(keys.META, field, value)
            try:
                await transaction.execute()
            except WatchError:
                return False
    return True
