"""How right the book was: what counts found, and which late events explain what they found."""

from hub.domain.entry import PARTITION
from hub.domain.findings import PHYSICAL, FoundVariance, Tally, Window
from hub.ledger.asking import Asking
from hub.ledger.rows import instant, ms_of

# A year of counts of a large house is some millions of rows.
DEADLINE_SECONDS = 10.0
VARIANCES_MAX = 100
LATE_EVENTS_MAX = 10

# What is left out of a window is left out of the question, or no index would serve it.
_COUNTED = f"""FROM hub.count_line
    WHERE partition = $1 AND kind = '{PHYSICAL}' AND counted_at >= $2 AND counted_at < $3"""
_TALLY = """SELECT location, count(*) AS counted, count(*) FILTER (WHERE abs(counted - book) <= $4) AS right,
        coalesce(sum(counted - book) FILTER (WHERE counted > book), 0)::bigint AS overs,
        coalesce(sum(book - counted) FILTER (WHERE counted < book), 0)::bigint AS shorts
    {counted} GROUP BY location ORDER BY location"""
_SKUS = "SELECT DISTINCT sku {counted} LIMIT $4"

# A late event had happened by the time of a count and came after it was opened: the kernel moves it between the account
# `variance` and what lies outside, by the shelf, where the entry that closes a count moves the difference itself. It
# belongs to the first count that saw it, so not to a count with an earlier one at or after its time; what came before
# the count was opened is in its book. It may have been opened in an earlier epoch than it was closed in: the entry that
# closes it says which.
_IS_SHELF = r"""({0} IN ('free', 'reserved', 'deficit') OR {0} LIKE 'ring\_fenced:%' OR {0} LIKE 'aside:%')"""
_OPENED_IN = """coalesce((SELECT split_part(about, '-', 1)::integer FROM hub.event AS closing
            WHERE (closing.partition, closing.epoch, closing.seq)
                = (count_line.partition, count_line.epoch, count_line.seq)), epoch)"""
_VARIANCES = f"""WITH worst AS (
        SELECT *, {_OPENED_IN} AS opened_in
        {{counted}} AND counted <> book ORDER BY abs(counted - book) DESC, counted_at DESC, sku LIMIT $4)
    SELECT worst.*, coalesce(late.explained, 0)::bigint AS explained, late.sources, late.ids
    FROM worst LEFT JOIN LATERAL (
        SELECT sum(CASE WHEN to_bucket = 'variance' THEN quantity ELSE -quantity END) AS explained,
               (array_agg(moved.source ORDER BY moved.epoch, moved.seq))[1:100] AS sources,
               (array_agg(moved.event_id ORDER BY moved.epoch, moved.seq))[1:100] AS ids
        FROM hub.movement AS moved
        WHERE moved.sku = worst.sku AND moved.location = worst.location AND moved.partition = worst.partition
          AND (from_bucket = 'variance' OR to_bucket = 'variance')
          AND NOT {_IS_SHELF.format("from_bucket")} AND NOT {_IS_SHELF.format("to_bucket")}
          AND moved.time <= worst.counted_at
          AND moved.time > coalesce(
              (SELECT max(before.counted_at) FROM hub.count_line AS before
               WHERE before.sku = worst.sku AND before.location = worst.location AND before.partition = worst.partition
                 AND before.is_newest AND before.counted_at <= worst.counted_at
                 AND (before.counted_at, before.epoch, before.seq) < (worst.counted_at, worst.epoch, worst.seq)),
              '-infinity')
          AND (moved.epoch, moved.seq) > (worst.opened_in, worst.opened_by)) AS late ON true
    ORDER BY abs(counted - book) DESC, counted_at DESC, worst.sku"""


class Accuracy:
    """Physical counts against the book."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def counted_skus(self, window: Window, most: int) -> list[str]:
        """The SKUs that were counted, at most so many, in no order.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        counted, values = self._window(window)
        rows = await self._asking.fetch(_SKUS.format(counted=counted), *values[:3], most, *values[3:])
        return [row["sku"] for row in rows]

    async def tally(self, window: Window, tolerance: int) -> list[Tally]:
        """What the counts found, by location; right is what differs by at most `tolerance` units.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        counted, values = self._window(window)
        rows = await self._asking.fetch(_TALLY.format(counted=counted), *values[:3], tolerance, *values[3:])
        return [Tally(row["location"], row["counted"], row["right"], row["overs"], row["shorts"]) for row in rows]

    async def variances(self, window: Window) -> list[FoundVariance]:
        """The counts that differ most, largest first, at most 100.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        counted, values = self._window(window)
        rows = await self._asking.fetch(_VARIANCES.format(counted=counted), *values[:3], VARIANCES_MAX, *values[3:])
        return [
            FoundVariance(
                sku=row["sku"],
                location=row["location"],
                counted_at_ms=ms_of(row["counted_at"]),
                counted=row["counted"],
                book=row["book"],
                source=row["source"],
                id=row["event_id"],
                explained=row["explained"],
                # An event with several lines is named once.
                late_events=tuple(dict.fromkeys(zip(row["sources"] or (), row["ids"] or (), strict=True)))[
                    :LATE_EVENTS_MAX
                ],
            )
            for row in rows
        ]

    def _window(self, window: Window) -> tuple[str, list[object]]:
        """What stands behind SELECT, and its values; $4 is the question's own."""
        counted, values = _COUNTED, [self._partition, instant(window.from_ms), instant(window.to_ms)]
        for column, chosen in (("location", window.locations), ("sku", window.skus)):
            if chosen is not None:
                values.append(list(chosen))
                counted += f" AND {column} = ANY(${len(values) + 1}::text[])"
        return counted, values
