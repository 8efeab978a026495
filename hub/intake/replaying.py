"""Book what was parked, once all its names are known and there is room for it.

Nothing is lost or doubled by it: a replayed event has its id, so it takes effect once whoever replays it, and however
often. What was parked is booked in the order it came, with the time it was given then.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter

import msgspec
import structlog

from hub.domain.command import Fact, Reach
from hub.domain.entry import Seq
from hub.domain.findings import ParkedEvent
from hub.domain.rules import House
from hub.faults import Fault
from hub.intake.facts import names_in, to_fact
from hub.intake.parts import Parts
from hub.intake.questions import ledger_has_all
from hub.patience import Trouble
from hub.stock.allowed import Allowed
from hub.stock.outcome import Applied, Duplicate
from protocol.answers import epoch_ms
from protocol.codec import Malformed, decode_event
from protocol.limits import EVENTS_PER_ARRAY_MAX
from protocol.reports import ReplayAnswer

log = structlog.get_logger()

# How long a store that is away is waited for before it is asked again.
PAUSE_SECONDS = 5.0
LOOK_SECONDS = 60.0


async def replay_parked(parts: Parts) -> ReplayAnswer:
    """Book every parked event that names only what the house knows now.

    Raises:
        Unavailable: a store did not answer; some may be booked, and to replay again is safe.
    """
    await ledger_has_all(parts)
    replayed = still_parked = 0
    behind: Seq | None = None
    while True:
        stretch = await parts.waiting.stretch(behind)
        # Asked for each stretch: the rules may change again meanwhile.
        ready = [(event.reach, fact) for event in stretch.events if (fact := fact_of(event, parts.house)) is not None]
        booked = await _book(parts, ready)
        replayed += booked
        still_parked += len(stretch.events) - booked
        if stretch.end is None:
            break
        behind = stretch.end.seq
    if replayed:
        log.info("parked events were booked", replayed=replayed, still_parked=still_parked)
        # Who looks next finds them gone.
        await ledger_has_all(parts)
    return ReplayAnswer(replayed, still_parked)


class Replaying:
    """Replays at the start, whenever the house changes, and every minute.

    The last is for what waits for room, and for what a process parked by a house that another had just changed.
    """

    def __init__(self) -> None:
        self._house_changed = asyncio.Event()

    def note_house_changed(self) -> None:
        """What was unknown may be known now."""
        self._house_changed.set()

    async def run(self, parts: Parts) -> None:
        """Replay until cancelled; a store that is away is waited for."""
        trouble = Trouble("parked events are tried again later", "parked events are tried again")
        while True:
            self._house_changed.clear()
            try:
                await replay_parked(parts)
                trouble.note_over()
                pause_seconds = LOOK_SECONDS
            except Fault as fault:
                trouble.note(fault)
                pause_seconds = PAUSE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_seconds):
                    await self._house_changed.wait()


def fact_of(event: ParkedEvent, house: House) -> Fact | None:
    """The fact to book; None while it names what the house does not know. Pure."""
    try:
        decoded = decode_event(event.payload.encode())
    except Malformed:
        # Parked by a version that knows more than this one.
        return None
    clock_error_ms = event.time_ms - epoch_ms(decoded.event.time)
    fact = to_fact(decoded, names_in(decoded.event), event.place.source, house, clock_error_ms)
    if fact.verb == "park":
        return None
    # Byte for byte what was parked, or its own id would seem to have another content.
    return msgspec.structs.replace(fact, hash=event.hash, payload=event.payload)


async def _book(parts: Parts, ready: Sequence[tuple[Reach, Fact]]) -> int:
    """Book the facts in their order, each where its sender might; answers how many are booked."""
    booked = 0
    for start in range(0, len(ready), EVENTS_PER_ARRAY_MAX):
        for reach, some in groupby(ready[start : start + EVENTS_PER_ARRAY_MAX], key=itemgetter(0)):
            outcomes = await parts.booking.book([fact for _, fact in some], Allowed(set(reach) or None))
            booked += sum(isinstance(outcome, Applied | Duplicate) for outcome in outcomes)
    return booked
