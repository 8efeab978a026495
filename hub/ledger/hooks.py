"""How far each hook was told of the feed, what of it was not taken yet, and which process sends to it.

Who sends to a hook holds a lock of its name in Postgres, and writes over the same connection: when that ends, so do
the lock and the right to write, and another process goes on within seconds. What was delivered and is not written then
is delivered again. An operator changes things without the lock; the `version` tells the sender.
"""

import asyncpg

from hub.domain.entry import PARTITION
from hub.domain.feed import BEGINNING, Place
from hub.domain.hooks import HookState, Late, Progress
from hub.faults import ServerRefused
from hub.ledger.connection import Link
from hub.ledger.locks import Locks
from hub.ledger.rows import instant, ms_of

# Hooks that are known, those of earlier files among them.
HOOKS_MAX = 1_000

# What is lost with the power of its machine is sent again.
_PREPARE = "SET synchronous_commit = off"
# From now on: the feed keeps what was before, for whoever asks for it. A writer at work may be one entry further.
_MAKE = """INSERT INTO hub.hook (partition, id, place)
    SELECT $1, $2, coalesce((SELECT ARRAY[cursor_epoch, cursor_seq, $3] FROM hub.hub_state
                             WHERE partition = $1 AND cursor_epoch IS NOT NULL), $4::bigint[])
    WHERE (SELECT count(*) FROM hub.hook WHERE partition = $1) < $5 ON CONFLICT DO NOTHING"""
_STATE = """SELECT hook.*, late.*, (
        SELECT booked_at FROM hub.event WHERE event.partition = hook.partition
            AND (epoch, seq) >= (hook.place[1], hook.place[2] + CASE WHEN hook.place[3] = $2 THEN 1 ELSE 0 END)
        ORDER BY epoch, seq LIMIT 1) AS behind_since
    FROM hub.hook, LATERAL (
        SELECT count(next_at) AS pending, count(*) - count(next_at) AS dead, min(next_at) AS due_at,
            (SELECT problem FROM hub.hook_delivery AS last WHERE last.partition = hook.partition AND last.hook = hook.id
             ORDER BY next_at DESC NULLS LAST LIMIT 1) AS problem
        FROM hub.hook_delivery AS one WHERE one.partition = hook.partition AND one.hook = hook.id) AS late
    WHERE hook.partition = $1"""
_DUE = """SELECT place, first_at, attempts, next_at, status, problem FROM hub.hook_delivery
    WHERE partition = $1 AND hook = $2 AND next_at <= $3 ORDER BY next_at, place LIMIT $4"""
_DEAD = """SELECT place, first_at, attempts, next_at, status, problem FROM hub.hook_delivery
    WHERE partition = $1 AND hook = $2 AND next_at IS NULL ORDER BY place LIMIT $3"""
_GO_ON = """UPDATE hub.hook SET place = $4, replay_at = $5, replay_until = $6,
        gone_at = CASE WHEN $7 THEN coalesce(gone_at, now()) END
    WHERE partition = $1 AND id = $2 AND version = $3"""
_TAKEN = "DELETE FROM hub.hook_delivery WHERE partition = $1 AND hook = $2 AND place = $3"
_LATE = """INSERT INTO hub.hook_delivery (partition, hook, place, first_at, attempts, next_at, status, problem)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (partition, hook, place) DO UPDATE SET first_at = excluded.first_at, attempts = excluded.attempts,
        next_at = excluded.next_at, status = excluded.status, problem = excluded.problem"""

_RESUME = "UPDATE hub.hook SET gone_at = NULL, version = version + 1 WHERE partition = $1 AND id = $2"
_REPLAY = """UPDATE hub.hook SET gone_at = NULL, version = version + 1, replay_at = $3, replay_until = $4
    WHERE partition = $1 AND id = $2 AND replay_at IS NULL"""
_HASTEN = "UPDATE hub.hook_delivery SET next_at = $3 WHERE partition = $1 AND hook = $2 AND next_at > $3"
_REVIVE = """UPDATE hub.hook_delivery SET first_at = $3, attempts = 0, next_at = $3
    WHERE partition = $1 AND hook = $2 AND next_at IS NULL"""


