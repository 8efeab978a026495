"""Figures: medians with their spread, percentiles, and rows of a Markdown table."""

import argparse
import random
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEAD = "| # | what | measured | floor or peer | ratio | goal |\n|---|---|---|---|---|---|"

# Sums of hops are drawn so often; the same seed makes two runs comparable.
_SUMS = 50_000
_SEED = 1


@dataclass(frozen=True)
class Options:
    """How long a script measures."""

    runs: int
    seconds: float
    # Worlds as large as they get, which take long to fill.
    full: bool = False
    # Of the house whose rules change.
    positions: int = 100_000
    # That are over at one moment.
    holds: int = 100_000
    # Of each of two groups that are compared.
    samples: int = 5_000
    # Screens at once; None: as many as the script says.
    sockets: int | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    number: str
    what: str
    measured: str
    floor: str
    ratio: str
    goal: str

    def __str__(self) -> str:
        return f"| {self.number} | {self.what} | {self.measured} | {self.floor} | {self.ratio} | {self.goal} |"


def spread(values: Sequence[float], digits: int = 0, unit: str = "", sign: str = "") -> str:
    """The median of the runs and, in brackets, the lowest and the highest; `sign` `+` for a difference."""
    low, middle, high = (f"{value:{sign},.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle}{unit} ({low} to {high})" if sign else f"{middle}{unit} ({low}–{high})"


def ratios(values: Sequence[float], floors: Sequence[float]) -> list[float]:
    """Each run against the floor measured beside it."""
    return [value / floor for value, floor in zip(values, floors, strict=True)]


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def sum_of_hops(*hops: Sequence[float]) -> list[float]:
    """How long all hops take one after the other: sums of one sample of each, drawn at random.

    A percentile of these is stricter than the sum of the hops' percentiles, which assumes that all are slow at once.
    """
    drawn = random.Random(_SEED)
    return [sum(parts) for parts in zip(*(drawn.choices(hop, k=_SUMS) for hop in hops), strict=True)]


def options(description: str | None) -> Options:
    """Read the command line that all scripts share; from here on SIGTERM ends what was started, as ^C does."""
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=3, help="measure so often; the median counts")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each load")
    parser.add_argument("--full", action="store_true", help="worlds as large as they get (growth.py: a million SKUs)")
    parser.add_argument("--positions", type=int, default=100_000, help="of the house that rules change for")
    parser.add_argument("--holds", type=int, default=100_000, help="that are over at one moment")
    parser.add_argument("--samples", type=int, default=5_000, help="of each of two groups (privacy.py)")
    parser.add_argument("--sockets", type=_sockets, help="screens at once, or `max`: as many as files may be open")
    given = parser.parse_args()
    sizes = (given.positions, given.holds, given.samples, given.sockets)
    return Options(max(1, given.runs), given.seconds, given.full, *sizes)


def _sockets(text: str) -> int:
    return sys.maxsize if text == "max" else int(text)


def print_rows(description: str | None, measure: Callable[[Options], Iterable[Row]]) -> None:
    """Run one script by itself."""
    rows = measure(options(description))
    print(HEAD, flush=True)
    for row in rows:
        print(row, flush=True)
