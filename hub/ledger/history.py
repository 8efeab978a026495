"""What a pool showed of a SKU at any time, and which entry made it so."""

from hub.domain.buckets import fence_of_bucket
from hub.domain.entry import PARTITION, Entry, Seq, decode_entry
from hub.domain.findings import Looked, Then
from hub.domain.pools import Status, View
from hub.ledger.asking import Asking
from hub.ledger.rows import instant, ms_of

DEADLINE_SECONDS = 2.0

# One statement, so that the ledger's place and what is found are of the same moment.
_SELECT = """SELECT found.*,
        (SELECT booked_at FROM hub.hub_state JOIN hub.event
            ON (event.partition, event.epoch, event.seq) = (hub_state.partition, cursor_epoch, cursor_seq)
         WHERE hub_state.partition = $1) AS newest
    FROM (SELECT 1) AS always
    LEFT JOIN LATERAL (
        SELECT shown.partition, shown.sku, shown.pool, shown.booked_at, shown.changes, shown.available, shown.capped,
            shown.status, shown.eta, cause.epoch, cause.seq, cause.kind, cause.type, cause.source, cause.id, cause.time,
            cause.payload, cause.entry
        FROM (SELECT * FROM hub.shown WHERE partition = $1 AND sku = $2 AND pool = $3 AND booked_at <= $4
              ORDER BY booked_at DESC, epoch DESC, seq DESC LIMIT 1) AS shown
        JOIN hub.event USING (partition, epoch, seq)
        -- A SKU is recomputed because the rules changed: that change is what made it so.
        LEFT JOIN LATERAL (
            SELECT * FROM hub.event AS rules
            WHERE event.kind = 'refresh' AND rules.kind = 'rules' AND rules.partition = $1
              AND (rules.epoch, rules.rules_version) = (event.epoch, event.rules_version)
            ORDER BY rules.seq LIMIT 1) AS rules ON true
        JOIN hub.event AS cause ON cause.partition = shown.partition
            AND cause.epoch = coalesce(rules.epoch, event.epoch) AND cause.seq = coalesce(rules.seq, event.seq)
        ) AS found ON true"""


class History:
    """Time travel over what pools showed."""

    def __init__(self, asking: Asking, *, partition: int = PARTITION) -> None:
        self._asking = asking
        self._partition = partition

    async def shown_at(self, pool: str, sku: str, at_ms: int) -> Looked:
        """What the pool showed of the SKU at a time, UTC milliseconds.

        Raises:
            Unavailable: Postgres did not answer in time.
        """
        [row] = await self._asking.fetch(_SELECT, self._partition, sku, pool, instant(at_ms))
        newest_ms = ms_of(row["newest"]) if row["newest"] else 0
        if row["seq"] is None:
            return Looked(None, newest_ms)
        view = View(
            changes=row["changes"],
            at_ms=ms_of(row["booked_at"]),
            available=row["available"],
            status=Status[row["status"]],
            capped=int(row["capped"]),
            eta_ms=ms_of(row["eta"]) if row["eta"] else 0,
        )
        seq = Seq(row["epoch"], row["seq"], self._partition)
        what = (row["kind"], row["type"], row["source"], row["id"], ms_of(row["time"]), row["payload"])
        return Looked(Then(seq, view, *what, *_touched(decode_entry(row["entry"]))), newest_ms)


def _touched(entry: Entry) -> tuple[frozenset[str], frozenset[str]]:
    """The locations where an entry changed stock, and the pools whose fences it changed."""
    pools = {fence_of_bucket(bucket) for move in entry.movements for bucket in (move.from_bucket, move.to_bucket)}
    return frozenset(position.location for position in entry.positions), frozenset(pools - {""})
