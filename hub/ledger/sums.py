"""Ask the ledger what its rows make, for whoever checks the hub: numbers, sums of movements, entries byte for byte.

Rows are only added, and those at or below the cursor are all there, so nothing here needs a transaction: a question
names the place it is asked about.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager

import asyncpg

from hub.domain.entry import PARTITION, Seq
from hub.domain.verifying import TRANSIT
from hub.domain.verifying_order import GAPS_TOLD_MAX, Gap, Ledger
from hub.ledger.checkpoints import Checkpoints
from hub.ledger.connection import Link
from hub.ledger.healing import is_healing
from hub.ledger.opening import cursor_of
from hub.ledger.recorded import Recorded

# A check may read a whole ledger, but each of its questions is bounded.
COMMAND_SECONDS = 120.0
NUMBERS_PER_SELECT = 500_000
SKUS_PER_SELECT_MAX = 500
# A reversal is about the entry that it takes back.
_TAKEN_BACK = """EXISTS (SELECT FROM hub.event AS back WHERE back.source = '~hub' AND back.about IS NOT NULL
    AND back.about = event.epoch || '-' || event.seq AND back.type = 'reversal' AND back.partition = event.partition)"""
# An alert is about the entry that it tells of.
_IS_TOLD = """EXISTS (SELECT FROM hub.event AS told WHERE told.source = '~hub' AND told.about IS NOT NULL
    AND told.about = poison.epoch || '-' || poison.seq AND told.type = 'entry_set_aside'
    AND told.partition = poison.partition)"""
# A person looked at what was applied twice, and booked what was wrong.
_IS_SETTLED = """EXISTS (SELECT FROM hub.event AS told JOIN hub.alert_settled USING (partition, epoch, seq)
    WHERE told.source = '~hub' AND told.about IS NOT NULL AND told.about = event.epoch || '-' || event.seq
      AND told.type = 'applied_twice' AND told.partition = event.partition)"""
# Rows of `doubled` and `poison` that are told one by one.
TOLD_MAX = 1_000

_STATE = """SELECT hub, hub_state.epoch, cursor_epoch, cursor_seq, last.epoch AS last_epoch, last.seq AS last_seq
    FROM hub.hub_state
    LEFT JOIN LATERAL (
        SELECT epoch, seq FROM (
            (SELECT epoch, seq FROM hub.event WHERE partition = $1 ORDER BY epoch DESC, seq DESC LIMIT 1)
            UNION ALL
            (SELECT epoch, seq FROM hub.poison WHERE partition = $1 ORDER BY epoch DESC, seq DESC LIMIT 1)) AS ends
        ORDER BY epoch DESC, seq DESC LIMIT 1) AS last ON true
    WHERE partition = $1"""

_IN_RANGE = """(SELECT seq FROM hub.event WHERE partition = $1 AND epoch = $2 AND seq >= $3 AND seq < $4
    UNION ALL SELECT seq FROM hub.poison WHERE partition = $1 AND epoch = $2 AND seq >= $3 AND seq < $4)"""

_COUNT = f"SELECT count(DISTINCT seq) FROM {_IN_RANGE} AS numbers"
_LAST_OF = f"SELECT max(seq) FROM {_IN_RANGE} AS numbers"

# Each number beside the one before it; the range's ends stand for its neighbours.
_GAPS = f"""SELECT before + 1 AS first, seq - 1 AS last
    FROM (SELECT seq, lag(seq, 1, $3 - 1) OVER (ORDER BY seq) AS before
          FROM ({_IN_RANGE} UNION ALL SELECT $4) AS numbers) AS pairs
    WHERE seq > before + 1 ORDER BY seq LIMIT {GAPS_TOLD_MAX}"""

_BALANCES = """SELECT sku, location, bucket, sum(units) AS units
    FROM hub.movement
    CROSS JOIN LATERAL (VALUES (to_bucket, quantity), (from_bucket, -quantity)) AS sides(bucket, units)
    WHERE sku = ANY($2::text[]) AND partition = $1 AND (epoch, seq) < ($3, $4)
    GROUP BY sku, location, bucket"""

_TRANSIT = """SELECT sku, bucket, sum(units) AS units
    FROM hub.movement
    CROSS JOIN LATERAL (VALUES (to_bucket, quantity), (from_bucket, -quantity)) AS sides(bucket, units)
    WHERE sku = ANY($2::text[]) AND partition = $1 AND (epoch, seq) < ($3, $4) AND bucket = ANY($5::text[])
    GROUP BY sku, bucket"""

# A step into the index for each SKU, where DISTINCT would read all movements of all SKUs.
_SKUS = """WITH RECURSIVE named AS (
    (SELECT sku, 1 AS number FROM hub.movement WHERE sku > $1 ORDER BY sku LIMIT 1)
    UNION ALL
    SELECT following.sku, named.number + 1
    FROM named
    CROSS JOIN LATERAL (SELECT sku FROM hub.movement WHERE movement.sku > named.sku ORDER BY sku LIMIT 1) AS following
    WHERE named.number < $2)
    SELECT sku FROM named"""

_ENTRIES = """SELECT epoch, seq, entry FROM hub.event
    WHERE partition = $1 AND (epoch, seq) >= ($2, $3) AND (epoch, seq) <= ($4, $5)
    UNION ALL SELECT epoch, seq, entry FROM hub.poison
    WHERE partition = $1 AND (epoch, seq) >= ($2, $3) AND (epoch, seq) <= ($4, $5)"""

_SHOWN = """SELECT DISTINCT ON (sku, pool) sku, pool, changes FROM hub.shown
    WHERE sku = ANY($2::text[]) AND partition = $1 AND epoch = $3 AND seq < $4
    ORDER BY sku, pool, seq DESC"""


class Sums:
    """Sums of one partition. For one user at a time; close it."""

    def __init__(self, link: Link, partition: int = PARTITION) -> None:
        self._link = link
        self._partition = partition
        # Over the same connection.
        self.recorded = Recorded(link, partition)
        self.checkpoints = Checkpoints(link, partition)

    async def state(self) -> Ledger | None:
        """What the ledger says of itself, None when it never belonged to a hub.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        async with self._asking() as connection:
            row = await connection.fetchrow(_STATE, self._partition)
        if row is None:
            return None
        last = None if row["last_epoch"] is None else Seq(row["last_epoch"], row["last_seq"], self._partition)
        return Ledger(str(row["hub"]), row["epoch"], cursor_of(row, self._partition), last)

    async def is_being_healed(self) -> bool:
        """Whether somebody makes Redis anew now."""
        async with self._asking() as connection:
            return await is_healing(connection, self._partition)

    async def gaps(self, last: Seq) -> list[Gap]:
        """Numbers that are missing at or below `last`, the first twenty runs of them."""
        found: list[Gap] = []
        for epoch in range(1, last.epoch + 1):
            end = last.number if epoch == last.epoch else await self._last_of(epoch)
            for first in range(0, end + 1, NUMBERS_PER_SELECT):
                beyond = min(first + NUMBERS_PER_SELECT, end + 1)
                found += await self._gaps_within(epoch, first, beyond)
                if len(found) >= GAPS_TOLD_MAX:
                    return found[:GAPS_TOLD_MAX]
        return found

    async def _last_of(self, epoch: int) -> int:
        async with self._asking() as connection:
            last = await connection.fetchval(_LAST_OF, self._partition, epoch, 0, 2**62)
        return -1 if last is None else int(last)

    async def _gaps_within(self, epoch: int, first: int, beyond: int) -> list[Gap]:
        async with self._asking() as connection:
            if await connection.fetchval(_COUNT, self._partition, epoch, first, beyond) == beyond - first:
                return []
            rows = await connection.fetch(_GAPS, self._partition, epoch, first, beyond)
        return [
            Gap(Seq(epoch, row["first"], self._partition), Seq(epoch, row["last"], self._partition)) for row in rows
        ]

    async def set_aside(self) -> tuple[list[tuple[Seq, str, str]], list[tuple[Seq, str]]]:
        """What was set aside: facts that took effect twice and were not taken back (seq, source, id), and entries that
        could not be booked and that no alert in the ledger tells of (seq, problem).
        """
        async with self._asking() as connection:
            doubled = await connection.fetch(
                f"""SELECT epoch, seq, source, id FROM hub.event
                    WHERE partition = $1 AND kind = 'doubled' AND NOT {_TAKEN_BACK} AND NOT {_IS_SETTLED}
                    ORDER BY epoch, seq LIMIT {TOLD_MAX}""",
                self._partition,
            )
            poison = await connection.fetch(
                f"""SELECT epoch, seq, problem FROM hub.poison WHERE partition = $1 AND NOT {_IS_TOLD}
                    ORDER BY epoch, seq LIMIT {TOLD_MAX}""",
                self._partition,
            )
        return (
            [(Seq(row["epoch"], row["seq"], self._partition), row["source"], row["id"]) for row in doubled],
            [(Seq(row["epoch"], row["seq"], self._partition), row["problem"]) for row in poison],
        )

    async def told_aside(self) -> list[tuple[Seq, bytes]]:
        """Entries that could not be booked, each told by an alert, byte for byte; the newest ones, newest first."""
        async with self._asking() as connection:
            rows = await connection.fetch(
                f"""SELECT epoch, seq, entry FROM hub.poison WHERE partition = $1 AND {_IS_TOLD}
                    ORDER BY epoch DESC, seq DESC LIMIT {TOLD_MAX}""",
                self._partition,
            )
        return [(Seq(row["epoch"], row["seq"], self._partition), row["entry"]) for row in rows]

    async def balances(self, skus: Sequence[str], before: Seq) -> dict[str, dict[tuple[str, str], int]]:
        """By SKU and (location, bucket): what movements before an entry brought less what they took."""
        if len(skus) > SKUS_PER_SELECT_MAX:
            raise ValueError(f"more than {SKUS_PER_SELECT_MAX} SKUs in one question")
        asked = [sku for sku in skus if "\0" not in sku]
        async with self._asking() as connection:
            rows = await connection.fetch(_BALANCES, self._partition, asked, before.epoch, before.number)
        found: dict[str, dict[tuple[str, str], int]] = {}
        for row in rows:
            found.setdefault(row["sku"], {})[row["location"], row["bucket"]] = int(row["units"])
        return found

    async def in_transit(self, transfers: Sequence[str], skus: Iterable[str], before: Seq) -> dict[str, dict[str, int]]:
        """By transfer and SKU: units between two locations, by the movements of these SKUs before an entry."""
        buckets = [TRANSIT + transfer for transfer in transfers]
        async with self._asking() as connection:
            rows = await connection.fetch(_TRANSIT, self._partition, list(skus), before.epoch, before.number, buckets)
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["bucket"].removeprefix(TRANSIT), {})[row["sku"]] = int(row["units"])
        return found

    async def skus_after(self, name: str, count: int) -> list[str]:
        """The next SKUs that have a movement, in the order of their bytes."""
        async with self._asking() as connection:
            rows = await connection.fetch(_SKUS, name, count)
        return [row["sku"] for row in rows]

    async def entries(self, first: Seq, last: Seq) -> dict[Seq, bytes]:
        """The bytes of all entries from one place to another."""
        async with self._asking() as connection:
            rows = await connection.fetch(_ENTRIES, self._partition, first.epoch, first.number, last.epoch, last.number)
        return {Seq(row["epoch"], row["seq"], self._partition): row["entry"] for row in rows}

    async def changes(self, skus: Sequence[str], before: Seq) -> dict[str, dict[str, int]]:
        """By SKU and pool: how often the shown value had changed by the entries before one of this epoch."""
        asked = [sku for sku in skus if "\0" not in sku]
        async with self._asking() as connection:
            rows = await connection.fetch(_SHOWN, self._partition, asked, before.epoch, before.number)
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["sku"], {})[row["pool"]] = row["changes"]
        return found

    def _asking(self) -> AbstractAsyncContextManager[asyncpg.Connection]:
        return self._link.use("The ledger cannot be asked for its sums")

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.aclose()
