"""Files that are dropped into a folder become the hub's books, once and whole."""

import asyncio
import gzip
import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.faults import Unavailable
from hub.imports import dropping
from hub.imports.pace import Pace
from hub.stock.booking import Booking
from protocol import limits
from tests.conftest import until_holds
from tests.intake.door import Door, line, open_door, settings_in
from tests.intake.importing import csv_of, on_hand

DROP = '\n[[drop]]\nfolder = "erp"\nsource = "erp"\n'
ROWS = [(f"DROP-{i:03}", "LON-KNB", 5) for i in range(120)]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "LOOK_SECONDS", 0.02)


@pytest.fixture
def erp(tmp_path: Path) -> Path:
    (tmp_path / "erp").mkdir()
    return tmp_path / "erp"


@pytest.fixture
def settings(tmp_path: Path, redis_url: str, postgres_dsn: str) -> Any:
    return settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra=DROP)


@pytest.fixture
async def door(settings: Any, erp: Path) -> AsyncIterator[Door]:
    async with open_door(settings) as opened:
        yield opened


def drop(erp: Path, name: str, content: bytes) -> None:
    (erp / f".{name}").write_bytes(content)
    (erp / f".{name}").rename(erp / name)


async def report(erp: Path, name: str, end: str = "done") -> str:
    """What is said of a file once it is put away."""
    found: list[Path] = []

    async def is_put_away() -> bool:
        found[:] = [path for path in (erp / end).glob(f"*-{name}.report.txt") if not (erp / name).exists()]
        return bool(found)

    await until_holds(is_put_away)
    return found[-1].read_text()


async def metric(door: Door, name: str) -> float:
    text = (await door.get(door.admin + "/metrics")).body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else -1.0


async def imports_of(door: Door) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await door.get("/v1/imports", token=door.token(["admin"]))).json()["items"]
    return items


async def test_a_file_is_taken_moved_and_each_broken_line_is_named(door: Door, erp: Path) -> None:
    drop(erp, "night.csv", csv_of(ROWS[:2]) + b"WATCH-OR,LON-KNB,none\nWATCH-OR,ATLANTIS,1\n")

    told = (await report(erp, "night.csv")).splitlines()

    assert await on_hand(door, "DROP-000") == {"LON-KNB": 5}
    assert told[0].startswith("night.csv of source erp, true as of ")
    assert told[0].endswith(": done")
    assert told[2:] == [
        "4 lines: 2 changed · 0 unchanged · 2 broken",
        "line 4: the quantity 'none' is not a whole number from 0 to 1,000,000",
        "line 5: there is no location ATLANTIS",
    ]
    assert await metric(door, 'hub_drop_files_total{end="done",source="erp"}') == 1
    assert await metric(door, 'hub_drop_usable{source="erp"}') == 1
    [item] = await imports_of(door)
    assert (item["kind"], item["state"]) == ("system", "done")


async def test_it_is_true_as_of_when_it_was_written(door: Door, erp: Path) -> None:
    first = csv_of([("BAG-NOIR", "LON-KNB", 5)])
    drop(erp, "first.csv", first)
    await report(erp, "first.csv")
    await door.send(door.sale(line("BAG-NOIR", 2)))

    # The book of before the sale, which came late: the sale stays sold.
    (erp / ".late.csv").write_bytes(first + b"\n")
    stamp = (await imports_of(door))[0]["at"]
    assert stamp
    [taken] = (erp / "done").glob("*-first.csv")
    os.utime(erp / ".late.csv", ns=(taken.stat().st_mtime_ns, taken.stat().st_mtime_ns))
    (erp / ".late.csv").rename(erp / "late.csv")
    late = await report(erp, "late.csv")

    assert "0 changed · 1 unchanged" in late
    assert await on_hand(door, "BAG-NOIR") == {"LON-KNB": 3}


@pytest.mark.parametrize("seconds", [2**33, 400_000_000_000], ids=["some century", "no year"])
async def test_a_file_of_a_time_to_come_is_taken_as_of_now(door: Door, erp: Path, seconds: int) -> None:
    (erp / ".night.csv").write_bytes(csv_of(ROWS[:2]))
    os.utime(erp / ".night.csv", (seconds, seconds))
    (erp / ".night.csv").rename(erp / "night.csv")

    said = await report(erp, "night.csv")

    assert "at a time to come; it was taken as of 20" in said
    assert "changed nothing" not in said
    assert await on_hand(door, ROWS[0][0]) == {"LON-KNB": 5}


