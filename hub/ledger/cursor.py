"""Where the ledger is, for a process that does not write it."""

from uuid import UUID

from hub.domain.entry import PARTITION, Seq
from hub.ledger.connection import Link
from hub.ledger.opening import cursor_of

_STATE = "SELECT hub, epoch, cursor_epoch, cursor_seq FROM hub.hub_state WHERE partition = $1"


class Cursor:
    """Looks at the ledger's last entry. For one user at a time; close it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def look(self, hub: UUID, epoch: int) -> Seq | None:
        """The last entry, if the ledger is this hub's and in this epoch, and has an entry of it.

        Raises:
            Unavailable, ServerRefused: as `Link.use`.
        """
        async with self._link.use("The ledger's cursor cannot be read") as connection:
            row = await connection.fetchrow(_STATE, PARTITION)
        if row is None or (UUID(str(row["hub"])), row["epoch"]) != (hub, epoch):
            return None
        at = cursor_of(row, PARTITION)
        return at if at is not None and at.epoch == epoch else None

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.aclose()
