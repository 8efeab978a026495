"""A whole replay against a door of its own; the real hub is in tests/flow."""

import asyncio
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from rich.console import Console

from hub.faults import SettingsInvalid, Unavailable
from hub.replay.answers import Answer
from hub.replay.events import HistoryEvent
from hub.replay.options import ReplayOptions
from hub.replay.progress import ProgressBar
from hub.replay.replay import replay
from hub.replay.summary import ReplaySummary
from tests.replay.door import Door, applied

DATA = Path(__file__).parent / "data"


class Heard:
    """A progress sink that keeps what it hears."""

    def __init__(self) -> None:
        self.bytes_total = 0
        self.bytes_read: list[int] = []
        self.events: Counter[str] = Counter()

    def started(self, bytes_total: int) -> None:
        self.bytes_total = bytes_total

    def answered(
        self, pairs: Sequence[tuple[HistoryEvent, Answer]], *, bytes_read: int, summary: ReplaySummary
    ) -> None:
        self.bytes_read.append(bytes_read)
        self.events.update(event.id for event, _ in pairs)

    def waiting(self, reason: str) -> None:
        pass


def long_history(folder: Path, rows: int) -> Path:
    path = folder / "long.csv"
    lines = [f"{number},A,1,2025-11-03T10:00:00,LON\n" for number in range(rows)]
    path.write_text("".join(["basket_id,product_id,quantity,transaction_timestamp,store_id\n", *lines]))
    return path


async def giving(status: str, request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
    problem = {"problem": {"detail": "same id, other content", "status": 409}} if status == "refused" else {}
    return web.json_response([{"id": event["id"], "status": status, **problem} for event in events])


async def test_every_event_is_sent_once_a_few_arrays_at_a_time(door: Door, tmp_path: Path) -> None:
    options = ReplayOptions(file=long_history(tmp_path, 3_000), url=door.url, array_events_max=50, in_flight_max=4)
    heard = Heard()
    all_four = asyncio.Event()

    async def once_four_are_under_way(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        if door.in_flight == 4:
            all_four.set()
        async with asyncio.timeout(5):
            await all_four.wait()
        return await applied(request, events)

    door.script = [applied]
    door.otherwise = once_four_are_under_way
    summary = await replay(options, heard)

    sent = Counter(event for request in door.requests for event in request)
    assert sent == heard.events
    assert (len(sent), set(sent.values())) == (3_000, {1})
    assert len(door.requests[0]) == 20
    assert door.in_flight_highest == 4
    assert heard.bytes_read[-1] == heard.bytes_total
    assert (summary.statuses["applied"], summary.units_sold, summary.exit_code) == (3_000, 3_000, 0)


async def test_the_summary_says_what_was_read_sent_and_left_out(door: Door) -> None:
    columns = {"id": "Ticket", "sku": "Article", "quantity": "Pieces", "time": "When", "location": "Boutique"}
    options = ReplayOptions(file=DATA / "boutiques.csv", url=door.url, columns=columns)

    summary = await replay(options, Heard())

    text = summary.text()
    assert (summary.units_sold, summary.units_returned, summary.exit_code) == (7, 1, 0)
    assert "8 read · 1 of quantity 0 skipped · 1 over 1,000,000 skipped · 1 unreadable" in text
    assert "4 sent: 4 applied · 0 accepted · 0 duplicate · 0 parked · 0 refused" in text
    assert "row 7: quantity 1000001 of 'RIBBON'" in text
    assert "row 8: quantity 'one' is not a whole number" in text


@pytest.mark.parametrize("status", ["parked", "refused"])
async def test_events_that_are_not_booked_are_listed_and_fail_the_replay(
    door: Door, tmp_path: Path, status: str
) -> None:
    async def booking_only_at_first(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return await giving("applied" if len(door.requests) == 1 else status, request, events)

    door.otherwise = booking_only_at_first
    summary = await replay(ReplayOptions(file=long_history(tmp_path, 60), url=door.url), Heard())

    assert summary.exit_code == 1
    assert (summary.statuses["applied"], summary.statuses[status]) == (20, 40)
    assert len(summary.troubles) == 10
    assert f"long-20-22: {status}" in summary.text()
    assert "… and 30 more" in summary.text()


@pytest.mark.parametrize(("status", "advice"), [("parked", "--house prints"), ("refused", "same id, other content")])
async def test_a_replay_of_which_nothing_is_booked_stops_after_the_first_array(
    door: Door, tmp_path: Path, status: str, advice: str
) -> None:
    async def booking_nothing(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return await giving(status, request, events)

    door.otherwise = booking_nothing
    with pytest.raises(SettingsInvalid, match=rf"none of the first 20 events.*{advice}"):
        await replay(ReplayOptions(file=long_history(tmp_path, 3_000), url=door.url), Heard())

    assert len(door.requests) == 1


async def test_a_hub_that_stays_away_in_the_middle_is_one_clear_fault(door: Door, tmp_path: Path) -> None:
    async def failing_after_the_first(request: web.Request, events: list[dict[str, Any]]) -> web.StreamResponse:
        return web.json_response({}, status=503) if len(door.requests) > 1 else await giving("applied", request, events)

    door.otherwise = failing_after_the_first
    options = ReplayOptions(file=long_history(tmp_path, 3_000), url=door.url, patience_seconds=0.3)

    with pytest.raises(Unavailable, match="run the same command again"):
        await replay(options, Heard())


async def test_the_progress_bar_shows_the_end_and_what_it_waits_for(door: Door, tmp_path: Path) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=160)

    with ProgressBar(console) as progress:
        await replay(ReplayOptions(file=long_history(tmp_path, 100), url=door.url), progress)
        progress.waiting("the hub answers 503")

    assert "100 events" in out.getvalue()
    assert "100%" in out.getvalue()
    assert "waiting for the hub: the hub answers 503" in out.getvalue()
