"""The reservations of one process: made, confirmed or not, and given back. Pure."""

import random
from collections import deque

import msgspec

# Kept at once; then each new request gives the oldest back.
LIVE_MAX = 16
# One that was kept for so long goes on, however few there are: a `cart` ends by itself, after 15 minutes where the
# house does not say otherwise.
OLD_SECONDS = 300.0
# Of those that are given back, the part that is confirmed before.
CONFIRMED_SHARE = 0.5


class Hold(msgspec.Struct):
    """One unit that is held."""

    id: str
    sku: int
    since: float
    # The next request gives it back.
    is_confirmed: bool = False


class Holds:
    """What is held and not under way."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._kept: deque[Hold] = deque()
        self._is_refused = False

    def next(self, now: float) -> Hold | None:
        """The reservation whose turn it is, which leaves the book; None: make a new one."""
        if not self._kept:
            return None
        is_enough = self._is_refused or len(self._kept) >= LIVE_MAX or now - self._kept[0].since >= OLD_SECONDS
        self._is_refused = False
        return self._kept.popleft() if is_enough else None

    def refused(self) -> None:
        """A new one was refused: give one back first."""
        self._is_refused = True

    def verb(self, hold: Hold) -> str:
        """What is done with one whose turn it is."""
        if hold.is_confirmed or self._chance.random() >= CONFIRMED_SHARE:
            return "release"
        return "confirm"

    def keep(self, hold: Hold) -> None:
        """Keep a new one, or one that was confirmed, which is then the next to be given back."""
        if hold.is_confirmed:
            self._kept.appendleft(hold)
        else:
            self._kept.append(hold)

    @property
    def ids(self) -> list[str]:
        """Those that are kept."""
        return [hold.id for hold in self._kept]
