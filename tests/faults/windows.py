"""What the hubs themselves said is lost, against what is: the windows and doubts of their alerts `answers_lost`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from hub.domain.entry import Seq
from tests.faults.log import Answer, Log, Sent

EVENTS = "SELECT epoch, seq, source, id FROM hub.event"
ALERTS = "SELECT epoch, payload FROM hub.event WHERE type = 'answers_lost'"
# How long an answer may be on its way after what gave it was lost.
ON_ITS_WAY_SECONDS = 3.0

# (source, id) at each place of the ledger.
Booked = Mapping[Seq, tuple[str, str]]


class Window(msgspec.Struct, frozen=True):
    """A window as an alert names it: whose sources should send again what they sent in it."""

    first: Seq
    last: Seq
    sources: frozenset[str]

    def has(self, place: Seq) -> bool:
        return self.first <= place <= self.last

    def names(self, place: Seq, source: str, at: float) -> bool:
        return self.has(place) and source in self.sources

    def __str__(self) -> str:
        return f"{self.first} to {self.last} of {', '.join(sorted(self.sources))}"


class Doubt(msgspec.Struct, frozen=True):
    """A doubt as an alert names it: all behind a place, from when to when, of whoever had sent before."""

    # None: the ledger had nothing.
    after: Seq | None
    # The first epoch that it is not about: the one in which it is told.
    before_epoch: int
    since: float
    until: float
    sources: frozenset[str]

    def has(self, place: Seq) -> bool:
        return (self.after is None or place > self.after) and place.epoch < self.before_epoch

    def names(self, place: Seq, source: str, at: float) -> bool:
        """`at` is when the answer came; 0 where nobody noted it."""
        is_late_enough = self.after is None or at >= self.since
        is_in_time = not at or (is_late_enough and at <= self.until + ON_ITS_WAY_SECONDS)
        return self.has(place) and source in self.sources and is_in_time

    def __str__(self) -> str:
        return f"all behind {self.after} of {', '.join(sorted(self.sources))}"


Named = Window | Doubt


def named(payload: str, epoch: int) -> Named:
    """Read the payload of an alert that was booked in an epoch."""
    told = msgspec.json.decode(payload)
    sources = frozenset(told["sources"])
    if "first" in told:
        return Window(place_of(told["first"]), place_of(told["last"]), sources)
    after = place_of(told["after"]) if told["after"] else None
    since, until = (datetime.fromisoformat(told[name]).timestamp() for name in ("since", "until"))
    return Doubt(after, epoch, since, until, sources)


def place_of(told: str) -> Seq:
    """Read `0-3-1041`."""
    partition, epoch, number = map(int, told.split("-"))
    return Seq(epoch, number, partition)


def booked_at(rows: Iterable[Any]) -> Booked:
    """Read rows of `EVENTS`."""
    return {Seq(row["epoch"], row["seq"]): (row["source"], row["id"]) for row in rows}


def unnamed(log: Log, booked: Booked, windows: Iterable[Named]) -> list[str]:
    """Answers of 202 that were lost and that nobody named.

    Nobody is exempt: a process that lives knows what it answered, and of one that ended the next start in its folder
    knows what it had noted before it told anybody.
    """
    windows = list(windows)
    return [
        f"{sent.id} of {sent.source} at {place}, told by {answer.by}"
        for sent, answer, place in _promised(log)
        if booked.get(place) != (sent.source, sent.id)
        if not any(window.names(place, sent.source, answer.at) for window in windows)
    ]


def wrongly_named(booked: Booked, windows: Iterable[Named]) -> list[str]:
    """Windows and doubts that name what the ledger has."""
    return [f"{window}, but the ledger has {place}" for window in windows for place in booked if window.has(place)]


def _promised(log: Log) -> Iterable[tuple[Sent, Answer, Seq]]:
    """Each answer of 202 to a fact, and where the hub booked it."""
    for sent in log.facts:
        for answer in (*sent.withdrawn, *sent.answers):
            if answer.status == 202 and answer.body.get("seq"):
                yield sent, answer, place_of(answer.body["seq"])
