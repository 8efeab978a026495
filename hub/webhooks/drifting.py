"""Watch the stock levels that vendors told and that differ from ours: what lasts is told once, and when it is over.

The path of one: a level is compared and differs → it stands in the ledger → it still differs after `drift_seconds`, by
numbers that belong together → an alert in the journal → ours or theirs changes until they agree → an alert that it is
over. Several processes may watch: the alert's id is the difference's own, so it is told once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from time import time
from typing import Protocol

from hub.domain.command import Fact
from hub.domain.drifting import TOLD_MAX, Difference, Rightful, Told, alert_of, lasts, units_beside
from hub.faults import Fault
from hub.patience import Trouble

LOOK_SECONDS = 15.0


class Memory(Protocol):
    """Where differences are kept for all processes; `hub.ledger.drifts.Drifts` is one. Each call may raise a Fault."""

    async def note(self, source: str, told: Sequence[Told]) -> None:
        """Take what a source told of its levels."""
        ...

    async def all(self) -> list[Difference]:
        """What differed when it was told last."""
        ...

    async def over(self, agreed: Sequence[Difference]) -> None:
        """Forget what agrees by now."""
        ...

    async def told(self, difference: Difference) -> None:
        """An alert told it."""
        ...

    async def keep_only(self, sources: Collection[str]) -> None:
        """Forget what other sources told."""
        ...


# The numbers that a source may have at each (SKU, location).
RightOf = Callable[[str, Iterable[tuple[str, str]]], Awaitable[Mapping[tuple[str, str], Rightful]]]


class DriftWatch:
    """The watch over what differs."""

    def __init__(
        self,
        memory: Memory,
        *,
        right: RightOf,
        raise_alert: Callable[[Fact], Awaitable[object]],
        stated_seconds: Callable[[], Mapping[str, int]],
        on_lasting: Callable[[str, int], None] = lambda source, positions: None,
    ) -> None:
        self._memory = memory
        self._right = right
        self._raise_alert = raise_alert
        # Of the sources whose levels are compared: how long they may differ.
        self._stated_seconds = stated_seconds
        self._on_lasting = on_lasting

    async def run(self) -> None:
        """Look until cancelled; stores that are away are waited for."""
        trouble = Trouble("levels are watched later", "levels are watched again")
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look(int(time() * 1000))
                trouble.note_over()
            except Fault as fault:
                trouble.note(fault)

    async def look(self, now_ms: int) -> None:
        """Tell what lasts, and what is over.

        Raises:
            Fault: a store did not answer; what was told is told, and the rest waits for the next look.
        """
        stated = self._stated_seconds()
        if not stated:
            return
        known = await self._memory.all()
        compared = [each for each in known if each.source in stated]
        if len(compared) < len(known):
            await self._memory.keep_only(stated.keys())
        right = {
            source: await self._right(source, {(each.sku, each.location) for each in compared if each.source == source})
            for source in {each.source for each in compared}
        }
        lasting = Counter(each.source for each in compared if each.alert_ms)
        agreed: list[Difference] = []
        for each in compared:
            place = (each.sku, each.location)
            units_now = units_beside(each.theirs, each.told_ms, right[each.source].get(place, Rightful()))
            if not units_now:
                if each.alert_ms:
                    await self._raise_alert(alert_of(each, 0))
                    lasting[each.source] -= 1
                agreed.append(each)
            elif lasting[each.source] < TOLD_MAX and lasts(each, units_now, now_ms, stated[each.source]):
                await self._raise_alert(alert_of(each, units_now))
                await self._memory.told(each)
                lasting[each.source] += 1
        if agreed:
            await self._memory.over(agreed)
        for source in stated:
            self._on_lasting(source, lasting[source])
