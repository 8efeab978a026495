"""Ask the ledger what came onto a shelf and left it since it was counted, so that the count can be closed."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hub.domain.entry import PARTITION, Seq
from hub.ledger.connection import Link

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ROWS_PER_SELECT_MAX = 1_000

# A bucket of the shelf, or the account of what it owes; `hub.domain.buckets.is_shelf` says the same.
_IS_SHELF = r"""({0} IN ('free', 'reserved', 'deficit') OR {0} LIKE 'ring\_fenced:%' OR {0} LIKE 'aside:%')::integer"""

_ASKED = """FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::integer[], $6::bigint[])
        WITH ORDINALITY AS asked(sku, location, counted_at, epoch, seq, place)"""
_BEFORE = """movement.sku = asked.sku AND movement.location = asked.location AND movement.partition = $1
          AND (movement.epoch, movement.seq) < (asked.epoch, asked.seq)"""

# Nothing is booked before it happened, so the bound on booked_at spares the months before the count.
_SINCE = f"""SELECT coalesce(since.units, 0) AS units {_ASKED}
    CROSS JOIN LATERAL (
        SELECT sum(quantity * ({_IS_SHELF.format("to_bucket")} - {_IS_SHELF.format("from_bucket")})) AS units
        FROM hub.movement
        WHERE {_BEFORE} AND movement.booked_at > asked.counted_at AND movement.time > asked.counted_at) AS since
    ORDER BY asked.place"""

# What a count has seen goes between the account `variance` and outside, by the shelf. Where that count was overtaken
# before it was closed, or is newer than the one that is asked about, its difference does not stand for it here.
_PASSED = f"""SELECT coalesce(passed.units, 0) AS units {_ASKED}
    CROSS JOIN LATERAL (
        SELECT max(before.counted_at) AS counted_at FROM hub.count_line AS before
        WHERE before.sku = asked.sku AND before.location = asked.location AND before.partition = $1
          AND before.is_newest AND before.counted_at <= asked.counted_at
          AND (before.epoch, before.seq) < (asked.epoch, asked.seq)) AS booked
    CROSS JOIN LATERAL (
        SELECT sum(CASE WHEN to_bucket = 'variance' THEN quantity ELSE -quantity END) AS units
        FROM hub.movement
        WHERE {_BEFORE} AND (from_bucket = 'variance' OR to_bucket = 'variance')
          AND {_IS_SHELF.format("to_bucket")} + {_IS_SHELF.format("from_bucket")} = 0
          AND movement.time <= asked.counted_at
          AND movement.time > coalesce(booked.counted_at, '-infinity')) AS passed
    ORDER BY asked.place"""


class Since:
    """Sums of one partition's movements. For one user at a time; close it."""

    def __init__(self, link: Link, partition: int = PARTITION) -> None:
        self._link = link
        self._partition = partition

    async def units_since(self, rows: Sequence[tuple[str, str, int, Seq]]) -> list[int]:
        """What came onto the shelf less what left it, for each (SKU, location, counted at in ms, opening entry).

        Of what happened after the count, by entries before the opening one; the ledger must have all of those.

        Raises:
            Unavailable, ServerRefused: as `Link.use`.
        """
        return await self._units(_SINCE, rows)

    async def units_passed(self, rows: Sequence[tuple[str, str, int, Seq]]) -> list[int]:
        """What came less what went by the shelf, for each (SKU, location, counted at in ms, opening entry).

        Of what had happened by the count and came before the opening entry, but for what a count that was booked by
        then has seen; the ledger must have all of those.

        Raises:
            Unavailable, ServerRefused: as `Link.use`.
        """
        return await self._units(_PASSED, rows)

    async def _units(self, question: str, rows: Sequence[tuple[str, str, int, Seq]]) -> list[int]:
        if len(rows) > ROWS_PER_SELECT_MAX:
            raise ValueError(f"more than {ROWS_PER_SELECT_MAX} rows in one question")
        async with self._link.use("The ledger cannot be asked about a count") as connection:
            found = await connection.fetch(
                question,
                self._partition,
                [sku for sku, _, _, _ in rows],
                [location for _, location, _, _ in rows],
                [_EPOCH + timedelta(milliseconds=at_ms) for _, _, at_ms, _ in rows],
                [seq.epoch for _, _, _, seq in rows],
                [seq.number for _, _, _, seq in rows],
            )
        return [int(row["units"]) for row in found]

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.aclose()
