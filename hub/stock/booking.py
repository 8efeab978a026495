"""Book facts: the kernel first, the ledger where only its long memory can tell, and the kernel again.

The path of one fact: far from now by its own time? ask the ledger → kernel → applied, duplicate, parked, conflict.
Rarely the kernel asks back (`ask_ledger`, `stale` views, `look_again`); it wrote nothing then, so the fact is simply
sent again. A fact that is about an earlier one is completed by what is known of that before it is sent.
"""

from collections.abc import Callable, Iterable, Sequence
from time import time

import msgspec

from hub.crashpoints import crash
from hub.domain.answer import Answer
from hub.domain.command import Fact
from hub.domain.entry import Seq
from hub.domain.remembering import AHEAD_MS, DAY_MS
from hub.faults import Fault, Unavailable
from hub.patience import attempts
from hub.stock.allowed import EVERYTHING, Allowed
from hub.stock.batcher import Batcher
from hub.stock.described import Described
from hub.stock.earlier import ABOUT_EARLIER, Earlier
from hub.stock.kernel import Kernel
from hub.stock.long_memory import LongMemory, Recalled
from hub.stock.message import Command, Dismiss, Refresh
from hub.stock.outcome import Applied, AskLedger, Broken, Busy, Duplicate, LookAgain, Outcome, Stale

# SKUs of one event that a sentence names.
SKUS_NAMED_MAX = 5


class Booking:
    """Books facts for the doors."""

    def __init__(
        self,
        kernel: Kernel,
        batcher: Batcher,
        memory: LongMemory,
        earlier: Earlier,
        described: Described,
        on_count_opened: Callable[[Seq], None] = lambda seq: None,
    ) -> None:
        self._kernel = kernel
        self._batcher = batcher
        self._memory = memory
        self._earlier = earlier
        self._described = described
        self._on_count_opened = on_count_opened

    async def book(self, facts: Sequence[Fact], allowed: Allowed = EVERYTHING) -> list[Outcome]:
        """Book the facts in their order; one outcome for each.

        `allowed` is what the sender may touch, where only another event, earlier or still to come, says what that is.

        Raises:
            Fault: a store did not answer or refused, so some outcomes are unknown; send the same facts again.
                The others are booked nevertheless.
        """
        run = _Run(facts)
        await self._ask(run, [i for i, fact in enumerate(facts) if self._is_far_off(fact)])
        for _ in attempts():
            if not run.open:
                break
            await self._hear_of(run)
            await self._look_up(run, allowed)
            await self._send(run)
            await self._ask(run, run.asking())
        if run.open:
            raise Unavailable(run.unsettled())
        if run.fault is not None:
            raise run.fault
        await self._fill_in_first_answers(run)
        return run.outcomes()

    async def dismiss(self, command: Dismiss) -> Seq:
        """Say that a parked event is not waited for any more; the place of the entry that says so.

        Raises:
            Unavailable: Redis did not answer; to dismiss it again is safe.
        """
        [outcome] = await self._batcher.submit([command])
        if not isinstance(outcome, Applied):
            raise Unavailable(f"the event could not be dismissed: {outcome}")
        return outcome.seq

    def _is_far_off(self, fact: Fact) -> bool:
        """What the kernel would ask about anyway, so that a replay of old events costs one call of it, not two."""
        first_ms = self._kernel.seen_from * DAY_MS
        # The kernel's clock is known only from its last call; after a quiet night that would be far behind, and a
        # sale of today must not need the ledger.
        now_ms = max(self._kernel.booked_at_ms, int(time() * 1000))
        return not first_ms + AHEAD_MS <= fact.stated_ms <= now_ms + AHEAD_MS

    async def _hear_of(self, run: "_Run") -> None:
        """Perhaps another process described what is stale: then a name may mean another SKU, and other rules hold."""
        if run.stale:
            await self._described.catch_up(run.stale)
            run.rename(self._described.catalogue.sku)

    async def _look_up(self, run: "_Run", allowed: Allowed) -> None:
        """Complete the facts that are about earlier ones."""
        indexes = run.incomplete()
        if not indexes:
            return
        facts = [run.facts[index] for index in indexes]
        try:
            completed = await self._earlier.complete(facts, allowed)
            if crash.armed and await crash.at("earlier looked up"):
                completed = await self._earlier.complete(facts, allowed)
        except Fault as fault:
            run.give_up(indexes, fault)
            return
        for index, found in zip(indexes, completed, strict=True):
            if isinstance(found, Fact):
                run.completed[index] = found
            else:
                run.note(index, found)

    async def _send(self, run: "_Run") -> None:
        indexes = sorted(run.open)
        first: list[Command] = [Refresh(sku) for sku in sorted(run.stale)]
        run.stale.clear()
        outcomes = await self._batcher.submit([*first, *map(run.sent, indexes)])
        if crash.armed:
            await crash.at("outcomes known")
        for index, outcome in zip(indexes, outcomes[len(first) :], strict=True):
            run.note(index, outcome)
            if isinstance(outcome, Applied) and run.facts[index].verb == "count":
                self._on_count_opened(outcome.seq)

    async def _ask(self, run: "_Run", indexes: list[int]) -> None:
        """Look ids up in the ledger; those that it does not know may be booked."""
        if not indexes:
            return
        facts = [run.facts[index] for index in indexes]
        try:
            found = await self._memory.recall([(fact.source, fact.id) for fact in facts])
            if crash.armed and await crash.at("ledger asked"):
                found = await self._memory.recall([(fact.source, fact.id) for fact in facts])
        except Fault as fault:
            # Today's sales in the same array need no ledger.
            run.give_up(indexes, fault)
            return
        for index, fact in zip(indexes, facts, strict=True):
            known = found.get((fact.source, fact.id))
            if known is None:
                run.facts[index] = msgspec.structs.replace(fact, ledger_checked=True)
            elif known.hash == fact.hash:
                run.note(index, Duplicate(known.seq, known.answer))
            else:
                # Only the kernel writes: it keeps the attempt in the journal and answers `conflict`.
                run.facts[index] = msgspec.structs.replace(fact, verb="conflict")

    async def _fill_in_first_answers(self, run: "_Run") -> None:
        lacking = run.lacking_first_answer()
        if not lacking:
            return
        ids = [(run.facts[index].source, run.facts[index].id) for index in lacking]
        found = await self._memory.recall(ids)
        for index, event_id in zip(lacking, ids, strict=True):
            run.note(index, _with_first_answer(run, index, found.get(event_id)))


