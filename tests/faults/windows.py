"""What the hubs themselves said is lost, against what is: the windows of their alerts `answers_lost`."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

import msgspec

from hub.domain.entry import Seq
from tests.faults.log import Answer, Log, Sent

EVENTS = "SELECT epoch, seq, source, id FROM hub.event"
ALERTS = "SELECT payload FROM hub.event WHERE type = 'answers_lost'"

# (source, id) at each place of the ledger.
Booked = Mapping[Seq, tuple[str, str]]


class Named(msgspec.Struct, frozen=True):
    """A window as an alert names it: whose sources should send again what they sent in it."""

    first: Seq
    last: Seq
    sources: frozenset[str]

    def has(self, place: Seq, source: str) -> bool:
        return self.first <= place <= self.last and source in self.sources

    def __str__(self) -> str:
        return f"{self.first} to {self.last} of {', '.join(sorted(self.sources))}"


def named(payload: str) -> Named:
    """Read the payload of an alert."""
    told = msgspec.json.decode(payload)
    return Named(place_of(told["first"]), place_of(told["last"]), frozenset(told["sources"]))


def place_of(told: str) -> Seq:
    """Read `0-3-1041`."""
    partition, epoch, number = map(int, told.split("-"))
    return Seq(epoch, number, partition)


def booked_at(rows: Iterable[Any]) -> Booked:
    """Read rows of `EVENTS`."""
    return {Seq(row["epoch"], row["seq"]): (row["source"], row["id"]) for row in rows}


def unnamed(log: Log, booked: Booked, windows: Iterable[Named], living: Container[str]) -> list[str]:
    """Answers of 202 that were lost and lie in no window, although the process that gave them still lives."""
    windows = list(windows)
    return [
        f"{sent.id} of {sent.source} at {place}, told by {answer.by}"
        for sent, answer, place in _promised(log)
        if booked.get(place) != (sent.source, sent.id) and answer.by in living
        if not any(window.has(place, sent.source) for window in windows)
    ]


def wrongly_named(booked: Booked, windows: Iterable[Named]) -> list[str]:
    """Windows that name what the ledger has."""
    return [
        f"{window}, but the ledger has {place}"
        for window in windows
        for place in booked
        if window.first <= place <= window.last
    ]


def _promised(log: Log) -> Iterable[tuple[Sent, Answer, Seq]]:
    """Each answer of 202 to a fact, and where the hub booked it."""
    for sent in log.facts:
        for answer in (*sent.withdrawn, *sent.answers):
            if answer.status == 202 and answer.body.get("seq"):
                yield sent, answer, place_of(answer.body["seq"])
