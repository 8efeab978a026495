"""What was answered and lost, kept until the alert that tells it is in the ledger.

The process that knows it may end before it could tell, or have no Redis that takes an alert: another tells it then.
"""

import asyncpg
import msgspec

from hub.domain.losing import Window, alert_of

# Windows kept; each process that lost something notes one for an epoch.
KEPT_MAX = 1_000
# Told at one look.
TOLD_AT_ONCE_MAX = 100

_KEEP = "INSERT INTO hub.untold (partition, id, lost) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_BOUND = """DELETE FROM hub.untold WHERE partition = $1 AND id IN
    (SELECT id FROM hub.untold WHERE partition = $1 ORDER BY noted_at DESC, id OFFSET $2)"""
# Another's turn comes, should some be refused.
_KEPT = "SELECT lost FROM hub.untold WHERE partition = $1 ORDER BY random() LIMIT $2"
_FORGET = "DELETE FROM hub.untold WHERE partition = $1 AND id = $2"


async def keep(connection: asyncpg.Connection, partition: int, window: Window) -> None:
    """Keep what was lost; of too many windows the oldest are forgotten.

    Raises:
        asyncpg's and the system's errors, here and below: the caller translates them.
    """
    await connection.execute(_KEEP, partition, _id(window), msgspec.json.encode(window).decode())
    await connection.execute(_BOUND, partition, KEPT_MAX)


async def kept(connection: asyncpg.Connection, partition: int) -> list[Window]:
    """What is to be told, at most 100 of it."""
    rows = await connection.fetch(_KEPT, partition, TOLD_AT_ONCE_MAX)
    return [msgspec.json.decode(row["lost"], type=Window) for row in rows]


async def forget(connection: asyncpg.Connection, partition: int, window: Window) -> None:
    """The ledger has its alert."""
    await connection.execute(_FORGET, partition, _id(window))


def _id(window: Window) -> str:
    return alert_of(window, 0).id
