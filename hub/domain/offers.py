"""What one channel has to tell its vendor: of each SKU the newest number, and which of them is told first. Pure.

State, not a queue of changes: a SKU has what the vendor is known to have and what it shall have, and waits while they
differ. However often a number changes meanwhile, the newest is told, once.

Laws:
- What sold out is told before everything else, then what comes back or is low, then the rest; of each the longest
  waiting first.
- What the vendor has is never told to it again.
- A newer number of a SKU that was given up has it tried again.
"""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Literal

import msgspec

# SKUs that one channel remembers; of what is beyond them nothing is told.
SKUS_MAX = 200_000
# How long after a try that did not go well the next one comes; the last stands for all after it.
AGAIN_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0, 180.0, 600.0)
# Tries at which the vendor answered, and took the numbers of others; then the SKU is dead.
TRIES_MAX = 12
# How long after a conflict the vendor is asked what it has: its own sale's delivery comes in meanwhile.
CONFLICT_SECONDS = (2.0, 4.0, 10.0, 30.0, 120.0, 300.0)
# Conflicts in a row after which somebody else sets the vendor's number: it drifts, and a person is told.
CONFLICTS_MAX = 5
# How long nobody asks again whether the vendor sells a SKU that it did not sell.
ABSENT_SECONDS = 24 * 3_600.0
# Each delay is longer or shorter by up to so much of it.
JITTER = 0.2
WHY_CHARS_MAX = 200

# `live`: it is told. `absent`: the vendor sells no such thing. `dead`: it was given up, and waits for a person.
OfferState = Literal["live", "absent", "dead"]
# A number that was sent, of which nothing was heard yet: whoever opens the channel then asks the vendor what it has.
ON_ITS_WAY = "on its way"

