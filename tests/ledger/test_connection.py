"""Connections have names and deadlines, their faults are ours, and the password stays where it is."""

import asyncio
from pathlib import Path

import pytest

from hub.faults import ServerRefused, SettingsInvalid, Unavailable
from hub.ledger.address import named_by
from hub.ledger.connection import Link, close, connect


@pytest.mark.parametrize(
    "dsn",
    [
        "nonsense://hub:geheim@127.0.0.1/ledger",
        "postgresql://hub:geheim@127.0.0.1:port/ledger",
        "postgresql://hub:geheim@127.0.0.1/ledger?sslmode=geheim",
    ],
)
async def test_an_address_that_cannot_be_read_is_a_setting_and_keeps_its_password(dsn: str) -> None:
    with pytest.raises(SettingsInvalid) as fault:
        await connect(dsn, "test")

    assert "geheim" not in str(fault.value)
    assert fault.value.__cause__ is None


async def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable) as fault:
        await connect("postgresql://hub:geheim@127.0.0.1:1/ledger", "test")

    assert str(fault.value) == "The ledger cannot be reached at 127.0.0.1:1: ConnectionRefusedError."


async def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as fault:
        await connect(f"postgresql://hub:geheim@/ledger?host={tmp_path}&port=5433", "test")

    assert str(fault.value) == f"The ledger cannot be reached at {tmp_path}/.s.PGSQL.5433: FileNotFoundError."


@pytest.mark.parametrize(
    ("dsn", "named"),
    [
        ("postgresql://db.example/ledger", " at db.example:5432"),
        ("postgresql://hub:geheim@db.example:6000/ledger", " at db.example:6000"),
        ("postgresql://hub:geheim@[fd00::7]/ledger", " at [fd00::7]:5432"),
        ("postgresql:///ledger?host=/run/postgresql&user=hub&password=geheim", " at /run/postgresql/.s.PGSQL.5432"),
        ("postgresql://hub:geheim@%2Frun%2Fpg/ledger", " at /run/pg/.s.PGSQL.5432"),
        ("postgresql://hub:geheim@one.example,two.example/ledger", ""),
        ("postgresql:///ledger", ""),
        # A password that is not written as it must be: what looks like the host is a part of it, or of who asks.
        ("postgresql://hub:1234/geheim@db.example/ledger", ""),
        ("postgresql://hub:1234?geheim=7@db.example/ledger", ""),
        ("postgresql://hub:1234#geheim@db.example/ledger", ""),
        ("postgresql://hub:geheim", ""),
    ],
)
def test_only_where_a_database_is_is_told(dsn: str, named: str) -> None:
    assert named_by(dsn) == named


async def test_a_database_that_is_not_there_is_refused(postgres_dsn: str) -> None:
    with pytest.raises(ServerRefused):
        await connect(postgres_dsn.replace("/test_", "/none_"), "test")


async def test_a_connection_is_named_and_has_deadlines_on_the_server(postgres_dsn: str) -> None:
    connection = await connect(postgres_dsn, "writer")
    names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    try:
        settings = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]
    finally:
        await close(connection)

    assert settings == ["hub writer", "4500ms", "2s", "10s"]


async def test_a_query_that_takes_too_long_is_unavailable_and_the_connection_is_made_again(
    postgres_dsn: str,
) -> None:
    link = Link(postgres_dsn, "test", command_seconds=0.2)

    with pytest.raises(Unavailable):
        async with link.use("It takes too long") as connection:
            await connection.execute("SELECT pg_sleep(10)")

    async with link.use("It is quick") as again:
        assert again is not connection
        assert await again.fetchval("SELECT 1") == 1
    await link.aclose()


async def test_a_cancelled_question_leaves_no_answer_for_the_next_one(postgres_dsn: str) -> None:
    link = Link(postgres_dsn, "test")

    async def ask(question: str) -> object:
        async with link.use("It is asked") as connection:
            return await connection.fetchval(question)

    assert await ask("SELECT 0") == 0
    for number in range(5):
        asked = asyncio.create_task(ask("SELECT -1 FROM pg_sleep(0.5)"))
        for _ in range(number):
            await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

        assert await ask(f"SELECT {number}") == number
    await link.aclose()


async def test_a_link_shows_no_password() -> None:
    assert "geheim" not in repr(Link("postgresql://hub:geheim@127.0.0.1/ledger", "test"))