class Hooks:
    """The hooks of one ledger, for any number of callers in turn, over one connection; close it."""

    def __init__(self, link: Link, *, partition: int = PARTITION) -> None:
        self._locks = Locks(link, person=b"hub hook", doing="The ledger's hooks cannot be read or written")
        self._partition = partition

    async def hold(self, id: str) -> bool:
        """Be the process that sends to a hook, unless another one is.

        Raises:
            Unavailable, ServerRefused: as `Link.use`, here and below.
        """
        return await self._locks.hold(id, _PREPARE)

    async def release(self, id: str) -> None:
        """Let another process send to a hook."""
        await self._locks.release(id)

    async def make(self, id: str) -> None:
        """Know a hook from now on, whoever sends to it."""
        async with self._locks.use() as connection:
            await connection.execute(_MAKE, self._partition, id, BEGINNING.offset, list(BEGINNING), HOOKS_MAX)

    async def opened(self, id: str) -> HookState:
        """How far a hook was told; one that nobody knew yet is told what happens from now on.

        Raises:
            ServerRefused: there are too many of earlier files.
        """
        async with self._locks.held(id) as connection:
            await connection.execute(_MAKE, self._partition, id, BEGINNING.offset, list(BEGINNING), HOOKS_MAX)
            row = await self._row(connection, id)
        if row is None:
            raise ServerRefused(f"more than {HOOKS_MAX} hooks have been set up in this ledger")
        return _state_of(row)

    async def state(self, id: str) -> HookState | None:
        """How far a hook was told; None: it is not known."""
        async with self._locks.use() as connection:
            row = await self._row(connection, id)
        return None if row is None else _state_of(row)

    async def looked(self, id: str) -> HookState | None:
        """The same for who sends to it. Raises Unavailable: another process may send to it now."""
        async with self._locks.held(id) as connection:
            row = await self._row(connection, id)
        return None if row is None else _state_of(row)

    async def states(self) -> list[HookState]:
        """Every hook that is known, by name."""
        async with self._locks.use() as connection:
            rows = await connection.fetch(_STATE + " ORDER BY id", self._partition, BEGINNING.offset)
        return [_state_of(row) for row in rows]

    async def due(self, id: str, now: float, late_max: int) -> list[Late]:
        """What is to be tried again by now, the longest due first; times are seconds since 1970."""
        async with self._locks.held(id) as connection:
            rows = await connection.fetch(_DUE, self._partition, id, instant(int(now * 1000)), late_max)
        return [_late_of(row) for row in rows]

    async def dead(self, id: str, late_max: int) -> list[Late]:
        """What is tried no more, in the order of the feed."""
        async with self._locks.use() as connection:
            rows = await connection.fetch(_DEAD, self._partition, id, late_max)
        return [_late_of(row) for row in rows]

    async def note(self, id: str, version: int, progress: Progress) -> bool:
        """Write how far the sender came; False where an operator changed something meanwhile: then nothing is written.

        It may be lost with the power of Postgres's machine; what was delivered is delivered again then.
        """
        key = (self._partition, id)
        replay = [list(place) for place in progress.replay] if progress.replay else [None, None]
        values = (*key, version, list(progress.place), *replay, progress.is_gone)
        async with self._locks.held(id) as connection:
            if not progress.taken and not progress.late:
                return str(await connection.execute(_GO_ON, *values)) == "UPDATE 1"
            async with connection.transaction():
                if await connection.execute(_GO_ON, *values) != "UPDATE 1":
                    return False
                await connection.executemany(_TAKEN, [(*key, list(place)) for place in progress.taken])
                await connection.executemany(_LATE, [(*key, *_values_of(late)) for late in progress.late])
        return True

    async def hasten(self, id: str, now: float) -> None:
        """Have everything that is late and not dead be due now."""
        async with self._locks.held(id) as connection:
            await connection.execute(_HASTEN, self._partition, id, instant(int(now * 1000)))

    async def resume(self, id: str) -> bool:
        """Send again to a hook whose receiver wanted nothing more; False: there is no such hook."""
        async with self._locks.use() as connection:
            return str(await connection.execute(_RESUME, self._partition, id)) == "UPDATE 1"

    async def replay(self, id: str, after: Place, until: Place) -> bool:
        """Tell a stretch of the feed again; False: there is no such hook, or it is told one again already."""
        async with self._locks.use() as connection:
            done = await connection.execute(_REPLAY, self._partition, id, list(after), list(until))
        return str(done) == "UPDATE 1"

    async def revive(self, id: str, now: float) -> int:
        """Try what is tried no more, as if it had never been; how much that is."""
        async with self._locks.use() as connection, connection.transaction():
            await connection.execute(_RESUME, self._partition, id)
            done = await connection.execute(_REVIVE, self._partition, id, instant(int(now * 1000)))
        return int(str(done).rpartition(" ")[2])

    async def aclose(self) -> None:
        """Close the connection, and let other processes send."""
        await self._locks.aclose()

    async def _row(self, connection: asyncpg.Connection, id: str) -> asyncpg.Record | None:
        return await connection.fetchrow(_STATE + " AND id = $3", self._partition, BEGINNING.offset, id)


def _state_of(row: asyncpg.Record) -> HookState:
    replay = (Place(*row["replay_at"]), Place(*row["replay_until"])) if row["replay_at"] else None
    return HookState(
        id=row["id"],
        place=Place(*row["place"]),
        replay=replay,
        is_gone=row["gone_at"] is not None,
        version=row["version"],
        pending=row["pending"],
        dead=row["dead"],
        due_at=ms_of(row["due_at"]) / 1000 if row["due_at"] else 0.0,
        behind_since=ms_of(row["behind_since"]) / 1000 if row["behind_since"] else 0.0,
        problem=row["problem"] or "",
    )


def _late_of(row: asyncpg.Record) -> Late:
    next_at = ms_of(row["next_at"]) / 1000 if row["next_at"] else 0.0
    first_at = ms_of(row["first_at"]) / 1000
    return Late(Place(*row["place"]), first_at, row["attempts"], next_at, row["status"], row["problem"])


def _values_of(late: Late) -> tuple[object, ...]:
    next_at = instant(int(late.next_at * 1000)) if late.next_at else None
    first_at = instant(int(late.first_at * 1000))
    return list(late.place), first_at, late.attempts, next_at, late.status, late.problem
