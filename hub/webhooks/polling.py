"""Asking vendors what happened: what their deliveries missed, and what those that deliver nothing have to say.

One walk over the pages of a source: from where the last one began, less what a vendor may be late with → a page → its
deliveries into the inbox and the cursor behind them, both or neither → the next page. From the inbox they take the road
of all deliveries, where what is booked already counts nothing again. Levels are compared at once and not kept. One
process at a time asks a source; what fails is tried again later, and no sooner than the vendor wants.
"""

import asyncio
from collections.abc import Mapping, Sequence
from time import time
from typing import Protocol

import msgspec
import structlog

from adapters.contract import Page, Polled, Question
from hub.crashpoints import crash
from hub.domain.inbox import POLLED, WAITING_MAX, Arrived, Backlog
from hub.domain.polling import Progress, begun, failed, first_since_ms, is_due, went_on
from hub.faults import Fault
from hub.party_metrics import PartyMetrics
from hub.patience import Trouble, news_within
from hub.stock.allowances import Allowances
from hub.tasks import end
from hub.webhooks import understanding
from hub.webhooks.accounts import Party
from hub.webhooks.deliveries import Deliveries, arrived_of, wait_seconds
from hub.webhooks.fetching import Failed, Fetcher

log = structlog.get_logger()

# The stream that is compared, where the file says so, and never kept.
LEVELS = "levels"
# Between two looks at what is due.
LOOK_SECONDS = 5.0
IDLE_SECONDS = 60.0
# Sources that are asked at once, and pages of one before others have a turn.
SOURCES_AT_ONCE_MAX = 4
PAGES_PER_TURN_MAX = 100
# Between two pages: vendors allow about two requests a second.
PAGE_SECONDS = 0.5
# While so much of a source waits nothing more is asked of it.
WAITING_POLLED_MAX = 1_000


class Memory(Protocol):
    """How far each source was asked; `hub.ledger.polls.Polls` is one. Each call may raise a Fault."""

    async def hold(self, source: str) -> bool:
        """Be the process that asks a source, unless another one is."""
        ...

    async def release(self, source: str) -> None:
        """Let another process ask it."""
        ...

    async def states(self, source: str | None = None) -> Mapping[tuple[str, str], Progress]:
        """How far all were asked, or one; by source and stream."""
        ...

    async def opened(self, source: str, stream: str, since_ms: int) -> Progress:
        """How far a stream was asked; one that nobody asked yet is from this time on."""
        ...

    async def note(self, source: str, stream: str, progress: Progress) -> bool:
        """Write how far it is; False where an operator changed something meanwhile."""
        ...

    async def keep(self, source: str, stream: str, progress: Progress, page: Sequence[Arrived]) -> int | None:
        """Keep a page and write how far that is, both or neither; None as above."""
        ...

    async def ask(self, source: str, stream: str, since_ms: int, *, is_since: bool) -> None:
        """Have it asked soon, from this time on or from where it is."""
        ...

    async def aclose(self) -> None:
        """Let other processes ask."""
        ...


