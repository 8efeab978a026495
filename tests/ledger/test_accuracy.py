"""Inventory record accuracy: overs and shorts are never netted, and a variance keeps its cause."""

from collections.abc import AsyncIterator, Awaitable, Callable
from math import isnan, nan
from time import time
from typing import Any

import asyncpg
import pytest

from hub.domain.entry import Counted, Entry, Movement
from hub.domain.findings import FoundVariance, Tally, Window, percent
from hub.ledger.accuracy import LATE_EVENTS_MAX, VARIANCES_MAX, Accuracy
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.recent import RecentAccuracy

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

NOON_MS = 1_795_600_000_000
HOUR_MS = 3_600_000
ALWAYS = Window(0, NOON_MS + 100 * HOUR_MS)


@pytest.fixture
async def accuracy(ledger: asyncpg.Connection, postgres_dsn: str) -> AsyncIterator[Accuracy]:
    asking = Asking(Link(postgres_dsn, "reports"), deadline_seconds=5)
    yield Accuracy(asking)
    await asking.aclose()


class Books:
    """Writes the journal of a shop that counts."""

    def __init__(self, make_sale: MakeSale, write: Write, run_writer: RunWriter) -> None:
        self._make_sale = make_sale
        self._write = write
        self._run_writer = run_writer
        self._entries: list[Entry] = []

    def count(self, counted: int, book: int, **what: Any) -> None:
        """A count that is opened and closed; the difference is moved as the kernel does."""
        fields = {"location": "LON", "at_ms": NOON_MS, "kind": "physical", "is_newest": 1, "sku": "BAG"} | what
        opened_by = fields.get("opened_by", len(self._entries))
        # What is opened is a fact without effect here.
        self._entries.append(self._make_sale(len(self._entries), type="count", movements=(), alerts=()))
        line = Counted(
            0, fields["location"], fields["at_ms"], fields["kind"], counted, book, fields["is_newest"], opened_by
        )
        ends = ("variance", "free") if counted > book else ("free", "variance")
        difference = Movement(0, fields["location"], *ends, abs(counted - book)) if counted != book else None
        entry = self._make_sale(
            len(self._entries) - 1,
            kind="closed",
            type="count",
            skus=(fields["sku"],),
            lines=((0, counted),),
            time_ms=fields["at_ms"],
            movements=(difference,) if difference else (),
            alerts=(),
            counted=(line,),
        )
        self._entries.append(entry)

    def late(self, quantity: int, at_ms: int, *, back: bool = False, location: str = "LON") -> None:
        """A sale, or what came back, that had happened before a count and is told after it."""
        ends = ("customer", "variance") if back else ("variance", "customer")
        moved = Movement(0, location, *ends, quantity)
        number = len(self._entries)
        entry = self._make_sale(
            number, id=f"late-{number}", skus=("BAG",), time_ms=at_ms, movements=(moved,), lines=((0, quantity),)
        )
        self._entries.append(entry)

    async def close(self) -> None:
        await self._write(0, *self._entries)
        async with self._run_writer() as running:
            await running.reaches(len(self._entries) - 1)


@pytest.fixture
def books(make_sale: MakeSale, write: Write, run_writer: RunWriter) -> Books:
    return Books(make_sale, write, run_writer)


def told(found: list[FoundVariance]) -> list[tuple[int, int, str, list[str]]]:
    return [(each.units, each.explained, each.cause, [id for _, id in each.late_events]) for each in found]


async def test_overs_and_shorts_are_never_netted(books: Books, accuracy: Accuracy) -> None:
    books.count(5, 5)
    books.count(7, 5)
    books.count(3, 5)
    books.count(9, 9, location="PAR")
    books.count(0, 9, location="PAR", kind="system")
    await books.close()

    assert await accuracy.tally(ALWAYS, 0) == [Tally("LON", 3, 1, 2, 2), Tally("PAR", 1, 1, 0, 0)]
    assert await accuracy.tally(ALWAYS, 1) == [Tally("LON", 3, 1, 2, 2), Tally("PAR", 1, 1, 0, 0)]
    assert await accuracy.tally(ALWAYS, 2) == [Tally("LON", 3, 3, 2, 2), Tally("PAR", 1, 1, 0, 0)]


async def test_a_window_has_its_first_instant_and_not_its_last(books: Books, accuracy: Accuracy) -> None:
    books.count(1, 1, at_ms=NOON_MS)
    books.count(1, 1, at_ms=NOON_MS + 1, sku="WATCH", location="PAR")
    await books.close()

    async def counted(window: Window) -> int:
        return sum(of.counted for of in await accuracy.tally(window, 0))

    assert await counted(Window(NOON_MS, NOON_MS + 1)) == 1
    assert await counted(Window(NOON_MS + 1, NOON_MS + 2)) == 1
    assert await counted(Window(NOON_MS, NOON_MS + 2)) == 2
    assert await counted(Window(NOON_MS, NOON_MS + 2, ("PAR",))) == 1
    assert await counted(Window(NOON_MS, NOON_MS + 2, ("PAR", "LON"), ("BAG",))) == 1
    assert await counted(Window(NOON_MS, NOON_MS + 2, ())) == 0
    assert await counted(Window(NOON_MS, NOON_MS + 2, None, ())) == 0
    assert sorted(await accuracy.counted_skus(ALWAYS, 5)) == ["BAG", "WATCH"]
    assert len(await accuracy.counted_skus(ALWAYS, 1)) == 1


