"""What takes effect twice, because both forgot that they had it, and is taken back."""

from copy import deepcopy

import msgspec

from hub.domain.command import Fact, Line
from hub.domain.reversing import is_plain, reversal_of
from hub.stock import keys
from hub.stock.outcome import Applied, Duplicate, Stale
from tests.model.pair import EPOCH, Pair
from tests.model.worlds import Doubling


async def double(pair: Pair, step: Doubling) -> None:
    """Have one fact that was booked applied again, then as many others as there are between, and take it back."""
    found = [
        (number, entry) for number, entry in enumerate(pair.model.journal) if entry.kind == "fact" and is_plain(entry)
    ]
    facts = {(fact.source, fact.id): fact for fact in pair.told}
    _, first = found[step.back % len(found)] if found else (0, None)
    fact = facts.get((first.source, first.id)) if first is not None else None
    if fact is None or fact.verb == "park":
        return
    fact = msgspec.structs.replace(pair.renamed(fact), ledger_checked=True)
    if not await _is_applied_plainly(pair, fact):
        return
    await pair.client.hdel(keys.seen(pair.kernel.booked_at_ms // 86_400_000), keys.event_field(fact.source, fact.id))
    del pair.model.seen[fact.source, fact.id]
    twice = (await _booked(pair, fact)).seq
    if step.then_taken:
        sale = sale_of(fact, len(pair.model.journal), pair.house.pools[0].id)
        pair.add_up(sale, await _booked(pair, sale))
    back = reversal_of(twice, pair.model.journal[twice.number])
    taken_back = (await _booked(pair, pair.renamed(back))).seq
    entry = pair.model.journal[taken_back.number]
    assert (entry.kind, entry.about) == ("reversal", f"{EPOCH}-{twice.number}")
    # Both know it by now, whoever asks again.
    [again] = await pair.kernel.call([back], pair.house)
    assert isinstance(again, Duplicate)
    assert again.seq == taken_back
    await pair.check()


def sale_of(fact: Fact, number: int, pool: str) -> Fact:
    """A sale of what the fact is about: units do not wait where they went."""
    lines = tuple(Line(line.sku, line.location, max(1, abs(line.quantity))) for line in fact.lines)
    return msgspec.structs.replace(
        fact, verb="sale", type="sale", id=f"then-{number}", payload="{}", pool=pool, lines=lines, detail=None
    )


async def _is_applied_plainly(pair: Pair, fact: Fact) -> bool:
    """Whether a second time would only move units, by a copy of the model."""
    copy = deepcopy(pair.model)
    if any(copy.computed_under.get(line.sku, copy.rules_version) != copy.rules_version for line in fact.lines):
        return False
    del copy.seen[fact.source, fact.id]
    outcome = copy.apply(fact, pair.kernel.booked_at_ms)
    return outcome.kind == "applied" and is_plain(copy.journal[-1])


async def _booked(pair: Pair, fact: Fact) -> Applied:
    """What both answered that booked it now."""
    [outcome] = await pair.kernel.call([fact], pair.house, is_whole=True)
    assert not isinstance(outcome, Stale)
    assert isinstance(outcome, Applied)
    expected = pair.model.apply(fact, pair.kernel.booked_at_ms)
    assert outcome == pair.wanted(expected), fact
    return outcome
