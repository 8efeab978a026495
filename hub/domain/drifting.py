"""A vendor's stock level that differs from ours, and when a person is told. Pure; times are UTC milliseconds.

At any moment something is under way between the two, so a difference is told only once it has lasted, and only by
numbers that belong together: those of the moment in which the vendor told its own, or later ones as long as ours has
not moved since.
"""

import msgspec

from hub.domain.command import Fact, Raising
from hub.domain.noticing import digest_of, own_alert

DRIFT, DRIFT_OVER = "source_drift", "source_drift_over"
# Differences of one source that are looked at, and of these the ones that an alert has told; the others wait.
DIFFERENCES_MAX = 2_000
TOLD_MAX = 50
_ABOUT_CHARS_MAX = 500


class Difference(msgspec.Struct, frozen=True):
    """One SKU at one location of one source, since it differs."""

    source: str
    sku: str
    location: str
    # The vendor's last number, by how many units it was above ours then, and when it was told.
    theirs: int
    units: int
    told_ms: int
    since_ms: int
    # When an alert told it; 0: none did.
    alert_ms: int = 0


class Told(msgspec.Struct, frozen=True):
    """One number that a vendor told, compared with ours."""

    sku: str
    location: str
    theirs: int
    # By how many units it is above ours; 0: they agree.
    units: int
    at_ms: int


class Rightful(msgspec.Struct, frozen=True):
    """The numbers that a vendor may have of one SKU at one location: ours, or those that it was told."""

    # None: it was told nothing yet.
    numbers: frozenset[int] = frozenset()
    # When it took a number last; what it says of a moment before that is over. 0: it is told nothing.
    taken_ms: int = 0


def units_beside(theirs: int, at_ms: int, right: Rightful) -> int:
    """How many units a vendor had more at that time than is right; of several numbers on their way to it each is."""
    if at_ms < right.taken_ms:
        return 0
    # What it was told nothing of yet is no difference.
    return min((theirs - each for each in right.numbers or {theirs}), key=abs)


def lasts(difference: Difference, units_now: int, now_ms: int, stated_seconds: int) -> bool:
    """Whether an alert shall tell it."""
    is_long = now_ms - difference.since_ms >= stated_seconds * 1000
    return is_long and not difference.alert_ms and units_now == difference.units


def alert_of(difference: Difference, units_now: int) -> Fact:
    """The command that tells it, or at 0 units that it is over; each has an id of its own, so that it is told once."""
    about = f"{difference.source} {difference.sku} {difference.location}".replace("\0", " ")[:_ABOUT_CHARS_MAX]
    name = digest_of(f"{difference.source}\0{difference.sku}\0{difference.location}\0{difference.since_ms}")
    payload = msgspec.json.encode(
        {
            "source": difference.source,
            "sku": difference.sku,
            "location": difference.location,
            "theirs": difference.theirs,
            "ours": difference.theirs - units_now,
        }
    ).decode()
    # What is over counts the units that it was told with.
    detail = Raising(about, abs(units_now or difference.units) or 1)
    type = DRIFT if units_now else DRIFT_OVER
    return own_alert(type, name, name, difference.since_ms, payload, detail)
