"""What one process was answered, added up so that it can be judged. Pure.

Only what is certain counts: a request without an answer is in no sum until the same request, sent again, has one.
"""

import msgspec

from hub.load.answers import BOOKED, EventSaid, Outcome, events_said, hold_said, is_unknown, reason
from hub.load.requests import Sent

# Of answers that no hub gives, so many are told in words.
_TOLD_MAX = 10
_TOLD_CHARS_MAX = 200


class SkuBook(msgspec.Struct):
    """One SKU, in units."""

    # By events that were answered.
    sold: int = 0
    # Reservations that were granted, and those of them that were given back.
    granted: int = 0
    given_back: int = 0
    # Requests to give back that were sent: what they are about may be gone.
    leaving: int = 0
    # Held units that a sale took, as its answer says.
    broken: int = 0
    # The most by which what was surely held exceeded what could be there.
    excess: int = 0

    def add(self, other: "SkuBook") -> None:
        """Add what another process was answered about it."""
        self.sold += other.sold
        self.granted += other.granted
        self.given_back += other.given_back
        self.leaving += other.leaving
        self.broken += other.broken
        self.excess = max(self.excess, other.excess)


class Books(msgspec.Struct):
    """All sums of one process, or of several."""

    skus: dict[int, SkuBook] = {}
    # What was sent for the first time: events, and requests about reservations.
    events: int = 0
    hold_requests: int = 0
    # Answers to events by their status, and to requests about reservations by what became of them.
    answers: dict[str, int] = {}
    # Why events and requests were refused, or parked.
    refusals: dict[str, int] = {}
    # Answers that left the outcome open, and requests that had none, by kind.
    unknown: dict[str, int] = {}
    # Events and requests about reservations that were asked again until they were answered, and those that were not.
    settled: int = 0
    unsettled: int = 0
    # Answers that are none to what was asked, and the first of them in words.
    wrong: int = 0
    wrong_told: list[str] = []

    def of(self, sku: int) -> SkuBook:
        """The book of a SKU."""
        found = self.skus.get(sku)
        if found is None:
            found = self.skus[sku] = SkuBook()
        return found

    def add(self, other: "Books") -> None:
        """Add those of another process."""
        for sku, book in other.skus.items():
            self.of(sku).add(book)
        for mine, others in (
            (self.answers, other.answers),
            (self.refusals, other.refusals),
            (self.unknown, other.unknown),
        ):
            for name, number in others.items():
                _count(mine, name, number)
        self.events += other.events
        self.hold_requests += other.hold_requests
        self.settled += other.settled
        self.unsettled += other.unsettled
        self.wrong += other.wrong
        self.wrong_told = (self.wrong_told + other.wrong_told)[:_TOLD_MAX]


class Bookkeeper:
    """Reads answers into the books of one process; `units` is what each SKU had at the beginning."""

    def __init__(self, units: list[int]) -> None:
        self.books = Books()
        # SKU -> the newest rev that an answer showed.
        self.newest: dict[str, int] = {}
        # Events that are booked, so far.
        self.booked = 0
        self._units = units

    def sent(self, sent: Sent) -> None:
        """Count what goes out."""
        if sent.is_again:
            return
        if sent.kind == "sale":
            self.books.events += len(sent.ids)
        else:
            self.books.hold_requests += 1
            if sent.kind == "release":
                self.books.of(sent.skus[0]).leaving += 1

    def lost(self, kind: str) -> None:
        """Count a request that has no answer."""
        _count(self.books.unknown, kind, 1)

    def answered(self, sent: Sent, status: int, body: bytes) -> Outcome:
        """Count an answer. After `unknown` and `wrong` nobody knows more than before: the same is to be sent again."""
        if is_unknown(status):
            self.lost(str(status))
            return "unknown"
        outcome = self._sale(sent, status, body) if sent.kind == "sale" else self._hold(sent, status, body)
        if outcome == "wrong":
            self.books.wrong += 1
            if len(self.books.wrong_told) < _TOLD_MAX:
                said = body[:_TOLD_CHARS_MAX].decode("utf-8", "replace")
                self.books.wrong_told.append(f"{sent.kind} {sent.ids[0]} ({len(sent.ids)}): {status} {said}")
        elif sent.is_again and outcome != "unknown":
            self.books.settled += len(sent.ids)
        return outcome

    def _sale(self, sent: Sent, status: int, body: bytes) -> Outcome:
        if 400 <= status < 500:
            _count(self.books.answers, "refused", len(sent.ids))
            _count(self.books.refusals, reason(status, body), len(sent.ids))
            return "refused"
        if status not in (200, 202):
            return "wrong"
        said = events_said(body, list(sent.ids))
        if said is None:
            return "wrong"
        if any(each.is_unknown for each in said):
            # The others are duplicates when all of it is sent again, and are counted then.
            self.lost("some of an array")
            return "unknown"
        for sku, each in zip(sent.skus, said, strict=True):
            self._event(sku, each)
        return "booked" if any(each.status in BOOKED for each in said) else "refused"

    def _event(self, sku: int, said: EventSaid) -> None:
        _count(self.books.answers, said.status, 1)
        if said.status in BOOKED:
            book = self.books.of(sku)
            book.sold += 1
            self.booked += 1
            book.broken += said.broken
        else:
            why = f"{said.problem.status} {said.problem.type.rpartition(':')[2]}" if said.problem else said.status
            _count(self.books.refusals, why, 1)
        for shown in said.availability:
            if shown.rev > self.newest.get(shown.sku, 0):
                self.newest[shown.sku] = shown.rev

    def _hold(self, sent: Sent, status: int, body: bytes) -> Outcome:
        outcome, is_given_back = hold_said(sent.kind, status, body, sent.ids[0])
        if outcome == "booked":
            _count(self.books.answers, sent.kind, 1)
            book = self.books.of(sent.skus[0])
            if sent.kind == "reserve":
                book.granted += 1
                there = max(0, self._units[sent.skus[0]] - sent.sold_before)
                book.excess = max(book.excess, book.granted - book.leaving - there)
            elif sent.kind == "release":
                book.given_back += is_given_back
        elif outcome == "refused":
            _count(self.books.answers, f"{sent.kind} refused", 1)
            _count(self.books.refusals, f"{sent.kind}: {reason(status, body)}", 1)
        return outcome


def _count(counts: dict[str, int], name: str, number: int) -> None:
    counts[name] = counts.get(name, 0) + number