async def test_the_same_file_again_changes_nothing_whatever_its_name_and_also_after_a_restart(
    settings: Any, erp: Path
) -> None:
    async with open_door(settings) as door:
        drop(erp, "night.csv", csv_of(ROWS[:1]))
        await report(erp, "night.csv")
        await door.send(door.sale(line("DROP-000", 2)))
        drop(erp, "again.csv", csv_of(ROWS[:1]))
        again = await report(erp, "again.csv")
        assert "The same books were taken as of " in again
        assert await on_hand(door, "DROP-000") == {"LON-KNB": 3}

    async with open_door(settings) as door:
        drop(erp, "third.csv", csv_of(ROWS[:1]))
        assert "this file changed nothing" in await report(erp, "third.csv")
        assert await on_hand(door, "DROP-000") == {"LON-KNB": 3}
        assert len(await imports_of(door)) == 1


async def test_a_file_that_is_still_written_to_is_left_until_it_is_whole(door: Door, erp: Path) -> None:
    text = csv_of(ROWS)
    looks = 0
    really_look = dropping.DropFolder.look

    with (erp / "slow.csv").open("wb", buffering=0) as file, pytest.MonkeyPatch.context() as patch:

        def look(self):  # type: ignore[no-untyped-def]
            nonlocal looks
            # Some more of it is there at each look.
            file.write(text[looks * 40 : (looks + 1) * 40])
            looks += 1
            return really_look(self)

        patch.setattr(dropping.DropFolder, "look", look)
        told = await report(erp, "slow.csv")

    assert looks * 40 > len(text)
    assert "120 lines: 120 changed · 0 unchanged · 0 broken" in told


async def test_a_file_that_changes_while_it_is_read_is_not_taken_before_it_rests(
    door: Door, erp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = b"LATE,LON-KNB,1\n"
    really_read = dropping._read
    reads = 0

    def read(stream):  # type: ignore[no-untyped-def]
        nonlocal reads
        reads += 1
        piece = really_read(stream)
        if not piece and reads < 4:
            with (erp / "night.csv").open("ab") as file:
                file.write(more)
        return piece

    monkeypatch.setattr(dropping, "_read", read)
    drop(erp, "night.csv", csv_of(ROWS[:1]))

    told = await report(erp, "night.csv")

    assert "2 lines: 2 changed" in told
    assert len(await imports_of(door)) == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("night.csv", b"article,quantity\nA,1\n", "The first line names the columns sku"),
        ("night.csv", b"", "There is nothing in it"),
        ("night.csv", b"sku,location,quantity\nA,ATLANTIS,1\n", "line 2: there is no location ATLANTIS"),
        ("night.csv.gz", b"no gzip", "The file is not gzip."),
        ("night.csv.gz", gzip.compress(csv_of(ROWS))[:-9], "The gzip is cut short."),
        ("night.csv.gz", gzip.compress(csv_of(ROWS)) * 2, "Something follows the gzip"),
        ("night.jsonl", b'{"sku": 1}\n', "line 1: sku: Expected `str`"),
    ],
)
async def test_what_cannot_be_booked_is_refused_with_the_reason(
    door: Door, erp: Path, name: str, content: bytes, why: str
) -> None:
    drop(erp, name, content)

    told = await report(erp, name, "refused")

    assert why in told
    assert [path.read_bytes() for path in (erp / "refused").glob(f"*-{name}")] == [content]
    assert await metric(door, 'hub_drop_files_total{end="refused",source="erp"}') == 1


async def test_what_is_too_large_is_refused_unread(door: Door, erp: Path) -> None:
    with (erp / ".huge").open("wb") as file:
        file.truncate(limits.IMPORT_BYTES_MAX + 1)
    (erp / ".huge").rename(erp / "huge.csv")

    assert f"more than {limits.IMPORT_BYTES_MAX} bytes" in await report(erp, "huge.csv", "refused")
    assert await imports_of(door) == []


async def test_packed_books_and_lines_of_json_are_taken_too(door: Door, erp: Path) -> None:
    drop(erp, "a.csv.gz", gzip.compress(csv_of(ROWS)))
    drop(erp, "b.jsonl", b'{"sku": "JSON", "location": "LON-KNB", "quantity": 2}\n')

    await report(erp, "a.csv.gz")
    await report(erp, "b.jsonl")

    assert await on_hand(door, "DROP-119") == {"LON-KNB": 5}
    assert await on_hand(door, "JSON") == {"LON-KNB": 2}


async def test_a_complete_drop_counts_the_rest_as_zero_and_refuses_what_is_broken(
    tmp_path: Path, redis_url: str, postgres_dsn: str, erp: Path
) -> None:
    extra = DROP + 'location = "LON-KNB"\ncomplete = true\n'
    async with open_door(settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra=extra)) as door:
        await door.send(door.event("receipt", location="LON-KNB", lines=[line("OLD", 4)]))
        drop(erp, "broken.csv", b"sku,quantity\nNEW,1\nOLD,x\n")
        broken = await report(erp, "broken.csv", "refused")
        drop(erp, "good.csv", b"sku,quantity\nNEW,1\n")
        good = await report(erp, "good.csv")

        assert "nothing was booked" in broken
        assert "1 unlisted counted as zero" in good
        assert (await on_hand(door, "OLD"), await on_hand(door, "NEW")) == ({"LON-KNB": 0}, {"LON-KNB": 1})


