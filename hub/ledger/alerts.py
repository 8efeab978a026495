"""The alerts that the hub raised by itself, and which of them a person is done with."""

import asyncpg

from hub.domain.entry import PARTITION, Seq
from hub.domain.findings import OwnAlert, OwnAlerts, Settled
from hub.ledger.asking import Asking
from hub.ledger.rows import ms_of

# Of what the alerts of one page say; a single one may say more.
BYTES_MAX = 4 * 1024 * 1024
# No entry lies behind it.
END = Seq(2**31 - 1, 2**63 - 1)

_PAGE = """SELECT * FROM (
    SELECT *, count(*) OVER () AS examined, row_number() OVER place AS number,
           sum(octet_length(payload)) OVER place AS bytes
    FROM (
        SELECT epoch, seq, type, booked_at, about, payload, settled_at, settled_by, why
        FROM hub.event LEFT JOIN hub.alert_settled USING (partition, epoch, seq)
        WHERE partition = $1 AND kind = 'alert' AND (epoch, seq) < ($2, $3) AND ($4::text IS NULL OR type = $4)
          AND NOT ($5 AND settled_at IS NOT NULL)
        ORDER BY epoch DESC, seq DESC LIMIT $6) AS alerts
    WINDOW place AS (ORDER BY epoch DESC, seq DESC)) AS measured
    WHERE (bytes <= $7 OR number = 1) AND number < $6 ORDER BY epoch DESC, seq DESC"""
_SETTLE = """INSERT INTO hub.alert_settled (partition, epoch, seq, settled_by, why)
    SELECT partition, epoch, seq, $4, $5 FROM hub.event
    WHERE (partition, epoch, seq) = ($1, $2, $3) AND kind = 'alert' ON CONFLICT DO NOTHING"""
_SETTLED = "SELECT settled_at, settled_by, why FROM hub.alert_settled WHERE (partition, epoch, seq) = ($1, $2, $3)"


class Alerts:
    """The alerts of one partition. Every call raises Unavailable when Postgres does not answer in time."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def page(
        self, before: Seq | None, limit: int, *, type: str | None = None, is_open: bool = False
    ) -> OwnAlerts:
        """The next older ones, newest first: of one type or all, and only those that nobody settled if so asked."""
        behind = before or END
        rows = await self._asking.fetch(
            _PAGE, self._partition, behind.epoch, behind.number, type, is_open, limit + 1, BYTES_MAX
        )
        found = tuple(map(self._alert, rows))
        is_last = not rows or len(rows) == rows[0]["examined"]
        return OwnAlerts(found, None if is_last else found[-1].seq)

    async def settle(self, seq: Seq, by: str, why: str) -> Settled | None:
        """Say that a person is done with an alert; who said so first is answered. None: there is no such alert."""
        place = (self._partition, seq.epoch, seq.number)
        await self._asking.fetch(_SETTLE, *place, by, why)
        rows = await self._asking.fetch(_SETTLED, *place)
        return _settled(rows[0]) if rows else None

    def _alert(self, row: asyncpg.Record) -> OwnAlert:
        return OwnAlert(
            seq=Seq(row["epoch"], row["seq"], self._partition),
            type=row["type"],
            booked_at_ms=ms_of(row["booked_at"]),
            about=row["about"] or "",
            payload=row["payload"],
            settled=None if row["settled_at"] is None else _settled(row),
        )


def _settled(row: asyncpg.Record) -> Settled:
    return Settled(ms_of(row["settled_at"]), row["settled_by"], row["why"])
