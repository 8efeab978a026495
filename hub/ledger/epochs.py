"""Which epoch the ledger is in, where the earlier ones ended, and whether a hub works in the present one.

Each process that works in an epoch holds a lock of that epoch in Postgres, shared with the others of the same Redis. So
a process whose Redis is of an older epoch can tell whether the newer one is alive somewhere: then its own Redis is the
one that was left behind, and it must not heal it.
"""

from uuid import UUID, uuid4

import asyncpg
import msgspec

from hub.domain.entry import PARTITION, Seq
from hub.domain.losing import Window
from hub.faults import ServerRefused
from hub.ledger import untold
from hub.ledger.connection import Link
from hub.ledger.posting import entry_at
from hub.ledger.rest import at_rest_since_ms, begin_rest, begin_work, end_work, others_worked, workers
from hub.ledger.rows import ms_of
from hub.ledger.senders import senders_since

# Two numbers make a lock's name: what it is for and the partition, and the epoch.
_WORKING = 0x687562_10 + PARTITION

_LAST_EVENT = "SELECT seq, booked_at FROM hub.event WHERE (partition, epoch) = ($1, $2) ORDER BY seq DESC LIMIT 1"
_LAST_POISON = "SELECT max(seq) FROM hub.poison WHERE (partition, epoch) = ($1, $2)"


class Present(msgspec.Struct, frozen=True):
    """What the ledger says now."""

    hub: UUID
    epoch: int


class End(msgspec.Struct, frozen=True):
    """The last entry that the ledger has of an epoch."""

    # -1: it has none.
    number: int
    # UTC milliseconds; 0 where that is not known.
    booked_at_ms: int


async def anybody_works_in(dsn: str, *epochs: int) -> bool:
    """Whether a process works in one of these epochs of a ledger; for whoever is none itself.

    Raises:
        Unavailable: Postgres does not answer.
    """
    asked = Epochs(Link(dsn, "epochs"))
    try:
        for epoch in epochs:
            if await asked.others_work_in(epoch):
                return True
        return False
    finally:
        await asked.aclose()