async def test_a_late_sale_explains_what_a_count_found_missing(books: Books, accuracy: Accuracy) -> None:
    books.count(3, 5)
    books.late(2, NOON_MS - HOUR_MS)
    await books.close()

    assert told(await accuracy.variances(ALWAYS)) == [(-2, -2, "late_events", ["late-2"])]


async def test_a_cause_may_explain_a_part_or_nothing(books: Books, accuracy: Accuracy) -> None:
    books.count(0, 5)
    books.late(2, NOON_MS)
    books.count(9, 5, location="PAR")
    books.late(1, NOON_MS, location="PAR")
    books.count(7, 5, location="DXB")
    books.late(2, NOON_MS, location="DXB", back=True)
    books.count(4, 5, location="NYC")
    await books.close()

    assert told(await accuracy.variances(ALWAYS)) == [
        (-5, -2, "partly_late_events", ["late-2"]),
        (4, -1, "unexplained", ["late-5"]),
        (2, 2, "late_events", ["late-8"]),
        (-1, 0, "unexplained", []),
    ]


async def test_a_late_event_belongs_to_the_first_count_that_saw_it(books: Books, accuracy: Accuracy) -> None:
    books.count(4, 5, at_ms=NOON_MS)
    books.count(3, 4, at_ms=NOON_MS + HOUR_MS)
    books.late(1, NOON_MS - HOUR_MS)
    books.late(1, NOON_MS + 1)
    await books.close()

    [second, first] = await accuracy.variances(ALWAYS)

    assert (first.counted_at_ms, first.late_events) == (NOON_MS, (("till-7", "late-4"),))
    assert (second.counted_at_ms, second.late_events) == (NOON_MS + HOUR_MS, (("till-7", "late-5"),))


async def test_a_shelf_counted_twice_for_one_time_has_one_cause(books: Books, accuracy: Accuracy) -> None:
    books.count(4, 5)
    books.count(6, 4)
    books.late(1, NOON_MS - HOUR_MS)
    await books.close()

    assert told(await accuracy.variances(ALWAYS)) == [(2, 0, "unexplained", []), (-1, -1, "late_events", ["late-4"])]


async def test_an_older_count_that_comes_after_a_newer_one_takes_nothing_from_it(
    books: Books, accuracy: Accuracy
) -> None:
    books.count(4, 5, at_ms=NOON_MS + HOUR_MS)
    books.late(1, NOON_MS - 2 * HOUR_MS)
    # It is opened when the late sale is in the book already.
    books.count(9, 4, at_ms=NOON_MS, is_newest=0)
    await books.close()

    assert told(await accuracy.variances(ALWAYS)) == [(5, 0, "unexplained", []), (-1, -1, "late_events", ["late-2"])]


async def test_only_the_largest_variances_and_the_first_events_are_named(books: Books, accuracy: Accuracy) -> None:
    for number in range(VARIANCES_MAX + 5):
        books.count(number + 1, 0, location=f"L-{number}", at_ms=NOON_MS)
    for _ in range(LATE_EVENTS_MAX + 3):
        books.late(1, NOON_MS, location=f"L-{VARIANCES_MAX + 4}", back=True)
    await books.close()

    found = await accuracy.variances(ALWAYS)

    assert [each.units for each in found] == list(range(VARIANCES_MAX + 5, 5, -1))
    assert (found[0].explained, len(found[0].late_events)) == (LATE_EVENTS_MAX + 3, LATE_EVENTS_MAX)


def test_only_what_is_all_right_is_a_hundred_percent() -> None:
    assert percent(0, 0) is None
    assert percent(3, 3) == 100.0
    assert percent(2, 3) == 66.66
    assert percent(999_999, 1_000_000) == 99.99


async def test_the_gauge_is_asked_for_once_a_minute(books: Books, accuracy: Accuracy, until: Until) -> None:
    today_ms = int(time() * 1000) - HOUR_MS
    books.count(1, 1, at_ms=today_ms)
    books.count(1, 2, at_ms=today_ms)
    books.count(1, 2, at_ms=today_ms - 40 * 24 * HOUR_MS)
    await books.close()
    values = [nan]
    now = [100.0]
    recent = RecentAccuracy(accuracy, values.append, clock=lambda: now[0])

    async def has(count: int) -> None:
        async def is_told() -> bool:
            return len(values) == count

        await until(is_told)

    recent.look()
    recent.look()
    await has(2)
    now[0] += 59
    recent.look()
    now[0] += 1
    recent.look()
    await has(3)
    await recent.aclose()

    assert isnan(values[0])
    assert values[1:] == [50.0, 50.0]
