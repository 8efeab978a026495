"""The ledger's checkpoint: what entries set, folded on in the background, by any number at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from hub.domain.entry import Entry, Seq, SetRecord
from hub.ledger.checkpointing import Checkpointing
from hub.ledger.checkpoints import Checkpoints, Place
from hub.ledger.connection import Link
from hub.tasks import end
from tests.databases import closed_database
from tests.ledger.conftest import NOVEMBER_MS, Running

DAY_MS = 86_400_000
TODAY = NOVEMBER_MS // DAY_MS

Write = Callable[..., Awaitable[None]]


@pytest.fixture
async def links(ledger: asyncpg.Connection, postgres_dsn: str) -> AsyncIterator[list[Link]]:
    assert ledger
    made = [Link(postgres_dsn, "checkpoint") for _ in range(2)]
    yield made
    await asyncio.gather(*(link.aclose() for link in made))


@pytest.fixture
def checkpoints(links: list[Link]) -> Checkpoints:
    return Checkpoints(links[0])


def record(make_sale: Callable[..., Entry], number: int, field: str, value: object) -> Entry:
    return make_sale(number, records=(SetRecord("holds", field, value),))


async def test_entries_are_folded_in_and_the_last_value_stays(
    checkpoints: Checkpoints, make_sale: Callable[..., Entry], write: Write, run_writer: Callable[..., Running]
) -> None:
    told = [("a", [1]), ("b", [2]), ("a", [3]), ("b", None)]
    await write(0, *(record(make_sale, number, *each) for number, each in enumerate(told)), b"\xc1")
    async with run_writer() as running:
        await running.reaches(4)

    assert (await checkpoints.at(), await checkpoints.lag_entries()) == (None, 5)
    assert await checkpoints.fold_on() == 5
    assert (await checkpoints.at(), await checkpoints.lag_entries()) == (Seq(1, 4), 0)
    assert await checkpoints.fold_on() == 0
    pages = [page async for page in checkpoints.pages(0)]
    assert pages == [[Place("holds", [b"a"], [msgspec.msgpack.encode([3])])]]


async def test_two_who_fold_at_once_fold_each_entry_once(
    checkpoints: Checkpoints,
    links: list[Link],
    write_sales: Callable[[int, int], Awaitable[None]],
    run_writer: Callable[..., Running],
) -> None:
    await write_sales(0, 20)
    async with run_writer() as running:
        await running.reaches(19)
    other = Checkpoints(links[1])

    folded = await asyncio.gather(checkpoints.fold_on(), other.fold_on())

    assert sorted(folded) == [0, 20]
    assert await checkpoints.at() == Seq(1, 19)


async def test_what_goes_with_its_day_is_left_out_and_forgotten(
    checkpoints: Checkpoints,
    ledger: asyncpg.Connection,
    make_sale: Callable[..., Entry],
    write: Write,
    run_writer: Callable[..., Running],
) -> None:
    ahead = '{"time":"2030-01-01T00:00:00Z"}'
    of_the_day = [
        make_sale(0, records=(SetRecord("voided", "till:1", [1]),)),
        make_sale(1, records=(SetRecord("voided", "till:2", [1]),), booked_at_ms=NOVEMBER_MS + DAY_MS),
        make_sale(2, payload=ahead, booked_at_ms=NOVEMBER_MS + DAY_MS),
    ]
    await write(0, *of_the_day)
    async with run_writer() as running:
        await running.reaches(2)
    await checkpoints.fold_on()

    pages = [page async for page in checkpoints.pages(TODAY + 1)]
    assert [(place.name, place.fields) for page in pages for place in page] == [
        ("ahead", [b"till-7:21915"]),
        (f"seen:{TODAY + 1}", [b"voided\0till:2"]),
    ]
    await checkpoints.forget(TODAY + 1)
    assert await ledger.fetchval("SELECT count(*) FROM hub.checkpoint_value") == 2
    await checkpoints.forget(30_000)
    assert await ledger.fetchval("SELECT count(*) FROM hub.checkpoint_value") == 0


async def test_it_is_folded_on_in_the_background_when_it_is_due(
    ledger: asyncpg.Connection,
    postgres_dsn: str,
    write_sales: Callable[[int, int], Awaitable[None]],
    run_writer: Callable[..., Running],
    until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]],
) -> None:
    await write_sales(0, 20)
    async with run_writer() as running:
        await running.reaches(19)
    is_busy = True
    job = Checkpointing(
        Link(postgres_dsn, "checkpoint"),
        booked_until_ms=lambda: NOVEMBER_MS,
        is_busy=lambda: is_busy,
        look_seconds=0.01,
        entries_waiting=20,
    )
    task = asyncio.create_task(job.run())

    async def is_seen() -> bool:
        return job.lag_entries == 20

    async def is_folded() -> bool:
        return job.lag_entries == 0 and await ledger.fetchval("SELECT seq FROM hub.checkpoint") == 19

    await until(is_seen)
    assert await ledger.fetchval("SELECT seq FROM hub.checkpoint") is None
    is_busy = False
    await until(is_folded)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_ledger_that_is_away_for_long_is_logged_once(
    ledger: asyncpg.Connection,
    postgres_dsn: str,
    until: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = Checkpointing(Link(postgres_dsn, "checkpoint"), booked_until_ms=lambda: 0, look_seconds=0.01)
    looks, over, look = 0, 0, job._look

    async def counted() -> None:
        nonlocal looks, over
        looks += 1
        await look()
        over += 1

    monkeypatch.setattr(job, "_look", counted)

    async def has_looked_often() -> bool:
        return looks > 5

    async def is_back() -> bool:
        return over > 1

    with capture_logs() as logs:
        async with closed_database(postgres_dsn):
            task = asyncio.create_task(job.run())
            await until(has_looked_often)
        await until(is_back)
    await end([task])
    assert [line["event"] for line in logs if "checkpoint" in line["event"]] == [
        "the checkpoint is not folded on for now",
        "the checkpoint is folded on again",
    ]
