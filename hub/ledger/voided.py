"""Ask the ledger which voids of a sale were booked, for Redis forgets them after some days."""

from collections.abc import Sequence

from hub.domain.entry import PARTITION
from hub.ledger.asking import Asking

DEADLINE_SECONDS = 2.0
# Of one sale, the newest; each says how much was given back until then, so they are enough.
VOIDS_PER_SALE_MAX = 100

_SELECT = f"""SELECT asked.source, asked.sale, found.entry
    FROM unnest($2::text[], $3::text[]) AS asked(source, sale)
    CROSS JOIN LATERAL (
        SELECT entry FROM hub.event
        WHERE about = asked.sale AND event.source = asked.source AND partition = $1
          AND kind = 'fact' AND type = 'sale.voided'
        ORDER BY epoch DESC, seq DESC LIMIT {VOIDS_PER_SALE_MAX}) AS found"""


class Voided:
    """The voids of one partition."""

    def __init__(self, asking: Asking, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def voids_of(self, sales: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[bytes]]:
        """The packed journal entries of the voids of each sale among these (source, id).

        Raises:
            Unavailable, ServerRefused: as `Asking.fetch`.
        """
        rows = await self._asking.fetch(
            _SELECT, self._partition, [source for source, _ in sales], [sale for _, sale in sales]
        )
        found: dict[tuple[str, str], list[bytes]] = {}
        for row in rows:
            found.setdefault((row["source"], row["sale"]), []).append(row["entry"])
        return found
