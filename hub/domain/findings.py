"""What the ledger finds when it is asked about the past, in terms that its readers share. Pure."""

import msgspec

from hub.domain.entry import Seq
from hub.domain.pools import View

PHYSICAL = "physical"


class Then(msgspec.Struct, frozen=True):
    """What a pool showed at one time, and the journal entry by which it came."""

    seq: Seq
    # Its `at_ms` is since when; without its parts.
    view: View
    kind: str
    type: str
    source: str
    id: str
    time_ms: int
    # As sent; empty where nobody sent it.
    payload: str
    # Where it changed stock, and the pools whose fences it changed.
    locations: frozenset[str]
    pools: frozenset[str]


class Looked(msgspec.Struct, frozen=True):
    """The answer to a look into the past."""

    # None: nothing had ever been shown.
    then: Then | None
    # When the newest entry of the ledger was booked; 0 where that cannot be told. Everything booked before is there.
    complete_before_ms: int


class Window(msgspec.Struct, frozen=True):
    """Which counts are looked at, by when they were taken: from a time on, and before another."""

    from_ms: int
    to_ms: int
    # None: all.
    locations: tuple[str, ...] | None = None
    # None: all.
    skus: tuple[str, ...] | None = None


class Tally(msgspec.Struct, frozen=True):
    """How right the counts of one location found the book."""

    location: str
    counted: int
    right: int
    # Units more and units fewer than the book said, never netted.
    overs: int
    shorts: int


class FoundVariance(msgspec.Struct, frozen=True):
    """A count of one position that found another number than the book."""

    sku: str
    location: str
    counted_at_ms: int
    counted: int
    book: int
    source: str
    id: str
    # The part that late events explain, and the first of those, each a (source, id).
    explained: int
    late_events: tuple[tuple[str, str], ...]

    @property
    def units(self) -> int:
        """More (plus) or fewer (minus) than the book said."""
        return self.counted - self.book

    @property
    def cause(self) -> str:
        """How far late events explain it: they had happened before the count and came after it."""
        if self.explained == self.units:
            return "late_events"
        return "partly_late_events" if self.explained * self.units > 0 else "unexplained"


class ParkedPlace(msgspec.Struct, frozen=True):
    """An entry that parked an event, and the names by which it is found again."""

    seq: Seq
    source: str
    id: str
    booked_at_ms: int


class ParkedEvent(msgspec.Struct, frozen=True):
    """An event that is kept whole and has not been booked."""

    place: ParkedPlace
    type: str
    hash: str
    # When it happened, by the source's clock after correction.
    time_ms: int
    payload: str
    # What there is no room for; empty where it names what nobody knows.
    why: str = ""
    # Where it may take effect, of what only another event says the location of; empty: everywhere.
    reach: tuple[str, ...] = ()


class ParkedStretch(msgspec.Struct, frozen=True):
    """A stretch of what was parked, in the order it came."""

    events: tuple[ParkedEvent, ...]
    # The next stretch begins behind it; None: there was nothing behind it.
    end: ParkedPlace | None


class Fate(msgspec.Struct, frozen=True):
    """What became of an event that was parked once."""

    # `fact` where it was booked, `dismissed` where nobody waits for it, else `parked`.
    kind: str
    type: str
    hash: str


def percent(right: int, counted: int) -> float | None:
    """Inventory record accuracy in percent, cut to two places: only what is all right is 100."""
    return right * 10_000 // counted / 100 if counted else None


class SetAside(msgspec.Struct, frozen=True):
    """A journal entry that the ledger set aside."""

    seq: Seq
    # Packed, as the kernel wrote it; perhaps no entry at all.
    entry: bytes
    # It applied a fact a second time; else it could not be booked.
    is_doubled: bool


class EntriesWanted(msgspec.Struct, frozen=True):
    """Entries of which at least one of these is so; the others tell nothing that is asked for."""

    # Of what was sent.
    types: frozenset[str] = frozenset()
    # They raised an alert.
    alerting: bool = False
    # They changed the rules.
    ruling: bool = False


class EntryStretch(msgspec.Struct, frozen=True):
    """A stretch of the ledger's entries, each byte for byte, in the order of the journal."""

    entries: tuple[tuple[Seq, bytes], ...]
    # There was nothing behind it when it was read.
    is_last: bool
    # The last entry that was looked at, wanted or not; None where there was none.
    end: Seq | None


class Settled(msgspec.Struct, frozen=True):
    """A person looked at an alert, and is done with it."""

    at_ms: int
    by: str
    why: str


class OwnAlert(msgspec.Struct, frozen=True):
    """An alert that the hub raised by itself."""

    seq: Seq
    type: str
    booked_at_ms: int
    # What it is about, in a word; empty where that is said by its payload only.
    about: str
    # JSON; empty where it says no more.
    payload: str
    # None: nobody is done with it.
    settled: Settled | None


class OwnAlerts(msgspec.Struct, frozen=True):
    """Some of them, newest first."""

    alerts: tuple[OwnAlert, ...]
    # The last of these, where there are more behind it.
    end: Seq | None