def _with_first_answer(run: "_Run", index: int, known: Recalled | None) -> Duplicate:
    seq = run.outcome_of(index).seq
    if known is None:
        raise Unavailable("the first answer is neither in the journal nor in the ledger")
    if known.seq == seq:
        return Duplicate(seq, known.answer)
    # The ledger has another event under this id, from before Redis's memory: its answer is not this one's.
    return Duplicate(seq, Answer(tuple((line.sku, line.quantity) for line in run.sent(index).lines)))


def _unexpected(fact: Fact, why: str) -> str:
    told = _named(list(dict.fromkeys(line.sku for line in fact.lines)))
    return f"Redis holds something unexpected{' of ' * bool(told)}{told}: {why}; `hub verify` says where"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:SKUS_NAMED_MAX]) + (", …" if len(names) > SKUS_NAMED_MAX else "")


class _Run:
    """One call of `book`: which facts still have no outcome, and why."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = list(facts)
        self.open = set(range(len(facts)))
        self.stale: set[str] = set()
        # What is sent in place of a fact that is about an earlier one.
        self.completed: dict[int, Fact] = {}
        # Why some facts could not be told; the first of it.
        self.fault: Fault | None = None
        self._outcomes: dict[int, Outcome] = {}

    def give_up(self, indexes: Iterable[int], fault: Fault) -> None:
        self.open.difference_update(indexes)
        self.fault = self.fault or fault

    def unsettled(self) -> str:
        """Why some facts could not be booked, however often they were sent."""
        told = "the house's rules, or what the event is about, change faster than it could be booked"
        if not self.stale:
            return told
        return f"{told}, or what Redis has of {_named(sorted(self.stale))} is damaged: `hub verify` says whether"

    def incomplete(self) -> list[int]:
        return [i for i in sorted(self.open) if self.facts[i].verb in ABOUT_EARLIER and i not in self.completed]

    def sent(self, index: int) -> Fact:
        """The fact as it is sent to the kernel."""
        fact, completed = self.facts[index], self.completed.get(index)
        if completed is None or fact.verb not in ABOUT_EARLIER:
            return fact
        return msgspec.structs.replace(completed, ledger_checked=fact.ledger_checked)

    def rename(self, house_name: Callable[[str], str]) -> None:
        """Give the lines of what is stale the names that their SKUs have by now."""
        for index in self.open:
            fact = self.facts[index]
            if any(house_name(line.sku) != line.sku for line in fact.lines):
                renamed = [msgspec.structs.replace(line, sku=house_name(line.sku)) for line in fact.lines]
                self.facts[index] = msgspec.structs.replace(fact, lines=tuple(renamed))
                self.completed.pop(index, None)
                self.stale.update(line.sku for line in renamed)
            # What was looked up has lines of its own; it is looked up again by the names of now.
            looked_up = self.completed.get(index)
            if looked_up and any(house_name(line.sku) != line.sku for line in looked_up.lines):
                del self.completed[index]
                self.stale.update(house_name(line.sku) for line in looked_up.lines)

    def outcome_of(self, index: int) -> Duplicate:
        outcome = self._outcomes[index]
        assert isinstance(outcome, Duplicate)
        return outcome

    def note(self, index: int, outcome: Outcome) -> None:
        self._outcomes[index] = outcome
        if isinstance(outcome, Busy):
            self.give_up([index], Unavailable(outcome.why))
        if isinstance(outcome, Broken):
            self.give_up([index], Unavailable(_unexpected(self.sent(index), outcome.why)))
        if isinstance(outcome, Stale):
            # The kernel names the first it met; the others of the fact are most likely as old.
            self.stale.update(line.sku for line in self.sent(index).lines)
        if isinstance(outcome, LookAgain):
            del self.completed[index]
        if not isinstance(outcome, AskLedger | Stale | LookAgain):
            self.open.discard(index)

    def asking(self) -> list[int]:
        return [index for index in sorted(self.open) if isinstance(self._outcomes[index], AskLedger)]

    def lacking_first_answer(self) -> list[int]:
        return [i for i, known in self._outcomes.items() if isinstance(known, Duplicate) and known.first is None]

    def outcomes(self) -> list[Outcome]:
        return [self._outcomes[index] for index in range(len(self.facts))]
