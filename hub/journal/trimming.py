"""Give Redis its memory back: old journal entries and old dedupe records, only behind the ledger.

Rules: the journal is never trimmed by length, only up to a place the ledger has committed; a day of dedupe records
goes when the ledger has that day whole and it ended at least 7 days ago.
"""

from collections.abc import Callable

from redis.asyncio import Redis

from hub.crashpoints import crash
from hub.domain.entry import Seq
from hub.domain.remembering import DAY_MS, REMEMBERED_DAYS
from hub.journal.reader import asked

# Entries left behind the ledger's cursor, for readers that resume.
KEEP_ENTRIES = 1_000
_DOING = "The journal cannot be trimmed"

# Days dropped in one step: a hub that slept for years must not send one huge command.
_DAYS_PER_STEP_MAX = 400


async def trim(client: Redis, key: str, behind: Seq, keep: int, *, approximate: bool = True) -> int:
    """Drop the entries that lie more than `keep` behind the ledger's cursor; answers how many went.

    `keep` is at least 1, so the stream always shows where the ledger is. Entries of an earlier epoch stay until
    the present one has `keep` entries of its own. An approximate trim drops whole nodes only, never more.

    Raises:
        Unavailable: Redis did not answer.
    """
    assert keep >= 1
    oldest_kept = behind.number - keep + 1
    if oldest_kept <= 0:
        return 0
    oldest = Seq(behind.epoch, oldest_kept).stream_id
    dropped: int = await asked(_DOING, lambda: client.xtrim(key, minid=oldest, approximate=approximate))
    return dropped


async def drop_seen_days(
    client: Redis, meta: str, seen: Callable[[int], str], ahead: str, *, ledger_booked_at_ms: int
) -> int:
    """Drop whole days of dedupe records and move `seen_from` in `meta` with them; answers how many days went.

    What `ahead` says of those days goes with them: the kernel asks the ledger about every id of a day that early.

    `ledger_booked_at_ms` is when the ledger's last entry was booked. Booking times never go back, so every day
    before that one is in the ledger whole, and a day that ended 7 days before it is past its time too.

    Raises:
        Unavailable: Redis did not answer.
    """
    first_live = ledger_booked_at_ms // DAY_MS - REMEMBERED_DAYS
    told: bytes | None = await asked(_DOING, lambda: client.hget(meta, "seen_from"))
    if told is None or int(told) >= first_live:
        return 0
    oldest = int(told)
    first_kept = min(first_live, oldest + _DAYS_PER_STEP_MAX)
    async with client.pipeline(transaction=True) as transaction:
        transaction.unlink(*(seen(day) for day in range(oldest, first_kept)))
        transaction.hset(meta, "seen_from", str(first_kept))
        await asked(_DOING, transaction.execute)
    await asked(_DOING, lambda: _drop_ahead(client, ahead, first_kept))
    return first_kept - oldest


async def _drop_ahead(client: Redis, ahead: str, first_kept: int) -> None:
    async for member in client.sscan_iter(ahead, count=500):
        if int(member.rpartition(b":")[2]) < first_kept:
            await client.srem(ahead, member)


class Trimmer:
    """Both kinds of trimming for one journal; called by whoever moves the ledger's cursor."""

    def __init__(
        self,
        client: Redis,
        *,
        journal: str,
        meta: str,
        seen: Callable[[int], str],
        ahead: str,
        keep: int = KEEP_ENTRIES,
    ) -> None:
        self._client = client
        self._journal = journal
        self._meta = meta
        self._seen = seen
        self._ahead = ahead
        self._keep = keep

    async def __call__(self, behind: Seq, ledger_booked_at_ms: int) -> None:
        """Trim behind the ledger's cursor, whose entry was booked at `ledger_booked_at_ms`.

        Raises:
            Unavailable: Redis did not answer.
        """
        await trim(self._client, self._journal, behind, self._keep)
        if crash.armed and await crash.at("journal trimmed"):
            await trim(self._client, self._journal, behind, self._keep)
        await drop_seen_days(self._client, self._meta, self._seen, self._ahead, ledger_booked_at_ms=ledger_booked_at_ms)
