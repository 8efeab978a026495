"""What the kernel answers to one command."""

import msgspec

from hub.domain.answer import Answer, AnsweredAlert
from hub.domain.entry import Seq
from hub.domain.holding.hold import Hold
from hub.domain.pools import View


class Shown(msgspec.Struct, frozen=True):
    """What one pool shows of one SKU after the command; the view comes without its parts."""

    sku: str
    pool: str
    view: View


class Applied(msgspec.Struct, frozen=True):
    """Booked now."""

    seq: Seq
    # (house SKU, quantity) for each line of the answer.
    lines: tuple[tuple[str, int], ...]
    alerts: tuple[AnsweredAlert, ...]
    shown: tuple[Shown, ...]


class Duplicate(msgspec.Struct, frozen=True):
    """Booked before, with the same content."""

    seq: Seq
    # What was answered first; None when the journal no longer has it and the ledger must tell.
    first: Answer | None


class Parked(msgspec.Struct, frozen=True):
    """Kept whole; no stock was changed."""

    seq: Seq
    # What there is no room for; empty where it names what nobody knows.
    why: str = ""


class Conflict(msgspec.Struct, frozen=True):
    """The id was here before with another content; nothing changed, and the attempt is kept in the journal."""

    seq: Seq


class AskLedger(msgspec.Struct, frozen=True):
    """Only the ledger can know whether this id was booked long ago; nothing was written."""


class LookAgain(msgspec.Struct, frozen=True):
    """What the command was made from, an earlier event, is not as it was any more; nothing was written."""


class Stale(msgspec.Struct, frozen=True):
    """The views of this SKU are of older rules and must be refreshed first; nothing was written."""

    sku: str


class Refused(msgspec.Struct, frozen=True):
    """The command itself is malformed; nothing was written."""

    why: str


class Forbidden(msgspec.Struct, frozen=True):
    """The sender may not touch where this takes effect, which only an earlier event says; nothing was written."""

    why: str


class Granted(msgspec.Struct, frozen=True):
    """A request did what it asked for."""

    seq: Seq
    # As it is now.
    hold: Hold


class AsItIs(msgspec.Struct, frozen=True):
    """A request asks for what is so already; nothing was written."""

    hold: Hold


class NeedsWhole(msgspec.Struct, frozen=True):
    """The command takes units that somebody holds, so it must come with all locations; nothing was written."""


class Denied(msgspec.Struct, frozen=True):
    """A request cannot be granted; no stock was changed."""

    # The end of the problem's type: insufficient, unknown_reservation, conflict, not_held, expired, ended.
    problem: str
    # Of `insufficient`: (SKU, requested, what the pool shows; -1 where it shows no number).
    shortages: tuple[tuple[str, int, int], ...] = ()


class Busy(msgspec.Struct, frozen=True):
    """The command cannot be taken for now; the same again later is."""

    why: str


class Broken(msgspec.Struct, frozen=True):
    """The command could not be checked, for example because a key holds something else; nothing was written."""

    why: str


class Unchanged(msgspec.Struct, frozen=True):
    """A refresh, a lapse or the closing of a count found nothing to do."""


Outcome = (
    Applied
    | Duplicate
    | Parked
    | Conflict
    | AskLedger
    | LookAgain
    | Stale
    | Refused
    | Forbidden
    | Busy
    | Granted
    | AsItIs
    | Denied
    | NeedsWhole
    | Broken
    | Unchanged
)