class Epochs:
    """Questions about epochs, and this process's lock, over one connection; for one user at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        # What this process is called among those that work.
        self.process = uuid4()
        # The connection that holds the lock, and of which epoch.
        self._held_on: asyncpg.Connection | None = None
        self._held_epoch = 0
        # Whether the ledger was told that somebody works, since this lock is held.
        self._is_told = False

    async def present(self, working_in: int | None = None) -> Present:
        """The hub and epoch of the ledger; this process works in the given epoch, if any, from now on.

        Raises:
            ServerRefused: the ledger was never opened.
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger's epoch cannot be read") as connection:
            await self._hold(connection, working_in)
            row = await connection.fetchrow("SELECT hub, epoch FROM hub.hub_state WHERE partition = $1", PARTITION)
            if row is not None and row["epoch"] == working_in and not self._is_told:
                # Not of an epoch to come: who heals still wants to know whether the hub was at rest.
                await begin_work(connection, PARTITION, row["epoch"], self.process)
                self._is_told = True
        if row is None:
            raise ServerRefused("The ledger has not been opened: it has no state.")
        return Present(UUID(str(row["hub"])), row["epoch"])

    async def others_work_in(self, epoch: int) -> bool:
        """Whether another process works in that epoch now; this one must not.

        Raises:
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger cannot tell who works") as connection:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _WORKING, epoch):
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", _WORKING, epoch)
                return False
        return True

    async def end_of(self, epoch: int) -> End:
        """How far the ledger has an epoch that ended.

        Raises:
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger cannot be read") as connection:
            row = await connection.fetchrow(_LAST_EVENT, PARTITION, epoch)
            poison = await connection.fetchval(_LAST_POISON, PARTITION, epoch)
        number, booked_at_ms = (row["seq"], ms_of(row["booked_at"])) if row is not None else (-1, 0)
        return End(max(number, -1 if poison is None else poison), booked_at_ms)

    async def entry_at(self, seq: Seq) -> bytes | None:
        """The ledger's entry at a place, byte for byte; None where it has none.

        Raises:
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger cannot be read") as connection:
            return await entry_at(connection, seq)

    async def senders_since(self, heard_at_ms: int) -> tuple[str, ...]:
        """The sources that were heard then or later, as far as the ledger knows; at most 10,000, sorted.

        Raises:
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger cannot tell who was heard") as connection:
            return await senders_since(connection, heard_at_ms)

    async def rest(self, answered: Seq) -> bool:
        """Work no more: the ledger has all that was answered; where nobody else works it says so from now on.

        Not where a process of this epoch vanished: it may be at work with Redis, and not see the ledger.

        Raises:
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger cannot be told that the hub rests") as connection:
            if self._held_on is not None and self._held_on is connection:
                await connection.execute("SELECT pg_advisory_unlock_shared($1, $2)", _WORKING, self._held_epoch)
            self._held_on = None
            # Held until it is said, so that whoever begins to work takes it back after that.
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", _WORKING, answered.epoch):
                await end_work(connection, PARTITION, answered.epoch, self.process)
                return False
            async with connection.transaction():
                await end_work(connection, PARTITION, answered.epoch, self.process)
                is_alone = not await others_worked(connection, PARTITION, answered.epoch, self.process)
                is_said = is_alone and await begin_rest(connection, answered)
            await connection.execute("SELECT pg_advisory_unlock($1, $2)", _WORKING, answered.epoch)
            return is_said

    async def is_at_rest(self) -> bool:
        """Whether nobody works, and nothing was ever beyond what the ledger has.

        Raises:
            Unavailable: Postgres does not answer.
        """
        async with self._link.use("The ledger cannot tell whether the hub rests") as connection:
            return await at_rest_since_ms(connection, PARTITION) is not None

    async def worked_alone(self, epoch: int, process: UUID | None = None) -> bool:
        """Whether no other process than this one, or the given one, was answered there what the ledger may lack.

        Raises:
            Unavailable: Postgres does not answer, here and below.
        """
        async with self._link.use("The ledger cannot tell who worked") as connection:
            return not await others_worked(connection, PARTITION, epoch, process or self.process)

    async def workers(self, epoch: int) -> set[UUID]:
        """The processes that work in the epoch, or vanished from it."""
        async with self._link.use("The ledger cannot tell who worked") as connection:
            return await workers(connection, PARTITION, epoch)

    async def keep(self, window: Window) -> None:
        """Keep what was lost until it is told, also by another process."""
        async with self._link.use("The ledger cannot keep what was lost") as connection:
            await untold.keep(connection, PARTITION, window)

    async def kept(self) -> list[Window]:
        """What was lost and is to be told, whoever lost it; at most 100."""
        async with self._link.use("The ledger cannot be asked what was lost") as connection:
            return await untold.kept(connection, PARTITION)

    async def forget(self, window: Window) -> None:
        """It is told, and the ledger has that."""
        async with self._link.use("The ledger cannot forget what was told") as connection:
            await untold.forget(connection, PARTITION, window)

    async def aclose(self) -> None:
        """Give the lock back."""
        self._held_on = None
        await self._link.aclose()

    async def _hold(self, connection: asyncpg.Connection, epoch: int | None) -> None:
        """Work in the epoch, and in no other."""
        if epoch is None or (self._held_on is connection and self._held_epoch == epoch):
            return
        # Nobody holds it alone for longer than a question.
        await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", _WORKING, epoch)
        if self._held_on is not None and self._held_on is connection:
            await connection.execute("SELECT pg_advisory_unlock_shared($1, $2)", _WORKING, self._held_epoch)
        # Before it was held somebody else may have said that nobody works.
        self._held_on, self._held_epoch, self._is_told = connection, epoch, False
