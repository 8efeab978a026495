"""What the HTTP door asks the ledger; the ledger's own classes are given to it by the assembly."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from hub.domain.answer import AnsweredAlert
from hub.domain.entry import Seq
from hub.domain.findings import (
    EntriesWanted,
    EntryStretch,
    Fate,
    FoundVariance,
    Looked,
    OwnAlerts,
    ParkedStretch,
    Settled,
    Tally,
    Window,
)


class Past(Protocol):
    """What pools showed; `hub.ledger.history.History` is one.

    Every question raises Unavailable when the ledger does not answer in time.
    """

    async def shown_at(self, pool: str, sku: str, at_ms: int) -> Looked:
        """What a pool showed of a SKU at a time, UTC milliseconds."""
        ...


class Counts(Protocol):
    """What physical counts found; `hub.ledger.accuracy.Accuracy` is one."""

    async def counted_skus(self, window: Window, most: int) -> Sequence[str]:
        """The SKUs that were counted, at most so many."""
        ...

    async def tally(self, window: Window, tolerance: int) -> Sequence[Tally]:
        """What they found, by location."""
        ...

    async def variances(self, window: Window) -> Sequence[FoundVariance]:
        """The counts that differ most, largest first."""
        ...


class Closings(Protocol):
    """How counts ended; `hub.ledger.closings.Closings` is one."""

    async def alerts_of(self, opened: Sequence[Seq]) -> Mapping[Seq, tuple[AnsweredAlert, ...]]:
        """What the closings raised, by the entries that opened the counts; an open count is missing."""
        ...


class Waiting(Protocol):
    """What is parked and waits to be booked; `hub.ledger.parked.Parked` is one."""

    async def stretch(self, behind: Seq | None, source: str | None = None) -> ParkedStretch:
        """The next parked events, of one source or of all, in the order they came."""
        ...

    async def fate(self, source: str, id: str) -> Fate | None:
        """What became of an event; None when it was neither booked nor parked."""
        ...

    async def place_of(self, source: str, id: str, booked_at_ms: int) -> Seq | None:
        """Where an event was parked at that time; None when none was."""
        ...


class Happened(Protocol):
    """Everything that happened; `hub.ledger.feed.FeedEntries` is one."""

    async def stretch(
        self, first: tuple[int, int], entries_max: int, wanted: EntriesWanted | None = None
    ) -> EntryStretch:
        """What is wanted of the next entries, from an epoch and number on."""
        ...


class Alerts(Protocol):
    """What the hub noticed by itself; `hub.ledger.alerts.Alerts` is one."""

    async def page(
        self, before: Seq | None, limit: int, *, type: str | None = None, is_open: bool = False
    ) -> OwnAlerts:
        """The next older alerts, newest first."""
        ...

    async def settle(self, seq: Seq, by: str, why: str) -> Settled | None:
        """Say that a person is done with an alert; None: there is no such alert."""
        ...
