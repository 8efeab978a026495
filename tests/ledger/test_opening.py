"""Opening makes the schema once, keeps what is there and refuses what it does not understand."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from hub.domain.entry import Seq
from hub.faults import ServerRefused
from hub.ledger.migration import migrate, migrations
from hub.ledger.opening import open_ledger


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A place for migrations of a test's own."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE hub.first (id integer);")
    return tmp_path


async def test_a_new_ledger_is_empty_and_begins_in_epoch_one(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        state = await open_ledger(connection)
    finally:
        await connection.close()

    assert (state.epoch, state.cursor, state.empty) == (1, None, True)


async def test_a_ledger_opened_again_is_the_same(ledger: asyncpg.Connection) -> None:
    first = await open_ledger(ledger)
    await ledger.execute("UPDATE hub.hub_state SET epoch = 3, cursor_epoch = 2, cursor_seq = 17")

    again = await open_ledger(ledger)

    assert (again.hub, again.epoch, again.cursor) == (first.hub, 3, Seq(2, 17))


async def test_a_ledger_with_an_entry_is_not_empty(ledger: asyncpg.Connection) -> None:
    await ledger.execute("INSERT INTO hub.poison VALUES (0, 1, 0, '', 'a test')")

    assert not (await open_ledger(ledger)).empty


async def test_processes_that_open_at_once_agree(postgres_dsn: str) -> None:
    connections = [await asyncpg.connect(postgres_dsn) for _ in range(4)]
    try:
        states = await asyncio.gather(*(open_ledger(connection) for connection in connections))
    finally:
        for connection in connections:
            await connection.close()

    assert len({state.hub for state in states}) == 1


async def test_only_missing_migrations_are_applied(ledger: asyncpg.Connection, directory: Path) -> None:
    await ledger.execute("DROP SCHEMA hub CASCADE")

    first = await migrate(ledger, directory)
    (directory / "0002_second.sql").write_text("ALTER TABLE hub.first ADD name text;")
    second = await migrate(ledger, directory)
    third = await migrate(ledger, directory)

    assert (first, second, third) == (["0001_first.sql"], ["0002_second.sql"], [])


async def test_a_migration_that_fails_leaves_nothing_behind(ledger: asyncpg.Connection, directory: Path) -> None:
    await ledger.execute("DROP SCHEMA hub CASCADE")
    (directory / "0002_second.sql").write_text("CREATE TABLE hub.second (id integer); SELECT nonsense;")

    with pytest.raises(ServerRefused):
        await migrate(ledger, directory)

    assert await ledger.fetchval("SELECT to_regnamespace('hub') IS NULL")


async def test_an_applied_file_that_was_changed_is_refused(ledger: asyncpg.Connection, directory: Path) -> None:
    await ledger.execute("DROP SCHEMA hub CASCADE")
    await migrate(ledger, directory)
    (directory / "0001_first.sql").write_text("CREATE TABLE hub.first (id bigint);")

    with pytest.raises(ServerRefused, match="0001_first"):
        await migrate(ledger, directory)


async def test_a_schema_newer_than_this_version_is_refused(ledger: asyncpg.Connection) -> None:
    await ledger.execute(
        "INSERT INTO hub.migration (number, name, checksum) VALUES ($1, '9999_tomorrow.sql', '')",
        len(migrations()) + 1,
    )

    with pytest.raises(ServerRefused, match="newer"):
        await open_ledger(ledger)
