"""What is parked is found, in the order it came, until it is booked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from hub.domain.entry import Entry, Seq
from hub.ledger.asking import Asking
from hub.ledger.connection import Link
from hub.ledger.parked import Parked

MakeSale = Callable[..., Entry]
Write = Callable[..., Awaitable[None]]
RunWriter = Callable[..., Any]


@pytest.fixture
async def parked(ledger: asyncpg.Connection, postgres_dsn: str) -> AsyncIterator[Parked]:
    asking = Asking(Link(postgres_dsn, "reports"), deadline_seconds=5)
    yield Parked(asking)
    await asking.aclose()


@pytest.fixture
def book(write: Write, run_writer: RunWriter) -> Callable[..., Awaitable[None]]:
    async def book(*entries: Entry) -> None:
        await write(0, *entries)
        async with run_writer() as running:
            await running.reaches(len(entries) - 1)

    return book


def waiting(make_sale: MakeSale, number: int, **changes: Any) -> Entry:
    nothing: dict[str, Any] = {"kind": "parked", "skus": (), "lines": (), "movements": (), "alerts": ()}
    return make_sale(number, **(nothing | changes))


async def ids(parked: Parked, **of: Any) -> list[str]:
    """All of them, stretch by stretch."""
    found: list[str] = []
    behind: Seq | None = None
    while True:
        stretch = await parked.stretch(behind, **of)
        found += [event.place.id for event in stretch.events]
        if stretch.end is None:
            return found
        behind = stretch.end.seq


async def test_what_was_booked_since_waits_no_more(
    parked: Parked, make_sale: MakeSale, book: Callable[..., Awaitable[None]]
) -> None:
    await book(
        waiting(make_sale, 0),
        waiting(make_sale, 1, payload='{"id":"whole"}', hash="its-hash", time_ms=1_000),
        make_sale(2),
        make_sale(0, booked_at_ms=make_sale(3).booked_at_ms),
        # Redis had forgotten it: it is parked again and still one event.
        waiting(make_sale, 1, booked_at_ms=make_sale(9).booked_at_ms),
        waiting(make_sale, 5, source="shop"),
        make_sale(5, source="till-8"),
    )

    stretch = await parked.stretch(None)

    assert [event.place.id for event in stretch.events] == ["sale-1", "sale-5"]
    assert stretch.end is None
    first = stretch.events[0]
    assert (first.place.seq, first.place.source, first.type) == (Seq(1, 1), "till-7", "sale")
    assert (first.payload, first.hash, first.time_ms) == ('{"id":"whole"}', "its-hash", 1_000)
    assert await ids(parked, source="shop") == ["sale-5"]
    assert await ids(parked, source="till-8") == []


@pytest.mark.parametrize("size", [1, 3, 7, 1_000])
async def test_a_long_row_comes_stretch_by_stretch(
    parked: Parked,
    make_sale: MakeSale,
    book: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    monkeypatch.setattr("hub.ledger.parked.EXAMINED_MAX", size)
    entries = [waiting(make_sale, number) for number in range(7)]
    await book(*entries, make_sale(2), make_sale(6))

    assert await ids(parked) == [f"sale-{number}" for number in (0, 1, 3, 4, 5)]


async def test_large_events_make_short_stretches_and_none_is_too_large(
    parked: Parked, make_sale: MakeSale, book: Callable[..., Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.ledger.parked.BYTES_MAX", 250)
    await book(
        *(waiting(make_sale, number, payload="x" * size) for number, size in enumerate((100, 100, 100, 900, 10)))
    )

    sizes = []
    behind: Seq | None = None
    while True:
        stretch = await parked.stretch(behind)
        sizes.append([len(event.payload) for event in stretch.events])
        if stretch.end is None:
            break
        behind = stretch.end.seq

    assert sizes == [[100, 100], [100], [900], [10]]


async def test_a_place_is_found_again_by_its_event(
    parked: Parked, make_sale: MakeSale, book: Callable[..., Awaitable[None]]
) -> None:
    await book(waiting(make_sale, 0), waiting(make_sale, 1))
    [_, second] = (await parked.stretch(None)).events

    assert await parked.place_of("till-7", "sale-1", second.place.booked_at_ms) == Seq(1, 1)
    assert await parked.place_of("till-7", "sale-1", second.place.booked_at_ms + 1) is None
    assert await parked.place_of("till-7", "sale-2", second.place.booked_at_ms) is None
