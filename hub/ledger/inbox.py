"""The inbox: what third parties delivered, kept before they are answered, and what became of it.

Whoever is given a delivery has it for a while (`LEASE_SECONDS`) and settles it or puts it off; who dies has not, and
another is given it then. Booking it twice does nothing twice, for its events have ids.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from hub.domain.inbox import (
    LACKS_MAX,
    POLLED,
    TOPIC_CHARS_MAX,
    WHY_CHARS_MAX,
    Arrived,
    Backlog,
    Kept,
    Known,
    State,
    Told,
    cut,
)
from hub.faults import Unavailable
from hub.ledger.asking import Asking
from hub.ledger.rows import instant, ms_of

# A third party waits for five seconds in all.
DEADLINE_SECONDS = 2.0
# Connections that deliveries are kept over; what is looked for behind them takes longer.
CONNECTIONS = 3
WORK_SECONDS = 5.0
# Longer than one try to book a delivery takes.
LEASE_SECONDS = 120
# Deliveries given out, or deleted, at once: each may have a megabyte.
AT_ONCE_MAX = 20
DELETED_AT_ONCE_MAX = 1_000
# Names that parked deliveries lack, looked up at once.
LACKING_MAX = 10_000

_ROW = "number, source, delivery, received_at, topic, method, headers, query, body, digest, attempts"
_LEASE = f"now() + interval '{LEASE_SECONDS} seconds'"
# One that is parked and comes again is tried again.
_KEEP = f"""WITH made AS (
        INSERT INTO hub.inbox
            (source, delivery, received_at, topic, method, headers, query, body, digest, state, next_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'kept', {_LEASE})
        ON CONFLICT (source, delivery) DO NOTHING RETURNING {_ROW}),
    again AS (
        UPDATE hub.inbox SET next_at = {_LEASE}, attempts = 0
        WHERE source = $1 AND delivery = $2 AND state = 'parked' AND next_at <= now() RETURNING {_ROW})
    SELECT * FROM made UNION ALL SELECT * FROM again"""
_KNOWN = "SELECT state, why, digest FROM hub.inbox WHERE source = $1 AND delivery = $2"
# What was delivered goes before what was asked for.
_DUE = f"""UPDATE hub.inbox SET next_at = {_LEASE} WHERE number IN (
        SELECT number FROM hub.inbox WHERE state = 'kept' AND next_at <= now() AND source <> ALL($2::text[])
        ORDER BY method = '{POLLED}', next_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING {_ROW}"""
# It stays parked until something came of it, so that no list misses it meanwhile.
_AGAIN = f"""UPDATE hub.inbox SET next_at = {_LEASE}, attempts = 0 WHERE number IN (
        SELECT number FROM hub.inbox WHERE state = 'parked' AND number > $1 AND next_at <= now() {{which}}
        ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING {_ROW}"""
_SETTLE = """UPDATE hub.inbox SET state = $2, why = $3, lacks = $4, next_at = now(), settled_at = now()
    WHERE number = $1 AND state IN ('kept', 'parked')"""
_PUT_OFF = """UPDATE hub.inbox SET state = 'kept', next_at = now() + $2::float8 * interval '1 second', why = $3,
    attempts = attempts + $4::integer, settled_at = NULL WHERE number = $1 AND state IN ('kept', 'parked')"""
_LACKING = "SELECT DISTINCT unnest(lacks) AS name FROM hub.inbox WHERE state = 'parked' LIMIT $1"
_WAITING = """SELECT source, state, count(*) AS deliveries, min(received_at) AS oldest FROM hub.inbox
    WHERE state IN ('kept', 'parked') GROUP BY source, state"""
_TOLD = "number, source, delivery, topic, state, why, attempts, received_at"
_PAGE = f"""SELECT {_TOLD} FROM hub.inbox WHERE state = $1 AND number > $2 AND ($3::text IS NULL OR source = $3)
    ORDER BY number LIMIT $4"""
_ONE = f"SELECT {_ROW}, state, why FROM hub.inbox WHERE number = $1"
# What it said is nobody's any more.
_DISMISS = """UPDATE hub.inbox SET state = 'dismissed', body = '', headers = '{}', query = '{}', settled_at = now()
    WHERE number = $1 AND state = 'parked' RETURNING number"""
# What was asked for and brought nothing new is told again if it must be: a day is enough to know it by.
_CLEAR = f"""DELETE FROM hub.inbox WHERE number IN (SELECT number FROM hub.inbox
    WHERE state IN ('booked', 'ignored', 'dismissed') AND settled_at < now() - interval '1 day' *
        CASE WHEN method = '{POLLED}' AND state = 'ignored' THEN least($1::integer, 1) ELSE $1::integer END LIMIT $2)
    RETURNING number"""

_decode_fields = msgspec.json.Decoder(dict[str, str]).decode


class Inbox:
    """The deliveries of all sources. Every call raises Unavailable when Postgres does not answer in time."""

    def __init__(self, keeping: Sequence[Asking], asking: Asking) -> None:
        # Each commit waits for a disk; those of several connections wait for it together.
        self._keeping = keeping
        self._turn = 0
        self._asking = asking

    async def keep(self, arrived: Arrived) -> Kept | Known:
        """Keep a delivery and be given it; or what became of it, if it was here before."""
        self._turn = (self._turn + 1) % len(self._keeping)
        asking = self._keeping[self._turn]
        rows = await asking.fetch(
            _KEEP,
            *(arrived.source, arrived.delivery, instant(arrived.received_at_ms), cut(arrived.topic, TOPIC_CHARS_MAX)),
            *(arrived.method, text_of(arrived.headers), text_of(arrived.query), arrived.body, arrived.digest),
        )
        if rows:
            return _kept(rows[0])
        found = await asking.fetch(_KNOWN, arrived.source, arrived.delivery)
        if not found:
            raise Unavailable("the delivery was forgotten this very moment")
        return Known(found[0]["state"], found[0]["why"], found[0]["digest"])

    async def due(self, most: int, busy: Sequence[str]) -> list[Kept]:
        """Be given some that nobody has, of other sources than these."""
        rows = await self._asking.fetch(_DUE, min(most, AT_ONCE_MAX), list(busy))
        return [_kept(row) for row in rows]

    async def parked(self, behind: int, lacking: Sequence[str] | None = None) -> list[Kept]:
        """Be given some that are parked, behind a number, in the order they came; only those that lack one of these."""
        which, values = ("", ()) if lacking is None else ("AND lacks && $3::text[]", (list(lacking),))
        rows = await self._asking.fetch(_AGAIN.format(which=which), behind, AT_ONCE_MAX, *values)
        return sorted(map(_kept, rows), key=lambda kept: kept.number)

    async def parked_one(self, number: int) -> Kept | None:
        """Be given this one, if it is parked."""
        rows = await self._asking.fetch(_AGAIN.format(which="AND number = $3"), 0, 1, number)
        return _kept(rows[0]) if rows else None

    async def settle(self, number: int, state: State, why: str = "", lacks: Sequence[str] = ()) -> None:
        """Say what became of one."""
        names = [cut(name, WHY_CHARS_MAX) for name in lacks[:LACKS_MAX]]
        await self._asking.fetch(_SETTLE, number, state, cut(why, WHY_CHARS_MAX), names)

    async def put_off(self, number: int, seconds: float, why: str, *, has_failed: bool) -> None:
        """Let somebody try one again, later; whether the third party is why."""
        await self._asking.fetch(_PUT_OFF, number, seconds, cut(why, WHY_CHARS_MAX), int(has_failed))

    async def lacking(self) -> list[str]:
        """The names that parked ones lack."""
        return [row["name"] for row in await self._asking.fetch(_LACKING, LACKING_MAX)]

    async def waiting(self) -> dict[str, Backlog]:
        """What waits of each source."""
        found: dict[str, Backlog] = {}
        for row in await self._asking.fetch(_WAITING):
            state, before = row["state"], found.get(row["source"], Backlog())
            changes: dict[str, int] = {state: row["deliveries"]}
            if state == "kept":
                changes["oldest_kept_ms"] = ms_of(row["oldest"])
            found[row["source"]] = msgspec.structs.replace(before, **changes)
        return found

    async def page(self, state: State, behind: int, source: str | None, most: int) -> list[Told]:
        """Some in this state, of one source or of all, behind a number, in the order they came."""
        rows = await self._asking.fetch(_PAGE, state, behind, source, most)
        return [
            Told(*tuple(row)[:-1], ms_of(row["received_at"]))  # type: ignore[call-arg]  # in the order of `_TOLD`
            for row in rows
        ]

    async def one(self, number: int) -> tuple[Kept, State, str] | None:
        """A delivery whole, its state and why; it is not given to anybody."""
        rows = await self._asking.fetch(_ONE, number)
        return (_kept(rows[0]), rows[0]["state"], rows[0]["why"]) if rows else None

    async def dismiss(self, number: int) -> bool:
        """Wait no more for one that is parked, and forget what it said; False where it is not parked."""
        return bool(await self._asking.fetch(_DISMISS, number))

    async def clear(self, days: int) -> int:
        """Delete some of those that are over for so many days; how many."""
        return len(await self._asking.fetch(_CLEAR, days, DELETED_AT_ONCE_MAX))


def text_of(fields: Mapping[str, str]) -> str:
    """Headers or parameters as a row has them."""
    return msgspec.json.encode({cut(name, 1_000): cut(value, 10_000) for name, value in fields.items()}).decode()


def _kept(row: asyncpg.Record) -> Kept:
    fields: dict[str, Any] = {name: row[name] for name in ("source", "delivery", "topic", "method", "body", "digest")}
    arrived = Arrived(
        **fields,
        received_at_ms=ms_of(row["received_at"]),
        headers=_decode_fields(row["headers"]),
        query=_decode_fields(row["query"]),
    )
    return Kept(row["number"], arrived, row["attempts"])
