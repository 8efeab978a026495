"""Who was heard lately, as far as the ledger knows: whoever may have been answered what is lost."""

import asyncpg

from hub.domain.command import OWN_SOURCE
from hub.domain.entry import PARTITION
from hub.ledger.rows import instant

# Those that post facts, by what is usual of them; and all others, by the newest entries.
_SENDERS = """SELECT source FROM hub.source WHERE last_heard >= $2
    UNION SELECT source FROM (SELECT source, kind FROM hub.event WHERE partition = $1
        ORDER BY epoch DESC, seq DESC LIMIT $3) AS newest
    WHERE kind IN ('fact', 'parked', 'request', 'conflict') AND source <> $4
    ORDER BY source LIMIT $5"""
# Of how many of the newest entries the senders are looked at, and how many senders there are at most.
NEWEST_ENTRIES = 20_000
SENDERS_MAX = 10_000


async def senders_since(
    connection: asyncpg.Connection, heard_at_ms: int, partition: int = PARTITION
) -> tuple[str, ...]:
    """The sources that were heard then or later, in UTC milliseconds; at most 10,000, sorted."""
    values = (instant(heard_at_ms), NEWEST_ENTRIES, OWN_SOURCE, SENDERS_MAX)
    return tuple(row["source"] for row in await connection.fetch(_SENDERS, partition, *values))
