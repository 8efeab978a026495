"""What a replay did, counted, and in words."""

from collections import Counter
from dataclasses import dataclass, field

from hub.replay.history import RowTally

# The answers an event can get (wire.md), in the order people want to read them.
STATUSES = ("applied", "accepted", "duplicate", "parked", "refused")
# Statuses under which the hub has the event on its books.
BOOKED = frozenset({"applied", "accepted", "duplicate"})
_LISTED_MAX = 10


@dataclass(slots=True)
class ReplaySummary:
    """Counts of one replay. `rows` is shared with the history and complete once the replay is over."""

    name: str
    rows: RowTally
    statuses: Counter[str] = field(default_factory=Counter)
    # The first ten parked and refused events, each with the hub's reason.
    troubles: list[str] = field(default_factory=list)
    # Units of events that are on the hub's books, by this replay or by an earlier one.
    units_sold: int = 0
    units_returned: int = 0
    # Requests that were sent again because the first answer was none.
    retries: int = 0
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """1 when an event is parked or refused, else 0."""
        return 1 if self.statuses["parked"] or self.statuses["refused"] else 0

    def trouble(self, text: str) -> None:
        """List a parked or refused event, if the list is not full."""
        if len(self.troubles) < _LISTED_MAX:
            self.troubles.append(text)

    def text(self) -> str:
        """Say it in a few lines."""
        rows = self.rows
        rate = rows.rows / self.seconds if self.seconds else 0.0
        counts = " · ".join(f"{self.statuses[status]:,} {status}" for status in STATUSES)
        lines = [
            f"Replayed {self.name} in {self.seconds:,.1f} s ({rate:,.0f} rows/s, {self.retries:,} requests repeated)",
            f"  rows    {rows.rows:,} read · {rows.zero:,} of quantity 0 skipped · "
            f"{rows.too_large.count:,} over 1,000,000 skipped · {rows.unreadable.count:,} unreadable",
            f"  events  {self.statuses.total():,} sent: {counts}",
            f"  units   {self.units_sold:,} sold · {self.units_returned:,} returned",
        ]
        skipped = rows.too_large.count + rows.unreadable.count
        lines += _listed("rows not sent", skipped, rows.too_large.first + rows.unreadable.first)
        lines += _listed("events not booked", self.statuses["parked"] + self.statuses["refused"], self.troubles)
        return "\n".join(lines)


def _listed(title: str, count: int, first: list[str]) -> list[str]:
    if not count:
        return []
    more = [f"    … and {count - len(first):,} more"] if count > len(first) else []
    return [f"  {title}", *(f"    {text}" for text in first), *more]
