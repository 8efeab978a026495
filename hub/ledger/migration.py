"""Bring the ledger's schema up to this version: numbered files, forward only, each once.

A file that was applied is never changed (a checksum says so), and a database that knows a newer file than this
version is refused: an old hub must not write into a schema it does not understand.
"""

from hashlib import sha256
from pathlib import Path

import asyncpg
import msgspec

from hub.faults import ServerRefused
from hub.ledger.connection import translated

_DIRECTORY = Path(__file__).parent / "migrations"
# One migration at a time, whatever process runs it; the number is ours alone by convention ("hub" in ASCII).
SCHEMA_LOCK = 0x687562
# Making an index over years of events takes its time.
_MIGRATION_SECONDS = 3_600.0

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS hub.migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of its text, whatever line ends a checkout gave it."""
        return sha256(self.sql.encode()).hexdigest()


def migrations(directory: Path = _DIRECTORY) -> list[Migration]:
    """The migrations this version knows, in order; their numbers are 1, 2, 3, …"""
    known = [
        Migration(int(file.name.split("_")[0]), file.name, file.read_text(encoding="utf-8"))
        for file in sorted(directory.glob("*.sql"))
    ]
    assert [migration.number for migration in known] == list(range(1, len(known) + 1))
    return known


async def migrate(connection: asyncpg.Connection, directory: Path = _DIRECTORY) -> list[str]:
    """Apply what is missing, all of it or none; answers the names of the files applied now.

    Raises:
        ServerRefused: the schema is newer than this version, an applied file was changed, or we may not.
        Unavailable: Postgres does not answer.
    """
    with translated("The ledger's schema cannot be brought up to date"):
        async with connection.transaction():
            await connection.execute(f"SET LOCAL statement_timeout = {int(_MIGRATION_SECONDS * 1000)}")
            await connection.execute("SET LOCAL lock_timeout = '60s'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK, timeout=_MIGRATION_SECONDS)
            return await _apply_missing(connection, migrations(directory))


async def _apply_missing(connection: asyncpg.Connection, known: list[Migration]) -> list[str]:
    # A role that may not create schemas can still use one that was made for it.
    if await connection.fetchval("SELECT to_regnamespace('hub') IS NULL"):
        await connection.execute("CREATE SCHEMA hub")
    await connection.execute(_CREATE_TABLE)
    rows = await connection.fetch("SELECT number, name, checksum FROM hub.migration ORDER BY number")
    _check(rows, known)
    missing = known[len(rows) :]
    for migration in missing:
        await connection.execute(migration.sql, timeout=_MIGRATION_SECONDS)
        await connection.execute(
            "INSERT INTO hub.migration (number, name, checksum) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
    return [migration.name for migration in missing]


def _check(applied: list[asyncpg.Record], known: list[Migration]) -> None:
    if len(applied) > len(known):
        newest = applied[-1]["name"]
        raise ServerRefused(f"The ledger's schema is newer than this version of the hub: it has {newest}.")
    for row, migration in zip(applied, known, strict=False):
        if (row["number"], row["checksum"]) != (migration.number, migration.checksum):
            raise ServerRefused(f"The ledger was made with another {row['name']} than this version's {migration.name}.")
