"""The path of one delivery: verified → kept raw → understood, fetched, booked → settled, or tried again later."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

import msgspec
import structlog

from adapters.contract import Delivery, Reading, Reply
from hub.crashpoints import crash
from hub.domain.inbox import POLLED, WAITING_MAX, Arrived, Backlog, Kept, Known, State, without_secrets
from hub.faults import Fault, Unavailable
from hub.party_metrics import PartyMetrics
from hub.settings import LimitsSettings
from hub.stock.allowances import Allowances
from hub.tasks import end
from hub.webhooks import drifting, understanding
from hub.webhooks.accounts import Accounts, Party
from hub.webhooks.booking import Result, Stock, book
from hub.webhooks.fetching import Failed, Fetcher
from hub.webhooks.levels import Drift, Offers, Right, right_of
from hub.webhooks.refusals import Refusals
from protocol.webhooks import DeliveryStatus, WebhookAnswer

log = structlog.get_logger()

# One try, with all that it fetches; shorter than whoever is given a delivery has it.
TRY_SECONDS = 90.0
# Tries under way in this process: by what was delivered just now, and behind it, of all sources and of one.
TRIES_AT_ONCE_MAX = 500
TRIES_BEHIND_MAX = 32
TRIES_PER_SOURCE_MAX = 8
# After a store failed.
STORE_SECONDS = 5.0
# Tries at the third party's before a person is asked: half a day, with a longer wait each time.
ATTEMPTS_MAX = 50
REFUSED_ATTEMPTS_MAX = 3
WAIT_SECONDS_MAX = 900.0

_STATUS: Mapping[State, DeliveryStatus] = {
    "kept": "accepted",
    "booked": "applied",
    "ignored": "ignored",
    "parked": "parked",
    "dismissed": "ignored",
}


class Inbox(Protocol):
    """Where deliveries are kept; `hub.ledger.inbox.Inbox` is one. Each call may raise Unavailable."""

    async def keep(self, arrived: Arrived) -> Kept | Known:
        """Keep a delivery and be given it; or what became of it, if it was here before."""
        ...

    async def settle(self, number: int, state: State, why: str = "", lacks: tuple[str, ...] = ()) -> None:
        """Say what became of one."""
        ...

    async def put_off(self, number: int, seconds: float, why: str, *, has_failed: bool) -> None:
        """Let somebody try one again, later."""
        ...


class Deliveries:
    """Takes the deliveries of all sources, and tries to book them."""

    def __init__(
        self,
        accounts: Accounts,
        inbox: Inbox,
        stock: Stock,
        metrics: PartyMetrics,
        limits: LimitsSettings,
        drifts: drifting.Memory,
        allowances: Allowances,
    ) -> None:
        self.accounts = accounts
        self._inbox = inbox
        self._stock = stock
        self._metrics = metrics
        self._answer_seconds = limits.webhook_wait_ms / 1000
        self._ledger_wait_seconds = limits.ledger_wait_ms / 1000
        self.fetcher = Fetcher(allowances)
        # Whoever tells vendors what is available says here what it told them.
        self.offers: Offers | None = None
        self._drift = Drift(metrics.source_drift, drifts)
        self._refusals = Refusals()
        self._at_once: set[asyncio.Task[Result]] = set()
        # Task -> source.
        self._behind: dict[asyncio.Task[Result], str] = {}
        # What waits of each source, as was looked at last.
        self.backlogs: Mapping[str, Backlog] = {}
        # Told when something is to be tried soon.
        self.on_due: Callable[[], None] = lambda: None

    def takes(self, source: str) -> bool:
        """Whether there is such an account."""
        return self.accounts.of(source) is not None

    async def take(self, source: str, delivery: Delivery) -> Reply | WebhookAnswer | str:
        """Keep a delivery and answer soon what became of it; a reply to whoever only looks; or why it is not
        the vendor's.

        Raises:
            Unavailable: it could not be kept, or too much waits of this source; the vendor sends it again.
        """
        party = self.accounts.verifying(source)
        if party is None:
            return "there is no such account any more"
        reply = understanding.greeting(party, delivery)
        if reply is not None:
            return reply
        if delivery.method != "POST":
            return "a delivery is sent by POST"
        objection = understanding.objection(party, delivery)
        if objection is not None:
            self._metrics.webhook_refused(source)
            self._refusals.note(party, objection)
            return objection
        answer = await self._taken(party, delivery)
        self._metrics.webhook_answered(source, answer.status)
        return answer

    async def _taken(self, party: Party, delivery: Delivery) -> WebhookAnswer:
        arrived = arrived_of(party, delivery)
        backlog = self.backlogs.get(arrived.source, Backlog())
        if backlog.kept + backlog.parked >= WAITING_MAX:
            raise Unavailable(f"more than {WAITING_MAX} deliveries of this source wait; `hub webhooks` says why", 60)
        found = await self._inbox.keep(arrived)
        if crash.armed:
            await crash.at("delivery kept")
        if isinstance(found, Known):
            return self._known(arrived, found)
        if len(self._at_once) >= TRIES_AT_ONCE_MAX:
            await self._inbox.put_off(found.number, 0, "", has_failed=False)
            return WebhookAnswer("accepted")
        task = asyncio.create_task(self._try(found, may_fetch=False), name="delivery")
        self._at_once.add(task)
        task.add_done_callback(self._at_once.discard)
        done, _ = await asyncio.wait({task}, timeout=self._answer_seconds)
        return answer_to(task.result()) if done else WebhookAnswer("accepted")

    def _known(self, arrived: Arrived, found: Known) -> WebhookAnswer:
        if arrived.digest != found.digest:
            self._metrics.webhook_conflict(arrived.source)
        if found.state == "booked":
            return WebhookAnswer("duplicate")
        return WebhookAnswer(_STATUS[found.state], why=found.why or None if found.state == "parked" else None)

    def room(self) -> int:
        """How many more tries may be begun behind the doors."""
        return TRIES_BEHIND_MAX - len(self._behind)

    def busy(self) -> list[str]:
        """The sources of which no more may be."""
        sources = list(self._behind.values())
        return [source for source in set(sources) if sources.count(source) >= TRIES_PER_SOURCE_MAX]

    def begin(self, kept: Kept) -> asyncio.Task[Result]:
        """Try to book one in the background, and fetch what it needs."""
        task = asyncio.create_task(self._try(kept, may_fetch=True), name="delivery")
        self._behind[task] = kept.arrived.source
        task.add_done_callback(self._behind.pop)
        return task

    async def aclose(self) -> None:
        """End what is under way; it is tried again by whoever comes next."""
        await end([*self._at_once, *self._behind])
        await self.fetcher.aclose()

    async def _try(self, kept: Kept, *, may_fetch: bool) -> Result:
        """What became of a delivery; it is settled or put off then, if the ledger can be told."""
        try:
            result = await self._result(kept, may_fetch=may_fetch)
        except Exception:
            log.exception("a delivery met a defect", source=kept.arrived.source, number=kept.number)
            result = _after(Failed("the hub has a defect", passes=False), kept.attempts + 1)
        try:
            await self._tell(kept, result)
        except Fault as fault:
            # What became of it is so nevertheless; when nobody has it any more, it is tried again.
            log.warning("a delivery cannot be settled", source=kept.arrived.source, reason=str(fault))
        return result

    async def _tell(self, kept: Kept, result: Result) -> None:
        if result.state != "kept":
            await self._inbox.settle(kept.number, result.state, result.why, result.lacks)
            return
        await self._inbox.put_off(kept.number, result.wait_seconds, result.why, has_failed=result.has_failed)
        if not result.wait_seconds:
            self.on_due()

    async def _result(self, kept: Kept, *, may_fetch: bool) -> Result:
        party = self.accounts.of(kept.arrived.source)
        if party is None:
            return Result("parked", "the house has no such source with an adapter any more")
        delivery = delivery_of(kept.arrived)
        try:
            async with asyncio.timeout(TRY_SECONDS):
                read = understanding.reading(party, delivery, {})
                if read.needs and not may_fetch:
                    return Result("kept", "something must be fetched")
                if read.needs:
                    fetched = await self.fetcher.read(party, delivery, read)
                    if isinstance(fetched, Failed):
                        return _after(fetched, kept.attempts + 1)
                    read = fetched
                result = await self._booked(party, read)
                return self._brought(party, result) if delivery.method == POLLED else result
        except TimeoutError:
            return _after(Failed(f"it took longer than {TRY_SECONDS:g} seconds"), kept.attempts + 1)

    def _brought(self, party: Party, result: Result) -> Result:
        """What became of something that was asked for; most of it was delivered before."""
        self._metrics.missed_found(party.settings.id, result.new)
        is_old = result.state == "booked" and all(event.status == "duplicate" for event in result.events)
        return Result("ignored", "all of it was booked before", events=result.events) if is_old else result

    async def compare(self, party: Party, page: Iterable[Delivery], at_ms: int) -> None:
        """Compare the levels of a page, as of when it was asked for; nothing of it is kept, for it is asked for again.

        Raises:
            Fault: a store did not answer.
        """
        reads = [understanding.reading(party, delivery, {}) for delivery in page]
        told = [read for read in reads if read.unmapped is None]
        time = datetime.fromtimestamp(at_ms / 1000, UTC)
        whole = Reading(
            levels=tuple(msgspec.structs.replace(level, time=time) for read in told for level in read.levels),
            aliases=tuple(dict.fromkeys(alias for read in told for alias in read.aliases)),
        )
        await book(self._stock, party, whole, self._drift, self._ledger_wait_seconds, self.offers)

    async def right_of(self, source: str, places: Iterable[tuple[str, str]]) -> Right:
        """The numbers that a source may have at each (SKU, location).

        Raises:
            Unavailable: a store did not answer.
        """
        party = self.accounts.of(source)
        if party is None:
            return {}
        return await right_of(party, places, self._stock.current.house, self._stock.reads, self.offers)

    async def _booked(self, party: Party, read: Reading) -> Result:
        try:
            return await book(self._stock, party, read, self._drift, self._ledger_wait_seconds, self.offers)
        except Fault as fault:
            return Result("kept", str(fault), wait_seconds=STORE_SECONDS)


def arrived_of(party: Party, delivery: Delivery) -> Arrived:
    """The delivery as it is kept."""
    hidden = [*party.account.secrets, party.token.reveal() if party.token else ""]
    return Arrived(
        source=party.settings.id,
        delivery=understanding.delivery_id(party, delivery),
        received_at_ms=delivery.received_at_ms,
        topic=understanding.topic(party, delivery),
        method=delivery.method,
        headers=without_secrets(delivery.headers, hidden),
        query=without_secrets(delivery.query, hidden),
        body=delivery.body,
        digest=sha256(delivery.body).digest(),
    )


def delivery_of(arrived: Arrived) -> Delivery:
    """The delivery as an adapter reads it, from what was kept: alike the first time and any other."""
    return Delivery(arrived.body, arrived.headers, arrived.query, arrived.method, arrived.received_at_ms)


def answer_to(result: Result) -> WebhookAnswer:
    """What the vendor is told; a parked event parks its delivery for whoever reads the answer."""
    status = _STATUS[result.state]
    if status == "applied" and any(event.status == "parked" for event in result.events):
        status = "parked"
    return WebhookAnswer(status, result.events, result.why or None if status == "parked" else None)


def wait_seconds(attempts: int) -> float:
    """How long to wait after so many tries that failed."""
    return min(2.0 ** min(attempts - 1, 20), WAIT_SECONDS_MAX)


def _after(failed: Failed, attempts: int) -> Result:
    if attempts >= (ATTEMPTS_MAX if failed.passes else REFUSED_ATTEMPTS_MAX):
        return Result("parked", failed.why)
    wait = max(wait_seconds(attempts), failed.retry_after_seconds)
    return Result("kept", failed.why, wait_seconds=wait, has_failed=True)