_SOLD_OUT, _URGENT, _REST, _NOT_SOLD = range(4)


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger remembers of one SKU of a channel. Times are seconds since 1970."""

    sku: str
    # The vendor's own name of it; empty: not known.
    listing: str = ""
    # What the vendor is known to have; None: not known, so it is asked.
    has: int | None = None
    # What it was told last; None: nothing yet.
    tried: int | None = None
    # When it took a number last; 0: never.
    taken_at: float = 0.0
    state: OfferState = "live"
    # How the last try ended, or `ON_ITS_WAY`; empty: none was made.
    outcome: str = ""
    attempts: int = 0
    conflicts: int = 0
    # When it is tried next, where that is later.
    next_at: float = 0.0
    why: str = ""


class Offered(msgspec.Struct, eq=False):
    """One SKU of a channel, as its sender works with it."""

    sku: str
    known: Remembered
    # What the vendor shall have; None: not read yet.
    wanted: int | None = None
    is_low: bool = False
    # Of the view that `wanted` comes from.
    rev: int = -1
    # Since when it waits, and when `wanted` changed last.
    since: float = 0.0
    changed_at: float = 0.0
    # One of those that were told with it is at fault, so it is told by itself.
    is_alone: bool = False
    # Until when it was put off, as it stands among what comes later.
    later_at: float = 0.0

    @property
    def waits(self) -> bool:
        """Whether the vendor shall have another number than it is known to have."""
        return self.known.state == "live" and self.wanted is not None and self.wanted != self.known.has

    @property
    def rank(self) -> int:
        """How urgent it is: 0 is the most."""
        if self.known.outcome == "absent":
            # Most likely it is not sold there today either.
            return _NOT_SOLD
        if self.wanted == 0:
            return _SOLD_OUT
        return _URGENT if self.known.has == 0 or self.is_low else _REST


class Offers:
    """All SKUs of one channel. `now` is in seconds since 1970 everywhere."""

    def __init__(self, keep_back: int) -> None:
        self._keep_back = keep_back
        self._all: dict[str, Offered] = {}
        # What may be told now, by urgency, each in the order in which it came.
        self._queues: tuple[dict[str, Offered], ...] = ({}, {}, {}, {})
        # What waits, the longest first; what of it, or of what is absent, is not tried before some time.
        self._waiting: dict[str, Offered] = {}
        self._later: list[tuple[float, str]] = []
        self.drifting: set[str] = set()
        self.dead: set[str] = set()
        # SKUs that there was no room for.
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Offered]:
        return iter(self._all.values())

    def get(self, sku: str) -> Offered | None:
        """A SKU, if it is among them."""
        return self._all.get(sku)

    @property
    def waiting(self) -> int:
        """SKUs whose vendor has another number than it shall have, as far as is known."""
        return len(self._waiting)

    @property
    def oldest(self) -> float:
        """Since when the first of them waits; 0: none does."""
        return next((each.since for each in self._waiting.values()), 0.0)

    @property
    def sold_out(self) -> bool:
        """Whether something that sold out may be told now."""
        return bool(self._queues[_SOLD_OUT])

    def remember(self, rows: Iterable[Remembered], now: float) -> None:
        """Take what the ledger remembers; what was on its way is asked for."""
        for row in rows:
            known = msgspec.structs.replace(row, has=None) if row.outcome == ON_ITS_WAY else row
            each = self._all.setdefault(row.sku, Offered(row.sku, known))
            each.known = known
            self._place(each, now)

    def show(self, sku: str, available: int, rev: int, now: float, *, is_low: bool = False) -> None:
        """The pool shows this number; an older one than is known changes nothing."""
        each = self._all.get(sku)
        if each is None:
            if len(self._all) >= SKUS_MAX:
                self.left_out += 1
                return
            each = self._all[sku] = Offered(sku, Remembered(sku=sku))
        if rev < each.rev:
            return
        wanted = max(0, available - self._keep_back)
        is_other, each.rev, each.is_low = wanted != each.wanted, rev, is_low
        if not is_other:
            return
        each.wanted, each.changed_at = wanted, now
        # What was given up was another number than this one.
        if each.known.state == "dead" and each.known.tried != wanted:
            self.revive(sku, now)
        self._place(each, now)

    def due(self, now: float, most: int) -> list[Offered]:
        """What is to be told now, the most urgent first."""
        self._promote(now)
        found: list[Offered] = []
        for queue in self._queues:
            for each in queue.values():
                if len(found) >= most:
                    return found
                found.append(each)
        return found

    def due_at(self) -> float:
        """When something is due that is not now, by the clock of `now`; 0: nothing is."""
        return self._later[0][0] if self._later else 0.0

    def revive(self, sku: str, now: float) -> None:
        """Try again what was given up, or not sold, as if it had never been tried."""
        each = self._all.get(sku)
        if each is not None:
            fresh = {"state": "live", "attempts": 0, "conflicts": 0, "next_at": 0.0}
            self.note(each, msgspec.structs.replace(each.known, **fresh), now)

    def note(self, each: Offered, known: Remembered, now: float) -> None:
        """What is known of a SKU by now."""
        was_taken = known.outcome == "taken" and each.known.has != known.has
        each.known = known
        if was_taken and each.since:
            # What came in between waits since it came, and not since the number before it.
            self._waiting.pop(each.sku, None)
            each.since = 0.0
        self._place(each, now)

    def _place(self, each: Offered, now: float) -> None:
        """Put it where it belongs."""
        sku, known = each.sku, each.known
        for place, queue in enumerate(self._queues):
            if place != each.rank or not each.waits or known.next_at > now:
                queue.pop(sku, None)
        for marked, is_so in ((self.dead, known.state == "dead"), (self.drifting, known.conflicts >= CONFLICTS_MAX)):
            (marked.add if is_so else marked.discard)(sku)
        if each.waits:
            each.since = each.since or each.changed_at or now
            self._waiting.setdefault(sku, each)
        else:
            each.since = 0.0
            self._waiting.pop(sku, None)
        if known.next_at > now and (each.waits or known.state == "absent"):
            if each.later_at != known.next_at:
                each.later_at = known.next_at
                heappush(self._later, (known.next_at, sku))
        elif each.waits:
            self._queues[each.rank].setdefault(sku, each)

    def _promote(self, now: float) -> None:
        """Bring what was put off until now; what the vendor did not sell may be sold by now."""
        while self._later and self._later[0][0] <= now:
            at, sku = heappop(self._later)
            each = self._all[sku]
            if each.later_at != at:
                continue
            each.later_at = 0.0
            if each.known.state == "absent":
                each.known = msgspec.structs.replace(each.known, state="live", attempts=0)
            self._place(each, now)


def delayed(schedule: tuple[float, ...], count: int, jitter: float) -> float:
    """How many seconds to wait after so many tries, 1 being the first; `jitter` is drawn from 0 to 1."""
    return schedule[min(max(count, 1), len(schedule)) - 1] * (1 + JITTER * (2 * jitter - 1))


def taken(known: Remembered, quantity: int, now: float) -> Remembered:
    """The vendor has this number."""
    return msgspec.structs.replace(
        known,
        has=quantity,
        taken_at=now,
        outcome="taken",
        attempts=0,
        conflicts=0,
        next_at=0.0,
        why="",
    )


def stale(known: Remembered, why: str, now: float, jitter: float) -> Remembered:
    """The vendor had another number than it was to be changed from; it is asked what it has, in a moment."""
    conflicts = known.conflicts + 1
    return msgspec.structs.replace(
        known,
        has=None,
        outcome="stale",
        conflicts=conflicts,
        next_at=now + delayed(CONFLICT_SECONDS, conflicts, jitter),
        why=why[:WHY_CHARS_MAX],
    )


def absent(known: Remembered, why: str, now: float, jitter: float) -> Remembered:
    """The vendor sells no such thing."""
    return msgspec.structs.replace(
        known,
        listing="",
        has=None,
        state="absent",
        outcome="absent",
        attempts=0,
        conflicts=0,
        next_at=now + delayed((ABSENT_SECONDS,), 1, jitter),
        why=why[:WHY_CHARS_MAX],
    )


def refused(known: Remembered, why: str) -> Remembered:
    """The vendor will not take it, however often it is told."""
    return msgspec.structs.replace(known, state="dead", outcome="refused", next_at=0.0, why=why[:WHY_CHARS_MAX])


def put_off(
    known: Remembered, why: str, now: float, jitter: float, *, counts: bool = True, outcome: str = "again"
) -> Remembered:
    """It was not taken, and is tried again; `counts`: the fault may be this SKU's own, and too many are enough."""
    attempts = known.attempts + counts
    if counts and attempts >= TRIES_MAX:
        return msgspec.structs.replace(refused(known, why), outcome=outcome, attempts=attempts)
    return msgspec.structs.replace(
        known,
        outcome=outcome,
        attempts=attempts,
        next_at=now + delayed(AGAIN_SECONDS, attempts, jitter),
        why=why[:WHY_CHARS_MAX],
    )
