"""What must lie on the shelf, from what was told alone: no buckets, no movements, no order but that of arrival."""

import math
from typing import Any

import msgspec

from hub.domain.buckets import is_shelf
from hub.domain.command import Closing, Fact, Line
from hub.domain.entry import Entry

Place = tuple[str, str]


class Told(msgspec.Struct, frozen=True):
    """Units that came (plus) or went (minus), and the number of the entry that said so."""

    number: int
    time_ms: int
    units: int


class Count(msgspec.Struct):
    """A count of one position."""

    number: int
    counted_at_ms: int
    counted: int
    # The number of the entry that closed it.
    closed_by: int | None = None


class Shelves:
    """The sums of the facts, counts taken into account."""

    def __init__(self) -> None:
        self.told: dict[Place, list[Told]] = {}
        self.counts: dict[Place, list[Count]] = {}

    def tell(self, place: Place, told: Told) -> None:
        self.told.setdefault(place, []).append(told)

    def count(self, place: Place, count: Count) -> None:
        """Open a count; one event may count a place in several lines."""
        counts = self.counts.setdefault(place, [])
        if counts and counts[-1].number == count.number:
            counts[-1].counted += count.counted
        else:
            counts.append(count)

    def close(self, place: Place, number: int, closed_by: int) -> None:
        next(count for count in self.counts[place] if count.number == number).closed_by = closed_by

    def balance(self, place: Place, before: int) -> int:
        """on_hand - deficit as it must be before the entry of that number."""
        told = [each for each in self.told.get(place, ()) if each.number < before]
        counts = [count for count in self.counts.get(place, ()) if count.number < before]
        if not counts:
            return sum(each.units for each in told)
        newest = max(counts, key=lambda count: (count.counted_at_ms, count.number))
        later = [each for each in told if each.time_ms > newest.counted_at_ms]
        if newest.closed_by is not None and newest.closed_by < before:
            return newest.counted + sum(each.units for each in later)
        after = sum(each.units for each in later if each.number > newest.number)
        return self.balance(place, newest.number) + after

    def book(self, place: Place, number: int) -> int:
        """What the book said of the count that the entry of that number opened: all that was told before and had
        happened by then, from the last count on that was booked."""
        counts = self.counts[place]
        count = next(count for count in counts if count.number == number)
        told = [each for each in self.told.get(place, ()) if each.number < number]
        happened = [each for each in told if each.time_ms <= count.counted_at_ms]
        booked = [each for each in counts if each.counted_at_ms <= count.counted_at_ms and _is_booked(each, counts)]
        booked = [each for each in booked if (each.closed_by or 0) < number]
        last = max(booked, key=lambda each: (each.counted_at_ms, each.closed_by), default=None)
        if last is None:
            return sum(each.units for each in happened)
        return last.counted + sum(each.units for each in happened if each.time_ms > last.counted_at_ms)


def _is_booked(count: Count, counts: list[Count]) -> bool:
    """Whether it was the newest when it was closed."""
    closed_by = count.closed_by
    if closed_by is None:
        return False
    opened = [other for other in counts if other.number < closed_by]
    return count is max(opened, key=lambda other: (other.counted_at_ms, other.number))


def units_since(journal: list[Entry], opened: str, record: list[Any], sku: str) -> int:
    """Do what the ledger does for a count: units onto the shelf, less those off it, after the count by their own time,
    in entries before the one that opened it."""
    _, _, location, counted_at_ms, *_ = record
    units = 0
    for entry in journal[: int(opened.split("-")[1])]:
        for move in entry.movements:
            time_ms = entry.time_ms if move.time_ms is None else move.time_ms
            if (entry.skus[move.sku], move.location) == (sku, location) and time_ms > counted_at_ms:
                units += move.quantity * (is_shelf(move.to_bucket) - is_shelf(move.from_bucket))
    return units


def units_passed(journal: list[Entry], opened: str, record: list[Any], sku: str) -> int:
    """Do what the ledger does for a count: units that went by the shelf and had happened by the count, in entries
    before the one that opened it, but for what a count that was booked by then has seen."""
    _, _, location, counted_at_ms, *_ = record
    before = journal[: int(opened.split("-")[1])]
    seen_ms = max(
        (
            told.counted_at_ms
            for entry in before
            for told in entry.counted
            if (entry.skus[told.sku], told.location) == (sku, location)
            and told.is_newest
            and told.counted_at_ms <= counted_at_ms
        ),
        default=-math.inf,
    )
    units = 0
    for entry in before:
        for move in entry.movements:
            time_ms = entry.time_ms if move.time_ms is None else move.time_ms
            if (entry.skus[move.sku], move.location) != (sku, location) or not seen_ms < time_ms <= counted_at_ms:
                continue
            if "variance" in (move.from_bucket, move.to_bucket):
                is_by = not is_shelf(move.from_bucket) and not is_shelf(move.to_bucket)
                units += move.quantity * is_by * (1 if move.to_bucket == "variance" else -1)
    return units


def closing_of(journal: list[Entry], opened: str, record: list[Any]) -> Fact:
    """The command that closes a count, with what the ledger, here the journal, says of its time."""
    skus = [row[0] for row in record[6]]
    since = [units_since(journal, opened, record, sku) for sku in skus]
    return closing(record, opened, since, [units_passed(journal, opened, record, sku) for sku in skus])


def closing(record: list[Any], opened: str, since: list[int], passed: list[int]) -> Fact:
    """The command that closes a count."""
    source, id, location, counted_at_ms, *_, rows = record
    return Fact(
        verb="close",
        type="count",
        source=source,
        id=id,
        hash="closing",
        time_ms=counted_at_ms,
        stated_ms=counted_at_ms,
        ledger_checked=True,
        payload="",
        lines=tuple(Line(row[0], location, row[1]) for row in rows),
        detail=Closing(opened, tuple(since), tuple(passed)),
    )
