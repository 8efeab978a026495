"""What the answer to a count can say of its closing, which books the differences a moment after the count is opened."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Literal

import msgspec

from hub.domain.answer import AnsweredAlert
from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.faults import Fault
from hub.intake.parts import Parts
from hub.stock.outcome import Applied, Duplicate, Outcome, Shown


class Closing(msgspec.Struct, frozen=True):
    """How far a count is."""

    state: Literal["open", "closed"]
    # What the closing raised.
    alerts: tuple[AnsweredAlert, ...] = ()
    # What pools show after it; None: as the outcome of the count says.
    shown: tuple[Shown, ...] | None = None


async def closings_of(parts: Parts, facts: Sequence[Fact], outcomes: Sequence[Outcome]) -> dict[int, Closing]:
    """How far each count is, by its place; waits, as long as for the ledger, until those opened here are closed.

    A repeated count that the ledger could not be asked about in that time is missing.
    """
    counts = {
        index: outcome
        for index, (fact, outcome) in enumerate(zip(facts, outcomes, strict=True))
        if fact.verb == "count" and isinstance(outcome, Applied | Duplicate)
    }
    if not counts:
        return {}
    clock = asyncio.get_running_loop().time
    deadline = clock() + parts.limits.ledger_wait_ms / 1000
    told: dict[int, Closing] = {}
    for index, outcome in counts.items():
        # While the ledger lacks the count there is nothing to wait for.
        seconds = deadline - clock() if parts.watermark.covers(outcome.seq) else 0
        closed = await parts.closer.wait(outcome.seq, seconds)
        if closed is not None:
            told[index] = Closing("closed", closed.alerts, closed.shown)
        elif isinstance(outcome, Applied) or parts.closer.is_open(outcome.seq):
            told[index] = Closing("open")
    again = {index: outcome.seq for index, outcome in counts.items() if index not in told}
    found = await _from_ledger(parts, list(again.values()), deadline - clock()) if again else None
    if found is not None:
        told |= {i: Closing("closed", found[seq]) if seq in found else Closing("open") for i, seq in again.items()}
    return told


async def _from_ledger(
    parts: Parts, opened: Sequence[Seq], seconds: float
) -> Mapping[Seq, tuple[AnsweredAlert, ...]] | None:
    """What the ledger knows of closings; None: it was not told in time."""
    with suppress(Fault, TimeoutError):
        async with asyncio.timeout(seconds):
            return await parts.closings.alerts_of(opened)
    return None
