"""What is in the ledger stays as it is: the writer may only add rows, and its cursor only goes forward."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from hub.domain.entry import Seq
from hub.embedded.binaries import postgres_binaries
from hub.embedded.servers import EmbeddedServers
from hub.ledger import rights
from hub.ledger.connection import Link
from hub.ledger.opening import open_ledger
from tests.databases import new_database
from tests.stock.opened import opened

Ledger = asyncpg.Connection
WriteSales = Callable[[int, int], Awaitable[None]]
RunWriter = Callable[..., Any]

# Whoever adds rows is asked, as who it is there, whether it might do more with what it has just written.
ASKED = f"""CREATE TABLE public.asked (written text, may_change boolean);
    GRANT INSERT ON public.asked TO PUBLIC;
    CREATE FUNCTION public.ask() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.asked SELECT TG_TABLE_NAME, has_table_privilege(TG_RELID, '{rights.REFUSED}');
        RETURN NULL;
    END $$;
    CREATE TRIGGER asked AFTER INSERT ON hub.event EXECUTE FUNCTION public.ask();
    CREATE TRIGGER asked AFTER INSERT ON hub.movement EXECUTE FUNCTION public.ask()"""
CHANGES = ("UPDATE hub.{} SET epoch = 9", "DELETE FROM hub.{}", "TRUNCATE hub.{}")


async def kept_tables(ledger: Ledger) -> list[str]:
    """The tables that rows are only added to, with their months."""
    rows = await ledger.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'hub'::regnamespace AND relkind IN ('r', 'p')"
    )
    return [row["relname"] for row in rows if row["relname"].startswith(rights.APPEND_ONLY)]


@asynccontextmanager
async def plain_user(ledger: Ledger, dsn: str) -> AsyncIterator[str]:
    """The address of the database as a user of its own sees it, who is no superuser and may make no role."""
    user, database = f"plain_{uuid4().hex}", urlsplit(dsn).path[1:]
    await ledger.execute(f"CREATE ROLE {user} LOGIN")
    await ledger.execute(f'GRANT CREATE ON DATABASE "{database}" TO {user}')
    parts = urlsplit(dsn)
    try:
        yield urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}"))
    finally:
        await ledger.execute(f"DROP OWNED BY {user} CASCADE")
        await ledger.execute(f"DROP ROLE {user}")


async def test_the_writers_connection_may_change_and_remove_nothing_that_is_written(
    ledger: Ledger, postgres_dsn: str, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await write_sales(0, 2)
    async with run_writer() as running:
        await running.reaches(1)
    tables = await kept_tables(ledger)
    assert {"event", "movement", "movement_2026_11", "movement_default", "shown", "count_line", "poison"} <= set(tables)

    link = Link(postgres_dsn, "writer", only_adds=True)
    async with link.use("a test") as connection:
        for table in tables:
            for change in CHANGES:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(change.format(table))
        for change in ("DELETE FROM hub.hub_state", "TRUNCATE hub.hub_state", "UPDATE hub.hub_state SET epoch = 9"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(change)
    await link.aclose()


async def test_the_writer_of_a_hub_works_without_the_rights_to_change_what_it_wrote(
    ledger: Ledger, redis_url: str, postgres_dsn: str
) -> None:
    await ledger.execute(ASKED)
    async with opened(redis_url, postgres_dsn) as hub:
        await hub.book(hub.fact("r-1"))
        await hub.ledger_has_all()
    assert {tuple(row) for row in await ledger.fetch("SELECT * FROM public.asked")} == {
        ("event", False),
        ("movement", False),
    }


async def test_a_user_who_is_no_superuser_takes_the_rights_from_itself_and_books_nevertheless(
    ledger: Ledger, postgres_dsn: str, write_sales: WriteSales, run_writer: RunWriter
) -> None:
    await ledger.execute("DROP SCHEMA hub CASCADE")
    await write_sales(0, 2)
    async with plain_user(ledger, postgres_dsn) as dsn:
        connection = await asyncpg.connect(dsn)
        await open_ledger(connection)
        async with run_writer(dsn=dsn) as running:
            await running.reaches(1)
        tables = await kept_tables(ledger)
        assert "movement_2026_11" in tables
        # No connection of the hub may, whatever it does there.
        for table in tables:
            for change in CHANGES:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(change.format(table))
        await connection.close()
        assert await ledger.fetchval("SELECT count(*) FROM hub.event") == 2


async def test_rights_that_a_copy_was_restored_without_are_taken_again_at_the_next_opening(
    ledger: Ledger, postgres_dsn: str
) -> None:
    await ledger.execute(f"DROP OWNED BY {rights.WRITER_ROLE}")
    async with plain_user(ledger, postgres_dsn) as dsn:
        user = urlsplit(dsn).username
        await ledger.execute("DROP SCHEMA hub CASCADE")
        connection = await asyncpg.connect(dsn)
        await open_ledger(connection)
        await ledger.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA hub TO {user}")
        await connection.execute("DELETE FROM hub.event")

        await open_ledger(connection)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM hub.event")
        await connection.close()


@pytest.mark.parametrize(
    "back",
    [
        "cursor_seq = 6",
        "cursor_epoch = 1, cursor_seq = 99",
        "cursor_epoch = NULL, cursor_seq = NULL",
        "epoch = 2, cursor_epoch = 1",
    ],
)
async def test_the_cursor_and_the_epoch_never_go_back(ledger: Ledger, back: str) -> None:
    await ledger.execute("UPDATE hub.hub_state SET epoch = 3, cursor_epoch = 2, cursor_seq = 7")

    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await ledger.execute(f"UPDATE hub.hub_state SET {back}")
    await ledger.execute("UPDATE hub.hub_state SET cursor_epoch = 3, cursor_seq = 0")


async def test_a_copy_that_was_restored_is_bound_again_and_goes_on_where_it_was(
    ledger: Ledger,
    postgres_dsn: str,
    write_sales: WriteSales,
    run_writer: RunWriter,
    servers: EmbeddedServers,
    tmp_path: Path,
) -> None:
    await write_sales(0, 3)
    async with run_writer() as running:
        await running.reaches(2)
    copy = tmp_path / "ledger.dump"
    await run_tool("pg_dump", "--format=custom", f"--file={copy}", postgres_dsn)

    assert servers.postgres_dsn is not None
    async with new_database(servers.postgres_dsn) as dsn:
        await run_tool("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", f"--dbname={dsn}", str(copy))
        restored = await asyncpg.connect(dsn)
        assert (await open_ledger(restored)).cursor == Seq(1, 2)
        await write_sales(3, 5)
        async with run_writer(dsn=dsn) as running:
            await running.reaches(4)
        link = Link(dsn, "writer", only_adds=True)
        async with link.use("a test") as connection:
            for table in await kept_tables(restored):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"DELETE FROM hub.{table}")
        await link.aclose()
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await restored.execute("UPDATE hub.hub_state SET cursor_seq = 0")
        assert await restored.fetchval("SELECT count(*) FROM hub.event") == 5
        await restored.close()


async def run_tool(name: str, *options: str) -> None:
    """Run one of the programs that come with the embedded Postgres."""
    server = await anext(postgres_binaries())
    program = server.path.with_name(name)
    process = await asyncio.create_subprocess_exec(str(program), *options, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
