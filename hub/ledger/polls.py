"""How far each source was asked, and its pages: kept in the inbox in the same step that moves the cursor behind them.

Who asks a source holds a lock of its name in Postgres and writes over the same connection. What it was told and did not
keep is told again. An operator changes things without the lock; the `version` tells who asks.
"""

from collections.abc import Sequence

import asyncpg

from hub.domain.inbox import TOPIC_CHARS_MAX, Arrived, cut
from hub.domain.polling import PROBLEM_CHARS_MAX, Progress
from hub.ledger.connection import Link
from hub.ledger.inbox import text_of
from hub.ledger.locks import Locks
from hub.ledger.rows import instant, ms_of

# A page of four megabytes takes its time.
COMMAND_SECONDS = 15.0

_MAKE = "INSERT INTO hub.poll (source, stream, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_STATES = "SELECT * FROM hub.poll WHERE $1::text IS NULL OR source = $1 ORDER BY source, stream"
_STATE = "SELECT * FROM hub.poll WHERE source = $1 AND stream = $2"
_GO_ON = """UPDATE hub.poll SET since = $4, began_at = $5, cursor = $6, due_at = $7, attempts = $8, problem = $9,
        done_at = $10, found = $11
    WHERE source = $1 AND stream = $2 AND version = $3"""
# Due at once for whoever has time; what was delivered comes first.
_KEEP = """WITH made AS (
        INSERT INTO hub.inbox
            (source, delivery, received_at, topic, method, headers, query, body, digest, state, next_at)
        SELECT $1, page.*, 'kept', now() FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::bytea[], $9::bytea[]) AS page
        ON CONFLICT (source, delivery) DO NOTHING RETURNING number)
    SELECT count(*) FROM made"""
_FOUND = "UPDATE hub.poll SET found = found + $3 WHERE source = $1 AND stream = $2 RETURNING found"
_ASK = """INSERT INTO hub.poll (source, stream, since) VALUES ($1, $2, $3)
    ON CONFLICT (source, stream) DO UPDATE SET due_at = now(), attempts = 0, version = poll.version + 1,
        since = CASE WHEN $4 THEN excluded.since ELSE poll.since END,
        cursor = CASE WHEN $4 THEN '' ELSE poll.cursor END, began_at = CASE WHEN $4 THEN NULL ELSE poll.began_at END"""

Key = tuple[str, str]


class Polls:
    """The table of what was asked, over one connection for any number of callers in turn; close it."""

    def __init__(self, link: Link) -> None:
        self._locks = Locks(link, person=b"hub poll", doing="How far sources were asked cannot be read or written")

    async def hold(self, source: str) -> bool:
        """Be the process that asks a source, unless another one is.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        return await self._locks.hold(source)

    async def release(self, source: str) -> None:
        """Let another process ask it."""
        await self._locks.release(source)

    async def states(self, source: str | None = None) -> dict[Key, Progress]:
        """How far all sources were asked, those of earlier files among them, or one; by source and stream."""
        async with self._locks.use() as connection:
            rows = await connection.fetch(_STATES, source)
        return {(row["source"], row["stream"]): _progress_of(row) for row in rows}

    async def opened(self, source: str, stream: str, since_ms: int) -> Progress:
        """How far a stream was asked; one that nobody asked yet is from this time on.

        Raises:
            Unavailable: another process may ask it now, here and below.
        """
        async with self._locks.held(source) as connection:
            await connection.execute(_MAKE, source, stream, instant(since_ms))
            row = await connection.fetchrow(_STATE, source, stream)
        return _progress_of(row)

    async def note(self, source: str, stream: str, progress: Progress) -> bool:
        """Write how far it is; False where an operator changed something meanwhile: then nothing is written."""
        async with self._locks.held(source) as connection:
            return await _went_on(connection, source, stream, progress)

    async def keep(self, source: str, stream: str, progress: Progress, page: Sequence[Arrived]) -> int | None:
        """Keep a page and write how far that is, both or neither; how much of the walk was new so far, or None: nothing
        is written, as above."""
        async with self._locks.held(source) as connection, connection.transaction():
            if not await _went_on(connection, source, stream, progress):
                return None
            new = int(await connection.fetchval(_KEEP, source, *_columns(page))) if page else 0
            return int(await connection.fetchval(_FOUND, source, stream, new))

    async def ask(self, source: str, stream: str, since_ms: int, *, is_since: bool) -> None:
        """Have it asked soon, whoever does; `is_since`: from this time on, even where it was further."""
        async with self._locks.use() as connection:
            await connection.execute(_ASK, source, stream, instant(since_ms), is_since)

    async def aclose(self) -> None:
        """Close the connection, and let other processes ask."""
        await self._locks.aclose()


async def _went_on(connection: asyncpg.Connection, source: str, stream: str, progress: Progress) -> bool:
    at = [instant(ms) if ms else None for ms in (progress.began_ms, progress.done_ms)]
    done = await connection.execute(
        _GO_ON,
        *(source, stream, progress.version, instant(progress.since_ms), at[0], progress.cursor),
        *(instant(progress.due_ms), progress.attempts, cut(progress.problem, PROBLEM_CHARS_MAX), at[1], progress.found),
    )
    return str(done) == "UPDATE 1"


def _columns(page: Sequence[Arrived]) -> list[list[object]]:
    return [
        [each.delivery for each in page],
        [instant(each.received_at_ms) for each in page],
        [cut(each.topic, TOPIC_CHARS_MAX) for each in page],
        [each.method for each in page],
        [text_of(each.headers) for each in page],
        [text_of(each.query) for each in page],
        [each.body for each in page],
        [each.digest for each in page],
    ]


def _progress_of(row: asyncpg.Record) -> Progress:
    return Progress(
        since_ms=ms_of(row["since"]),
        began_ms=ms_of(row["began_at"]) if row["began_at"] else 0,
        cursor=row["cursor"],
        due_ms=ms_of(row["due_at"]),
        attempts=row["attempts"],
        problem=row["problem"],
        done_ms=ms_of(row["done_at"]) if row["done_at"] else 0,
        found=row["found"],
        version=row["version"],
    )
