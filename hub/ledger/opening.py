"""Open the ledger: its schema, who it belongs to, and how far it is."""

from uuid import UUID, uuid4

import asyncpg
import msgspec

from hub.domain.entry import PARTITION, Seq
from hub.ledger.connection import translated
from hub.ledger.migration import SCHEMA_LOCK, migrate
from hub.ledger.requirements import check_postgres
from hub.ledger.rights import give_rights

_FIRST_EPOCH = 1


class LedgerState(msgspec.Struct, frozen=True):
    """What the ledger knows of one partition."""

    hub: UUID
    epoch: int
    # The last journal entry that is in the ledger.
    cursor: Seq | None
    # Nothing was ever written here.
    empty: bool
    # What keeps it, such as "PostgreSQL 18.6".
    server: str

    @property
    def next_place(self) -> Seq:
        """The first place of the present epoch that the ledger lacks."""
        is_within = self.cursor is not None and self.cursor.epoch == self.epoch
        return Seq(self.epoch, self.cursor.number + 1 if self.cursor is not None and is_within else 0)


async def open_ledger(connection: asyncpg.Connection, *, partition: int = PARTITION) -> LedgerState:
    """Check the server, bring the schema up to date and read the partition's state, making it at the first start.

    Raises:
        ServerRefused: the server is not fit, or its schema is not one this version can work with.
        Unavailable: Postgres does not answer.
    """
    with translated("The ledger's server cannot be checked"):
        server = await check_postgres(connection)
    await migrate(connection)
    with translated("The ledger cannot be opened"):
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
            await give_rights(connection)
        await connection.execute(
            "INSERT INTO hub.hub_state (partition, hub, epoch) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            partition,
            uuid4(),
            _FIRST_EPOCH,
        )
        row = await connection.fetchrow(
            """SELECT hub, epoch, cursor_epoch, cursor_seq,
                      NOT EXISTS (SELECT FROM hub.event) AND NOT EXISTS (SELECT FROM hub.poison) AS empty
               FROM hub.hub_state WHERE partition = $1""",
            partition,
        )
    return LedgerState(UUID(str(row["hub"])), row["epoch"], cursor_of(row, partition), row["empty"], server)


def cursor_of(row: asyncpg.Record, partition: int) -> Seq | None:
    """The cursor in a row of `hub_state`."""
    if row["cursor_epoch"] is None:
        return None
    return Seq(row["cursor_epoch"], row["cursor_seq"], partition)
