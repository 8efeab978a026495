"""What the reference model answers to one command."""

from typing import Literal

import msgspec

from hub.domain.answer import AnsweredAlert
from hub.domain.draft import Denial
from hub.domain.entry import Seq
from hub.domain.holding.hold import Hold


class Outcome(msgspec.Struct, frozen=True):
    """The answer to one fact.

    A `duplicate`, and a `parked` that was parked before, repeat the first answer; a `conflict` has the seq
    under which this content was kept. `ask_ledger`, `look_again` and `refused` wrote nothing and have nothing but
    `why`.
    """

    kind: Literal[
        "applied", "duplicate", "parked", "conflict", "ask_ledger", "look_again", "refused", "denied", "unchanged"
    ]
    seq: Seq | None = None
    # (SKU, quantity) of each line, in the event's order.
    lines: tuple[tuple[str, int], ...] = ()
    # Summed over the lines, then what pools show since.
    alerts: tuple[AnsweredAlert, ...] = ()
    # Why it was refused, or must wait for room.
    why: str = ""
    # Of a request that was granted, or asks for what is so already.
    hold: Hold | None = None
    # Why a request was denied.
    denial: Denial | None = None


class Seen(msgspec.Struct, frozen=True):
    """What is remembered of an id: its content and its first answer."""

    hash: str
    answer: Outcome
