"""Whether the hub is at rest: nobody works with it, and the ledger has all that was answered.

Where it is, nothing was lost with a Redis that lacks something. Where it is not, somebody may have been answered what
only Redis had: a hub was killed, or stopped while the ledger was away.
"""

import asyncpg

from hub.domain.entry import Seq
from hub.ledger.rows import ms_of

# Only if the ledger has exactly what was answered last.
_BEGIN = """INSERT INTO hub.at_rest (partition, epoch, seq)
    SELECT partition, cursor_epoch, cursor_seq FROM hub.hub_state
    WHERE (partition, epoch, cursor_epoch, cursor_seq) = ($1, $2, $2, $3)
    ON CONFLICT (partition) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, since = excluded.since"""
_END = "DELETE FROM hub.at_rest WHERE partition = $1"
_SINCE = "SELECT since FROM hub.at_rest WHERE partition = $1"


async def begin_rest(connection: asyncpg.Connection, answered: Seq) -> bool:
    """Say that nobody works any more; False where the ledger ends elsewhere than in what was answered last.

    Raises:
        asyncpg's and the system's errors, here and below: the caller translates them.
    """
    said: str = await connection.execute(_BEGIN, answered.partition, answered.epoch, answered.number)
    return said.endswith(" 1")


async def end_rest(connection: asyncpg.Connection, partition: int) -> None:
    """Say that somebody works, before anybody is answered."""
    await connection.execute(_END, partition)


async def at_rest_since_ms(connection: asyncpg.Connection, partition: int) -> int | None:
    """Since when nobody works, UTC milliseconds; None where somebody may."""
    since = await connection.fetchval(_SINCE, partition)
    return None if since is None else ms_of(since)