async def test_a_restart_in_the_middle_goes_on_with_the_same_import(
    settings: Any, erp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = asyncio.Event()
    really_book = Booking.book

    async def book(self, facts):  # type: ignore[no-untyped-def]
        outcomes = await really_book(self, facts)
        if facts[0].verb == "count":
            stuck.set()
            await asyncio.Event().wait()
        return outcomes

    with monkeypatch.context() as patch:
        patch.setattr(Booking, "book", book)
        async with open_door(settings) as door:
            drop(erp, "night.csv", csv_of(ROWS))
            await stuck.wait()
    assert (erp / "night.csv").exists()

    async with open_door(settings) as door:
        told = await report(erp, "night.csv")
        assert "120 lines: 120 changed · 0 unchanged" in told
        assert "The same books" not in told
        assert len(await imports_of(door)) == 1


async def test_another_process_goes_on_where_one_ended_and_never_both_take_a_file(
    tmp_path: Path, redis_url: str, postgres_dsn: str, erp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    made = []
    for folder in folders:
        folder.mkdir()
        extra = DROP.replace('"erp"', f'"{erp}"', 1)
        made.append(settings_in(folder, redis_url=redis_url, dsn=postgres_dsn, extra=extra))
    stuck = asyncio.Event()
    really_book = Booking.book

    async def book(self, facts):  # type: ignore[no-untyped-def]
        outcomes = await really_book(self, facts)
        if facts[0].verb == "count" and not stuck.is_set():
            stuck.set()
            await asyncio.Event().wait()
        return outcomes

    monkeypatch.setattr(Booking, "book", book)
    async with AsyncExitStack() as exits:
        first = await exits.enter_async_context(open_door(made[0]))
        await until_holds(partial(asyncio.to_thread, (erp / ".hub-lock").exists))
        async with open_door(made[1]) as second:
            drop(erp, "night.csv", csv_of(ROWS))
            await stuck.wait()
            took = [len(await imports_of(each)) for each in (first, second)]
            await exits.aclose()

            told = await report(erp, "night.csv")
            took_after = len(await imports_of(second))
            books = [await on_hand(second, sku) for sku, _, _ in ROWS]

    assert took == [1, 0]
    assert took_after == 1
    assert "120 lines: " in told
    # What the first one had counted was not counted again beside it.
    assert books == [{"LON-KNB": 5}] * len(ROWS)


async def test_a_folder_that_is_not_there_is_said_once_and_taken_up_when_it_comes(
    tmp_path: Path, redis_url: str, postgres_dsn: str
) -> None:
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra=DROP)
    gauge = 'hub_drop_usable{source="erp"}'
    with capture_logs() as logged:
        async with open_door(settings) as door:

            async def is_unusable() -> bool:
                return await metric(door, gauge) == 0

            await until_holds(is_unusable)
            (tmp_path / "erp").mkdir()
            drop(tmp_path / "erp", "night.csv", csv_of(ROWS[:1]))
            await report(tmp_path / "erp", "night.csv")
            assert await metric(door, gauge) == 1

    said = [each for each in logged if each["event"] == "a folder of books cannot be used"]
    assert [(each["source"], "No such file or directory" in each["reason"]) for each in said] == [("erp", True)]


async def test_one_file_that_may_not_be_read_does_not_keep_others_from_being_taken(
    door: Door, erp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_digest = dropping.DropFolder.digest

    def digest(self, file):  # type: ignore[no-untyped-def]
        if file.name == "a.csv":
            raise Unavailable("a.csv cannot be used: Permission denied")
        return really_digest(self, file)

    monkeypatch.setattr(dropping.DropFolder, "digest", digest)
    drop(erp, "a.csv", csv_of(ROWS[:1]))
    drop(erp, "b.csv", csv_of(ROWS[1:2]))

    await report(erp, "b.csv")

    assert (erp / "a.csv").exists()

    async def is_told() -> bool:
        return await metric(door, 'hub_drop_usable{source="erp"}') == 0

    await until_holds(is_told)


async def test_sales_go_on_while_a_folder_is_worked_on(door: Door, erp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = asyncio.Event()

    async def turn(self: Pace) -> float:
        waits.set()
        await asyncio.Event().wait()
        return 0.0

    monkeypatch.setattr(Pace, "turn", turn)
    drop(erp, "night.csv", csv_of(ROWS))
    await waits.wait()

    await door.send(door.sale(line("SOLD", 1)))

    assert (erp / "night.csv").exists()
