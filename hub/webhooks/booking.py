"""What one delivery says is booked by the same road as any event, and what became of it is one result."""

from collections.abc import Sequence
from time import time
from typing import Literal

import msgspec

from adapters.contract import Reading
from hub.access import Claims
from hub.domain.command import Fact
from hub.intake.answers import Telling, answer_to
from hub.journal.watermark import Watermark
from hub.stock.booking import Booking
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.describing import Describing
from hub.stock.outcome import Applied, Conflict, Duplicate, Forbidden, Outcome, Parked, Refused
from hub.stock.reads import Reads
from hub.webhooks.accounts import Party
from hub.webhooks.describing import take_descriptions
from hub.webhooks.facts import Unmapped, facts_of, lacking, unknown_aliases
from hub.webhooks.levels import Drift, Offers, counts, differences, positions_of, right_of
from protocol.answers import EventAnswer
from protocol.events import Event
from protocol.feed import ORDER_CHANGED

# The ledger was late: soon it has the rest.
LATE_SECONDS = 2.0


class Result(msgspec.Struct, frozen=True):
    """What became of a delivery."""

    # Kept: not yet, and it is tried again after `wait_seconds`.
    state: Literal["kept", "booked", "ignored", "parked"]
    why: str = ""
    lacks: tuple[str, ...] = ()
    events: tuple[EventAnswer, ...] = ()
    wait_seconds: float = 0.0
    # Events that nobody had told before.
    new: int = 0
    # Whether the third party is why it is tried again.
    has_failed: bool = False


class Stock(msgspec.Struct, frozen=True):
    """What deliveries are booked with."""

    booking: Booking
    describing: Describing
    described: Described
    current: CurrentHouse
    reads: Reads
    watermark: Watermark


async def book(
    stock: Stock,
    party: Party,
    reading: Reading,
    drift: Drift,
    ledger_wait_seconds: float,
    offers: Offers | None = None,
) -> Result:
    """Book what a delivery says; again is safe. It waits so long for the ledger. `offers`: what its vendor was told.

    Raises:
        Fault: a store did not answer or refused, so what became of it is unknown.
    """
    if reading.unmapped is not None:
        return Result("parked", reading.unmapped)
    levels = () if party.settings.levels == "ignore" else reading.levels
    if not (reading.events or levels or reading.descriptions):
        return Result("ignored")
    if reading.descriptions:
        refused = await take_descriptions(reading.descriptions, stock.describing, stock.described)
        if refused:
            return Result("parked", "; ".join(refused))
    masters = party.settings.levels == "count"
    missing = await _missing_aliases(stock, reading, with_levels=masters)
    if missing:
        return _unmapped(lacking(missing))
    events: list[Event] = [*reading.events]
    house = stock.current.house
    if levels:
        # A vendor may have what the house never heard of; that is nothing to compare.
        strangers = set() if masters else set(unknown_aliases(reading, house, with_levels=True))
        levels = tuple(level for level in levels if level.sku not in strangers)
        if masters:
            events += counts(levels, house, await positions_of(levels, house, stock.reads))
        else:
            places = [(house.sku(level.sku), level.location) for level in levels]
            right = await right_of(party, places, house, stock.reads, offers)
            await drift.note(party.settings.id, differences(levels, house, right))
    facts = facts_of(events, party, house, is_verbatim=reading.is_verbatim)
    if isinstance(facts, Unmapped):
        return _unmapped(facts)
    return await _book(stock, party, facts, ledger_wait_seconds)


async def _missing_aliases(stock: Stock, reading: Reading, *, with_levels: bool) -> list[str]:
    missing = unknown_aliases(reading, stock.current.house, with_levels=with_levels)
    if missing:
        # Another process may have described them just now.
        await stock.described.catch_up(missing)
        missing = unknown_aliases(reading, stock.current.house, with_levels=with_levels)
    return missing


async def _book(stock: Stock, party: Party, facts: Sequence[Fact], ledger_wait_seconds: float) -> Result:
    if not facts:
        return Result("booked")
    outcomes = await stock.booking.book(facts)
    # What is not in the ledger could be lost with Redis, and must be booked anew then.
    seqs = [outcome.seq for outcome in outcomes if isinstance(outcome, Applied | Duplicate | Parked)]
    is_kept = not seqs or await stock.watermark.wait(max(seqs), ledger_wait_seconds)
    pool = party.settings.pool
    seen = Claims(sub=party.settings.id, source=party.settings.id, pools=frozenset({pool} if pool else ()))
    telling = Telling(stock.current.house, seen, stock.watermark, int(time() * 1000))
    events = tuple(answer_to(fact, outcome, telling)[0] for fact, outcome in zip(facts, outcomes, strict=True))
    new = sum(_is_new(fact, outcome) for fact, outcome in zip(facts, outcomes, strict=True))
    if not is_kept:
        return Result("kept", "the ledger is late", events=events, wait_seconds=LATE_SECONDS, new=new)
    refused = [_refusal(fact, outcome) for fact, outcome in zip(facts, outcomes, strict=True) if _is_refused(outcome)]
    why = "; ".join(refused)
    return Result("parked" if refused else "booked", why, events=events, new=new)


def _is_new(fact: Fact, outcome: Outcome) -> bool:
    # A vendor dates an order anew that says what it said: such a picture is an event of its own.
    return isinstance(outcome, Applied) and fact.type != ORDER_CHANGED


def _is_refused(outcome: Outcome) -> bool:
    return isinstance(outcome, Conflict | Refused | Forbidden)


def _refusal(fact: Fact, outcome: Outcome) -> str:
    why = getattr(outcome, "why", "its id was used for another content")
    return f"the event {fact.id} was refused: {why}"


def _unmapped(found: Unmapped) -> Result:
    return Result("parked", found.why, found.lacks)
