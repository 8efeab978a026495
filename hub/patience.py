"""How long something is tried again that others change meanwhile.

A number of tries would depend on how fast the machine is and how many others have a turn; a time does not.
"""

from collections.abc import Iterator
from time import monotonic

SECONDS = 5.0


def attempts(seconds: float = SECONDS) -> Iterator[None]:
    """Yield at least once, and then again until so many seconds have passed."""
    ends = monotonic() + seconds
    yield
    while monotonic() < ends:
        yield
