"""Whether the hub is at rest: nobody works with it, and the ledger has all that was answered.

Where it is, nothing was lost with a Redis that lacks something. Where it is not, somebody may have been answered what
only Redis had: a hub was killed, or stopped while the ledger was away.
"""

from uuid import UUID

import asyncpg

from hub.domain.entry import Seq
from hub.ledger.rows import ms_of

# Only if the ledger has exactly what was answered last.
_BEGIN = """INSERT INTO hub.at_rest (partition, epoch, seq)
    SELECT partition, cursor_epoch, cursor_seq FROM hub.hub_state
    WHERE (partition, epoch, cursor_epoch, cursor_seq) = ($1, $2, $2, $3)
    ON CONFLICT (partition) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, since = excluded.since"""
# Vanished processes of one epoch that are known by name; of more the newest are enough to know that there are some.
VANISHED_MAX = 1_000
# Epochs that ended and whose processes are known still, for those who tell later what they lost.
EPOCHS_KEPT = 10
_WORK = "INSERT INTO hub.working (partition, epoch, process) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_BOUND = """DELETE FROM hub.working WHERE partition = $1 AND process <> $3
    AND (epoch < $2::integer - $5::integer OR epoch = $2 AND process IN
        (SELECT process FROM hub.working WHERE (partition, epoch) = ($1, $2) ORDER BY since DESC, process OFFSET $4))"""
_WORK_NO_MORE = "DELETE FROM hub.working WHERE (partition, epoch, process) = ($1, $2, $3)"
_WORKERS = "SELECT process FROM hub.working WHERE (partition, epoch) = ($1, $2)"
_OTHERS = "SELECT EXISTS (SELECT FROM hub.working WHERE (partition, epoch) = ($1, $2) AND process <> $3)"
_END = "DELETE FROM hub.at_rest WHERE partition = $1"
_SINCE = "SELECT since FROM hub.at_rest WHERE partition = $1"


async def begin_rest(connection: asyncpg.Connection, answered: Seq) -> bool:
    """Say that nobody works any more; False where the ledger ends elsewhere than in what was answered last.

    Raises:
        asyncpg's and the system's errors, here and below: the caller translates them.
    """
    said: str = await connection.execute(_BEGIN, answered.partition, answered.epoch, answered.number)
    return said.endswith(" 1")


async def begin_work(connection: asyncpg.Connection, partition: int, epoch: int, process: UUID) -> None:
    """Say that this process works in an epoch, before anybody is answered."""
    async with connection.transaction():
        await connection.execute(_END, partition)
        await connection.execute(_WORK, partition, epoch, process)
        await connection.execute(_BOUND, partition, epoch, process, VANISHED_MAX, EPOCHS_KEPT)


async def end_work(connection: asyncpg.Connection, partition: int, epoch: int, process: UUID) -> None:
    """Say that this process works in the epoch no more, and that the ledger has all that it was answered in it."""
    await connection.execute(_WORK_NO_MORE, partition, epoch, process)


async def others_worked(connection: asyncpg.Connection, partition: int, epoch: int, process: UUID) -> bool:
    """Whether another process works in the epoch, or vanished from it: it may have been answered what nobody knows."""
    return bool(await connection.fetchval(_OTHERS, partition, epoch, process))


async def workers(connection: asyncpg.Connection, partition: int, epoch: int) -> set[UUID]:
    """The processes that work in the epoch, or vanished from it; at most 1,000, the newest."""
    return {UUID(str(row["process"])) for row in await connection.fetch(_WORKERS, partition, epoch)}


async def at_rest_since_ms(connection: asyncpg.Connection, partition: int) -> int | None:
    """Since when nobody works, UTC milliseconds; None where somebody may."""
    since = await connection.fetchval(_SINCE, partition)
    return None if since is None else ms_of(since)
