"""The work behind the inbox: what nobody booked yet, what was mended, and what is long over.

Any number of processes may do it at once: each delivery is given to one of them at a time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic, time
from typing import Protocol

import structlog

from hub.domain.inbox import Backlog, Kept, State, Told
from hub.domain.rules import House
from hub.faults import Fault
from hub.party_metrics import PartyMetrics
from hub.patience import Trouble, news_within
from hub.webhooks import deliveries
from hub.webhooks.booking import Result, Stock
from hub.webhooks.deliveries import Deliveries
from hub.webhooks.drifting import DriftWatch
from hub.webhooks.polling import Polling
from protocol.identifiers import nfc

log = structlog.get_logger()

# Between two looks at what is due; and where the house hears of no third party.
LOOK_SECONDS = 1.0
IDLE_SECONDS = 30.0
# How often what waits is counted, what lacks an alias is looked at, and what is over is deleted.
COUNT_SECONDS = 5.0
LACKING_SECONDS = 15.0
CLEAR_SECONDS = 600.0
# Deliveries that one replay tries while somebody waits for it.
REPLAYED_MAX = 1_000
REPLAY_SECONDS = 60.0


class Inbox(deliveries.Inbox, Protocol):
    """Where deliveries are kept; `hub.ledger.inbox.Inbox` is one. Each call may raise Unavailable."""

    async def due(self, most: int, busy: Sequence[str]) -> list[Kept]:
        """Be given some that nobody has, of other sources than these."""
        ...

    async def parked(self, behind: int, lacking: Sequence[str] | None = None) -> list[Kept]:
        """Be given some that are parked, behind a number; only those that lack one of these."""
        ...

    async def parked_one(self, number: int) -> Kept | None:
        """Be given this one, if it is parked."""
        ...

    async def lacking(self) -> list[str]:
        """The names that parked ones lack."""
        ...

    async def waiting(self) -> Mapping[str, Backlog]:
        """What waits of each source."""
        ...

    async def page(self, state: State, behind: int, source: str | None, most: int) -> list[Told]:
        """Some in this state, behind a number, in the order they came."""
        ...

    async def one(self, number: int) -> tuple[Kept, State, str] | None:
        """A delivery whole, its state and why."""
        ...

    async def dismiss(self, number: int) -> bool:
        """Wait no more for one that is parked; False where it is not."""
        ...

    async def clear(self, days: int) -> int:
        """Delete some of those that are over for so many days; how many."""
        ...


class Webhooks:
    """All that the doors and the hub do with deliveries."""

    def __init__(
        self,
        taking: Deliveries,
        inbox: Inbox,
        stock: Stock,
        metrics: PartyMetrics,
        *,
        polling: Polling,
        watch: DriftWatch,
        keep_days: int,
    ) -> None:
        self.taking = taking
        self.polling = polling
        self.watch = watch
        self.inbox = inbox
        self._stock = stock
        self._metrics = metrics
        self._keep_days = keep_days
        self._news = asyncio.Event()
        taking.on_due = self._news.set
        # The parked ones behind this number are tried again; None: none are.
        self._again_behind: int | None = 0
        self._next_at: dict[str, float] = {}
        # Whether this process books what was kept; else it only counts what waits.
        self.works = True

    def note_house_changed(self) -> None:
        """What could not be mapped may be by now."""
        self._again_behind = 0
        self._news.set()
        self.polling.note_house_changed()

    async def run(self) -> None:
        """Look for work until cancelled; a ledger that is away is waited for."""
        trouble = Trouble("deliveries are booked later", "deliveries are booked")
        while True:
            try:
                has_more = await self.look()
                trouble.note_over()
            except Fault as fault:
                trouble.note(fault)
                has_more = False
            if not has_more:
                is_needed = self.taking.accounts.any() or self.taking.backlogs
                await news_within(self._news, LOOK_SECONDS if is_needed else IDLE_SECONDS)

    async def look(self) -> bool:
        """Begin what is due; whether there is more of it, and room for it.

        Raises:
            Fault: the ledger did not answer.
        """
        if self._is_time("count", COUNT_SECONDS):
            self.taking.backlogs = await self.inbox.waiting()
            waiting = self.taking.backlogs.values()
            oldest_ms = min((each.oldest_kept_ms for each in waiting if each.kept), default=0)
            age_seconds = max(0.0, time() - oldest_ms / 1000) if oldest_ms else 0.0
            self._metrics.inbox(sum(each.kept for each in waiting), sum(each.parked for each in waiting), age_seconds)
        if not self.works:
            return False
        if self._is_time("clear", CLEAR_SECONDS) and await self.inbox.clear(self._keep_days):
            # There may be more.
            self._next_at.pop("clear")
        await self._try_lacking()
        has_more = await self._try_parked()
        room = self.taking.room()
        found = await self.inbox.due(room, self.taking.busy()) if room > 0 else []
        for kept in found:
            self.taking.begin(kept)
        if has_more or found:
            # What was begun shall get on before the next look.
            await asyncio.sleep(0)
        return bool(has_more or found)

    async def replay(self, number: int | None = None) -> list[Result]:
        """Try parked ones again now, one or the first thousand, for a minute at most; what became of each.

        Raises:
            Fault: the ledger did not answer; what was begun is done.
        """
        if number is not None:
            kept = await self.inbox.parked_one(number)
            if kept is not None:
                return [await asyncio.shield(self.taking.begin(kept))]
            found = await self.inbox.one(number)
            # Whoever was given it tries it this moment.
            return [Result("kept")] if found is not None and found[1] in ("kept", "parked") else []
        results: list[Result] = []
        behind, ends = 0, monotonic() + REPLAY_SECONDS
        while len(results) < REPLAYED_MAX and monotonic() < ends and (stretch := await self.inbox.parked(behind)):
            # One after the other, so that a sale in between waits for one at most.
            results += [await asyncio.shield(self.taking.begin(kept)) for kept in stretch]
            behind = stretch[-1].number
        return results

    async def _try_parked(self) -> bool:
        """Begin a stretch of what was parked before the house changed; whether there is more, and room for it."""
        behind = self._again_behind
        if behind is None or self.taking.room() <= 0:
            return False
        stretch = await self.inbox.parked(behind)
        for kept in stretch:
            self.taking.begin(kept)
        # The house may have changed again meanwhile.
        if self._again_behind == behind:
            self._again_behind = stretch[-1].number if stretch else None
        return self._again_behind is not None and self.taking.room() > 0

    async def _try_lacking(self) -> None:
        """Begin what lacked an alias that a SKU has by now; what there is no room for waits for the next look."""
        if not self._is_time("lacking", LACKING_SECONDS):
            return
        names = await self.inbox.lacking()
        if not names:
            return
        await self._stock.described.catch_up(names)
        known = [name for name in names if _is_known(name, self._stock.current.house)]
        behind = 0
        while known and self.taking.room() > 0 and (stretch := await self.inbox.parked(behind, known)):
            for kept in stretch:
                self.taking.begin(kept)
            behind = stretch[-1].number

    def _is_time(self, what: str, seconds: float) -> bool:
        now = monotonic()
        if now < self._next_at.get(what, 0.0):
            return False
        self._next_at[what] = now + seconds
        return True


def _is_known(name: str, house: House) -> bool:
    return bool(house.revision(house.sku(nfc(name))))