class Polling:
    """Asks all sources of the house that can be asked; `run` in a task."""

    def __init__(self, taking: Deliveries, memory: Memory, metrics: PartyMetrics, allowances: Allowances) -> None:
        self._taking = taking
        self._memory = memory
        self._metrics = metrics
        # Its own, so that no delivery waits for a page.
        self._fetcher = Fetcher(allowances, SOURCES_AT_ONCE_MAX)
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._held: set[str] = set()
        # Source -> until when it asked for patience, whatever stream that was of; UTC milliseconds.
        self._quiet_until: dict[str, int] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Ask until cancelled; a ledger that is away is waited for."""
        trouble = Trouble("sources are asked later", "sources are asked again")
        try:
            while True:
                try:
                    await self.look()
                    trouble.note_over()
                except Fault as fault:
                    trouble.note(fault)
                await news_within(self._news, LOOK_SECONDS if self._taking.accounts.asked() else IDLE_SECONDS)
        finally:
            await end(self._turns.values())
            await self._fetcher.aclose()
            await self._memory.aclose()

    def note_house_changed(self) -> None:
        """There may be others to ask, or another way."""
        self._news.set()

    def streams(self, source: str) -> tuple[str, ...]:
        """What is asked of a source; nothing where the house has no such source that can be asked."""
        for party, asking in self._taking.accounts.asked():
            if party.settings.id == source:
                return _streams(party, asking)
        return ()

    async def states(self, source: str) -> dict[str, Progress]:
        """How far each stream of a source was asked.

        Raises:
            Fault: the ledger did not answer, here and below.
        """
        return {stream: progress for (_, stream), progress in (await self._memory.states(source)).items()}

    async def ask(self, source: str, since_ms: int | None) -> None:
        """Have a source asked soon, from a time on or from where it is, whichever process does."""
        for stream in self.streams(source):
            now_ms = first_since_ms(_now_ms())
            since = now_ms if since_ms is None else min(since_ms, now_ms)
            await self._memory.ask(source, stream, since, is_since=since_ms is not None)
        self._news.set()

    async def look(self) -> None:
        """Begin to ask whoever is due, as far as there is room.

        Raises:
            Fault: the ledger did not answer.
        """
        asked = self._taking.accounts.asked()
        for source in self._held - {party.settings.id for party, _ in asked} - self._turns.keys():
            await self._memory.release(source)
            self._held.discard(source)
        if not asked:
            return
        states, now_ms = await self._memory.states(), _now_ms()
        for party, asking in asked:
            source = party.settings.id
            known = [states.get((source, stream)) for stream in _streams(party, asking)]
            self._metrics.reconciled(source, min((each.done_ms if each else 0 for each in known), default=0) / 1000)
            every_seconds = party.settings.asked_every_seconds
            is_wanted = any(is_due(each, now_ms, every_seconds) for each in known)
            may_be = now_ms >= self._quiet_until.get(source, 0) and source not in self._turns
            if is_wanted and may_be and len(self._turns) < SOURCES_AT_ONCE_MAX:
                self._turns[source] = asyncio.create_task(self._turn(party, asking), name="asking")

    async def _turn(self, party: Party, asking: Polled) -> None:
        source = party.settings.id
        try:
            if not await self._memory.hold(source):
                return
            self._held.add(source)
            self._quiet_until.pop(source, None)
            for stream in _streams(party, asking):
                progress = await self._memory.opened(source, stream, first_since_ms(_now_ms()))
                is_wanted = is_due(progress, _now_ms(), party.settings.asked_every_seconds)
                if is_wanted and source not in self._quiet_until:
                    await self._walk(party, asking, stream, progress)
        except Fault as fault:
            log.warning("a source is asked later", source=source, reason=str(fault))
        except Exception:
            log.exception("asking a source met a defect", source=source)
        finally:
            self._turns.pop(source, None)

    async def _walk(self, party: Party, asking: Polled, stream: str, progress: Progress) -> None:
        """Page after page, to the end or until others shall have a turn."""
        for _ in range(PAGES_PER_TURN_MAX):
            if stream != LEVELS and self._is_full(party.settings.id):
                return
            walking = begun(progress, _now_ms())
            question = Question(
                stream=stream, since_ms=walking.since_ms, cursor=walking.cursor, now_ms=walking.began_ms
            )
            page = await self._page(party, asking, question)
            if page is None or isinstance(page, Failed):
                await self._wait(party, stream, walking, page)
                return
            if crash.armed:
                await crash.at("page fetched")
            after = await self._kept(party, stream, walking, page)
            if crash.armed:
                await crash.at("page kept")
            if after is None or not page.cursor:
                return
            progress = after
            await asyncio.sleep(PAGE_SECONDS)

    async def _page(self, party: Party, asking: Polled, question: Question) -> Page | Failed | None:
        """What is answered; None: nothing can be asked, as long as no place is mapped."""
        need = understanding.need_of(party, asking, question)
        if need is None or isinstance(need, str):
            return None if need is None else Failed(need, passes=False)
        answer = await self._fetcher.ask(party, need)
        if isinstance(answer, Failed):
            return answer
        page = understanding.page_of(party, asking, question, answer)
        return Failed(page, passes=False) if isinstance(page, str) else page

    async def _kept(self, party: Party, stream: str, walking: Progress, page: Page) -> Progress | None:
        """How far it is behind a page that is safe; None: an operator changed something meanwhile."""
        source = party.settings.id
        after = went_on(walking, page.cursor, _now_ms(), party.settings.asked_every_seconds)
        if stream == LEVELS:
            await self._taking.compare(party, page.deliveries, walking.began_ms)
            return after if await self._memory.note(source, stream, after) else None
        arrived = [_asked_for(arrived_of(party, each)) for each in page.deliveries]
        found = await self._memory.keep(source, stream, after, arrived)
        if found is None:
            return None
        self._taking.on_due()
        return msgspec.structs.replace(after, found=found)

    async def _wait(self, party: Party, stream: str, walking: Progress, page: Failed | None) -> None:
        why, passes = (page.why, page.passes) if page else ("no place of the source is mapped by itself", False)
        wait = max(wait_seconds(walking.attempts + 1), page.retry_after_seconds if page else 0)
        log.warning("a source cannot be asked", source=party.settings.id, stream=stream, reason=why, wait_seconds=wait)
        after = failed(walking, why, _now_ms(), wait, passes=passes)
        if page is not None and passes:
            self._quiet_until[party.settings.id] = after.due_ms
        await self._memory.note(party.settings.id, stream, after)

    def _is_full(self, source: str) -> bool:
        backlog = self._taking.backlogs.get(source, Backlog())
        return backlog.kept >= WAITING_POLLED_MAX or backlog.kept + backlog.parked >= WAITING_MAX


def _streams(party: Party, asking: Polled) -> tuple[str, ...]:
    """What is asked of an account; its levels only where they are compared."""
    return tuple(stream for stream in asking.streams if stream != LEVELS or party.settings.levels == "drift")


def _asked_for(arrived: Arrived) -> Arrived:
    return msgspec.structs.replace(arrived, method=POLLED)


def _now_ms() -> int:
    return int(time() * 1000)
