"""What the processes of a load tell each other, one JSON document a line."""

import msgspec

from hub.load.books import Books
from hub.load.histogram import Histogram


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Connections and sockets are open."""


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Begin at this instant of the clock that all processes of a machine share."""

    at: float


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """Send nothing new any more."""


class Look(msgspec.Struct, frozen=True, tag="look"):
    """All processes have been answered: compare what the sockets hold with the truth."""


class Second(msgspec.Struct, tag="second"):
    """What happened in one second of one process."""

    number: int
    # Requests that were due, that were answered, and events that were booked.
    asked: int = 0
    answered: int = 0
    booked: int = 0
    refused: int = 0
    # Requests whose outcome was left open.
    unknown: int = 0
    # Refusals and what left an outcome open, by kind.
    errors: dict[str, int] = {}
    # From when it was due to its answer, in microseconds, of all kinds of requests.
    latency: Histogram = msgspec.field(default_factory=Histogram)
    # At its end: due and not sent; sockets that are open, and that have what was shown a second before.
    waiting: int = 0
    sockets: int = 0
    current: int = 0


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """Everything was answered, or asked again until patience was over."""


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """How the generator itself did, in one process."""

    # From its beginning until all was answered.
    seconds: float
    cpu_seconds: float
    # How late it noticed what was due, in microseconds.
    lateness: Histogram


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Of what was due after the warm-up."""

    # How long that was.
    seconds: float

    asked: int
    answered: int
    booked: int
    # Due, and not sent in time to be answered; each is in `latency` with the time that it had waited.
    unsent: int
    # By kind of request, in microseconds.
    latency: dict[str, Histogram]


class SocketsTold(msgspec.Struct, frozen=True, kw_only=True):
    """The sockets of one process at the end."""

    asked: int = 0
    # Whose last values are what the hub says.
    current: int = 0
    # Of the others, some in words.
    behind: list[str] = []
    went_back: int = 0
    values: int = 0
    ended: dict[str, int] = {}


class Final(msgspec.Struct, frozen=True, kw_only=True, tag="final"):
    """All that one process has to say."""

    books: Books
    # Reservations that it left, to be given back.
    held: list[str]
    measured: Measured
    generated: Generated
    sockets: SocketsTold
    # Why it ended before its time; empty where it did not.
    ended_early: str = ""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot go on, in one sentence."""

    reason: str


ToWorker = Begin | Stop | Look
FromWorker = Ready | Second | Sent | Final | Failed
