"""How a replay tells what it does while it does it: the contract, and a progress bar that keeps it."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hub.replay.answers import Answer
from hub.replay.events import HistoryEvent
from hub.replay.summary import ReplaySummary


class ProgressSink(Protocol):
    """Hears of a replay's progress, on the event loop; it must not block."""

    def started(self, bytes_total: int) -> None:
        """The file is open and has so many bytes."""

    def answered(
        self, pairs: Sequence[tuple[HistoryEvent, Answer]], *, bytes_read: int, summary: ReplaySummary
    ) -> None:
        """An array was answered; `bytes_read` of the file are behind us, `summary` counts up to here."""

    def waiting(self, reason: str) -> None:
        """The hub gave no answer, which is tried again."""


class ProgressBar:
    """A bar on a terminal; nothing but its last line elsewhere. A context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            TextColumn("replay"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[events]:,} events"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[yellow]{task.fields[note]}"),
            console=console or Console(stderr=True),
        )
        self._task = self._progress.add_task("replay", total=None, events=0, rate=0.0, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, bytes_total: int) -> None:
        """See ProgressSink."""
        self._progress.update(self._task, total=bytes_total)

    def answered(
        self, pairs: Sequence[tuple[HistoryEvent, Answer]], *, bytes_read: int, summary: ReplaySummary
    ) -> None:
        """See ProgressSink."""
        events = summary.statuses.total()
        elapsed = self._progress.tasks[0].elapsed or 0.0
        rate = events / elapsed if elapsed else 0.0
        self._progress.update(self._task, completed=bytes_read, events=events, rate=rate, note="")

    def waiting(self, reason: str) -> None:
        """See ProgressSink."""
        self._progress.update(self._task, note=f"waiting for the hub: {reason[:60]}")
