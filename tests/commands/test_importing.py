"""`hub import`: files and standard input go to a running hub, and the exit code says whether all of it was booked."""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.commands.test_commands import ROOT, Told
from tests.intake.door import Door, open_door, settings_in
from tests.intake.importing import csv_of, on_hand

GOOD = csv_of([("CLI-1", "LON-KNB", 3), ("CLI-2", "DC-LYON", 4)])


@pytest.fixture
async def door(tmp_path: Path, redis_url: str, postgres_dsn: str) -> AsyncIterator[Door]:
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)) as opened:
        yield opened


async def run(door: Door, *arguments: str, cwd: Path, stdin: bytes = b"") -> Told:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hub", "import", *arguments, "--config", "hub.toml", "--url", door.url),
        cwd=cwd,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(stdin)
    assert process.returncode is not None
    return Told(process.returncode, out.decode(), err.decode())


async def test_a_file_is_booked_and_again_changes_nothing(door: Door, tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_bytes(GOOD)

    first = await run(door, "books.csv", cwd=tmp_path)
    again = await run(door, "books.csv", cwd=tmp_path)

    assert (first.code, again.code) == (0, 0), (first, again)
    assert first.out.startswith("Imported books.csv in ")
    assert "2 lines: 2 changed · 0 unchanged · 0 broken" in first.out
    assert "2 lines: 0 changed · 2 unchanged · 0 broken" in again.out
    assert await on_hand(door, "CLI-2") == {"DC-LYON": 4}


async def test_standard_input_may_be_packed_json_lines_and_broken_lines_are_listed(door: Door, tmp_path: Path) -> None:
    lines = gzip.compress(b'{"sku": "CLI-3", "quantity": 5}\n{"sku": "CLI-3", "quantity": -5}\n')

    told = await run(door, "-", "--location", "LON-KNB", "--kind", "physical", cwd=tmp_path, stdin=lines)

    assert told.code == 1, told
    assert "Imported standard input" in told.out
    assert "    line 2: quantity: Expected `int` >= 0." in told.out
    assert await on_hand(door, "CLI-3") == {"LON-KNB": 5}


async def test_an_import_that_must_be_whole_says_what_is_broken_and_books_nothing(door: Door, tmp_path: Path) -> None:
    (tmp_path / "books.csv").write_bytes(GOOD + b"CLI-4,ATLANTIS,1\n")

    told = await run(door, "books.csv", "--on-error", "abort", cwd=tmp_path)

    assert told.code == 1
    assert told.out == ("1 of 3 lines are broken; nothing was booked.\n    line 4: there is no location ATLANTIS\n")
    assert await on_hand(door, "CLI-1") == {}


@pytest.mark.parametrize(
    ("arguments", "about"),
    [(["none.csv"], "none.csv"), (["books.csv", "--token", "x"], "401"), (["books.csv", "--at", "now"], "400")],
)
async def test_what_cannot_be_imported_is_told(door: Door, tmp_path: Path, arguments: list[str], about: str) -> None:
    (tmp_path / "books.csv").write_bytes(GOOD)

    told = await run(door, *arguments, cwd=tmp_path)

    assert told.code == 2
    assert about in told.err.splitlines()[-1]
    assert told.err.splitlines()[-1].startswith("hub: ")
