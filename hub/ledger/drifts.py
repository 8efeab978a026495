"""Which stock levels of third parties differ from ours, for every process and over restarts."""

from collections.abc import Collection, Sequence

import asyncpg

from hub.domain.drifting import DIFFERENCES_MAX, Difference, Told
from hub.ledger.asking import Asking
from hub.ledger.rows import instant, ms_of

DEADLINE_SECONDS = 5.0

_COLUMNS = "unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])"
# One that agrees again stays until whoever watches has seen it.
_NOTE = f"""WITH told AS (
        SELECT * FROM {_COLUMNS} AS one (sku, location, theirs, units, told_at)),
    known AS (
        UPDATE hub.drift SET theirs = told.theirs, units = told.units, told_at = told.told_at FROM told
        WHERE drift.source = $1 AND drift.sku = told.sku AND drift.location = told.location
            AND drift.told_at <= told.told_at)
    INSERT INTO hub.drift (source, sku, location, theirs, units, told_at, since)
    SELECT $1, told.*, date_trunc('milliseconds', now()) FROM told WHERE told.units <> 0
        AND (SELECT count(*) FROM hub.drift WHERE source = $1) < $7
    ON CONFLICT DO NOTHING"""
_ALL = "SELECT * FROM hub.drift ORDER BY source, since, sku, location LIMIT $1"
# Unless it was told anew meanwhile, and differs again.
_OVER = """DELETE FROM hub.drift USING unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
        AS gone (source, sku, location, told_at)
    WHERE drift.source = gone.source AND drift.sku = gone.sku AND drift.location = gone.location
        AND drift.told_at <= gone.told_at"""
_TOLD = """UPDATE hub.drift SET alert_at = coalesce(alert_at, now())
    WHERE source = $1 AND sku = $2 AND location = $3 AND since = $4"""
_OTHERS = "DELETE FROM hub.drift WHERE source <> ALL($1::text[])"
# Of all sources together.
_ROWS_MAX = 20_000


class Drifts:
    """The table of differences. Every call raises Unavailable when Postgres does not answer in time."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def note(self, source: str, told: Sequence[Told]) -> None:
        """Take what a source told of its levels; what agrees and was not known to differ leaves no trace."""
        columns: list[list[object]] = [
            [each.sku for each in told],
            [each.location for each in told],
            [each.theirs for each in told],
            [each.units for each in told],
            [instant(each.at_ms) for each in told],
        ]
        await self._asking.fetch(_NOTE, source, *columns, DIFFERENCES_MAX)

    async def all(self) -> list[Difference]:
        """What differed when it was told last, by source, the longest first."""
        return [_difference_of(row) for row in await self._asking.fetch(_ALL, _ROWS_MAX)]

    async def over(self, agreed: Sequence[Difference]) -> None:
        """Forget what agrees by now."""
        names = [[each.source for each in agreed], [each.sku for each in agreed], [each.location for each in agreed]]
        await self._asking.fetch(_OVER, *names, [instant(each.told_ms) for each in agreed])

    async def told(self, difference: Difference) -> None:
        """An alert told it."""
        await self._asking.fetch(
            _TOLD, difference.source, difference.sku, difference.location, instant(difference.since_ms)
        )

    async def keep_only(self, sources: Collection[str]) -> None:
        """Forget what other sources told: the house compares them no more."""
        await self._asking.fetch(_OTHERS, list(sources))


def _difference_of(row: asyncpg.Record) -> Difference:
    return Difference(
        *(row["source"], row["sku"], row["location"], row["theirs"], row["units"]),
        *(ms_of(row["told_at"]), ms_of(row["since"]), ms_of(row["alert_at"]) if row["alert_at"] else 0),
    )
