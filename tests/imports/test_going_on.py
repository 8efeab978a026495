"""A hub that ends in mid-import takes it up again: each line is booked once, and what is told of it is exact."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.domain.entry import FIELD, decode_entry
from hub.faults import Unavailable
from hub.imports.pace import Pace
from hub.stock import keys
from hub.stock.booking import Booking
from tests.intake.door import Door, line, open_door, settings_in
from tests.intake.importing import csv_of, done, ended, on_hand, send, status

ROWS = [(f"GO-{i:03}", "LON-KNB", 5) for i in range(200)]


@pytest.mark.parametrize("counts_before", [0, 1, 3])
async def test_a_restart_in_mid_import_books_the_rest_and_nothing_twice(
    tmp_path: Path,
    redis_url: str,
    postgres_dsn: str,
    redis_client: Redis,
    counts_before: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    stuck = asyncio.Event()
    booked = 0
    really_book = Booking.book

    async def book(self, facts):  # type: ignore[no-untyped-def]
        nonlocal booked
        if facts[0].verb == "count" and booked == counts_before:
            # Booked, and the hub ends before it hears of it.
            await really_book(self, facts)
            stuck.set()
            await asyncio.Event().wait()
        booked += facts[0].verb == "count"
        return await really_book(self, facts)

    monkeypatch.setattr(Booking, "book", book)
    async with open_door(settings) as door:
        reply = await send(door, csv_of(ROWS))
        assert reply.status == 202
        await stuck.wait()
    monkeypatch.undo()

    async with open_door(settings) as door:
        told = await ended(door, reply.json()["id"])

        assert (told["state"], told["changed"], told["unchanged"]) == ("done", 200, 0)
        assert await on_hand(door, "GO-000") == await on_hand(door, "GO-199") == {"LON-KNB": 5}
        opened, closed = await counts_of(redis_client, "fact"), await counts_of(redis_client, "closed")
        assert len(opened) == len(set(opened)) > counts_before + 1
        assert sorted(closed) == sorted(opened)
        assert not list((tmp_path / "data" / "imports").glob("*.spool"))


async def counts_of(client: Redis, kind: str) -> list[str]:
    """The ids of the counts in the journal's entries of one kind, in their order."""
    found: Any = await client.xrange(keys.JOURNAL)
    entries = [decode_entry(fields[FIELD]) for _, fields in found]
    return [entry.id for entry in entries if entry.kind == kind and entry.type == "count"]


async def test_a_sale_between_the_end_and_the_restart_stays_sold(
    tmp_path: Path, redis_url: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    waits = asyncio.Event()

    async def turn(self: Pace) -> float:
        waits.set()
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr(Pace, "turn", turn)
    async with open_door(settings) as door:
        reply = await send(door, csv_of(ROWS))
        await waits.wait()
        assert (await status(door, reply.json()["id"]))["state"] == "running"
        await door.send(door.sale(line("GO-007", 2)))
    monkeypatch.undo()

    async with open_door(settings) as door:
        await ended(door, reply.json()["id"])
        assert await on_hand(door, "GO-007") == {"LON-KNB": 3}


async def test_what_was_being_received_when_the_hub_ended_is_thrown_away(
    tmp_path: Path, redis_url: str, postgres_dsn: str
) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    folder = tmp_path / "data" / "imports"
    folder.mkdir(parents=True)
    for name in ("a.part", "a.new", "a.spool"):
        (folder / name).write_text("half")

    async with open_door(settings) as door:
        assert [path.name for path in folder.iterdir() if path.suffix != ".lock"] == []
        assert (await door.get("/v1/imports", token=door.till)).json() == {"items": []}


async def test_an_import_whose_lines_are_lost_has_failed(tmp_path: Path, redis_url: str, postgres_dsn: str) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    async with open_door(settings) as door:
        told = await done(door, csv_of(ROWS[:1]), id="lost")
    [state] = (tmp_path / "data" / "imports").glob("*.json")
    state.write_text(state.read_text().replace('"state":"done"', '"state":"running"'))

    async with open_door(settings) as door:
        again = await status(door, told["id"])
        assert (again["state"], "lines" in again["detail"]) == ("failed", True)


async def test_a_store_that_is_away_is_waited_for(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    really_book = Booking.book
    tries = 0

    async def book(self, facts):  # type: ignore[no-untyped-def]
        nonlocal tries
        tries += 1
        outcomes = await really_book(self, facts)
        if tries == 2:
            raise Unavailable("Redis did not answer")
        return outcomes

    monkeypatch.setattr(Booking, "book", book)
    told = await done(door, csv_of(ROWS))

    assert (told["changed"], told["unchanged"]) == (200, 0)
    assert await on_hand(door, "GO-150") == {"LON-KNB": 5}


@pytest.fixture
async def door(tmp_path: Path, redis_url: str, postgres_dsn: str):  # type: ignore[no-untyped-def]
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)) as opened:
        yield opened
