"""Heal Redis from the ledger: alone, under a raised epoch, verified before it takes events again.

In this order: the lock · has another healed it meanwhile? · the partition takes nothing more · what its journal has
beyond the ledger, and continues it, is posted · the epoch is raised · Redis is topped up or made anew, and read back ·
opened. Whatever breaks off leaves a closed partition, and the next attempt makes it anew.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from time import monotonic, time
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from hub.domain.entry import Seq
from hub.domain.folding import DIGEST, DOCUMENT, HOUSE, RULES, EntryNotFolded, Setting, remembered_in
from hub.domain.losing import Window, alert_of
from hub.domain.remembering import DAY_MS, REMEMBERED_DAYS
from hub.faults import ServerRefused, Unavailable
from hub.journal.reader import Tail
from hub.ledger.checkpoints import COMMAND_SECONDS, Checkpoints, Fold, places_of
from hub.ledger.connection import Link
from hub.ledger.draining import continues, drain
from hub.ledger.healing import WAIT_SECONDS, HealingLock, LedgerStanding, healing
from hub.ledger.posting import CursorMoved
from hub.patience import attempts
from hub.recovery.losses import Found, Losses, Lost, OwnLost
from hub.recovery.reading_ahead import read_ahead
from hub.recovery.recovered import How, Recovered, log_recovered
from hub.stock import keys
from hub.stock.restoring import Opening, Partition, Restoring

# One of a hundred lines in many pools sets a thousand fields, and all are written in one step.
ENTRIES_PER_TOP_UP = 200
# What is under way, and how many of it are done.
Progress = Callable[[str, int], None]

_OTHER_HUB = "Redis holds the stock of another hub, {}: it is not touched. Give each hub its own Redis"
_OTHER_LEDGER = "the ledger is of the hub {}, not of {}"
_OLD_LEDGER = (
    "the ledger is of an older epoch than Redis: it was restored from a copy that is too old. Bring the newer one "
    "back; else `--whole` makes Redis what this ledger says, and what it lacks is lost"
)
_NOTHING = "there is nothing to rebuild from: the ledger has no entry of the house's rules"


class Rebuild:
    """Heals one hub's partition; `run` as often as need be."""

    def __init__(
        self,
        client: Redis,
        dsn: str,
        *,
        on_progress: Progress = lambda stage, count: None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._client = client
        self._dsn = dsn
        self._on_progress = on_progress
        self._wait_seconds = wait_seconds

    async def run(
        self,
        hub: UUID,
        *,
        whole: bool = False,
        answered: Seq | None = None,
        seen_epoch: int | None = None,
        names_lost: bool = False,
        own_lost: OwnLost | None = None,
        may_lack_shown: bool = False,
    ) -> Recovered:
        """Heal the partition of a hub, if it needs it; a `whole` one is made anew in any case.

        `answered` is the highest place that any caller was answered: a Redis behind it has lost entries. Where the
        ledger is not in the `seen_epoch` any more, another process healed a Redis meanwhile: if it was not this one,
        this one was replaced, and is left alone. What only Redis has is told by an alert in the step that opens the
        partition, and so is what `own_lost` says, asked once the ledger has all that it gets; `names_lost` where no
        process runs that knows what it was answered: so is what else may be lost. A Redis that `may_lack_shown`
        gets a new epoch though it lacks nothing that is known of: somebody may have seen more than it has.

        Raises:
            ServerRefused: Redis or the ledger is another hub's, or what was written is not there.
            Unavailable: a store does not answer, or another process heals for too long; try again.
        """
        began = monotonic()
        async with AsyncExitStack() as exits:
            self._on_progress("waiting for the lock", 0)
            lock = await exits.enter_async_context(healing(self._dsn, wait_seconds=self._wait_seconds))
            link = Link(self._dsn, "rebuild", command_seconds=COMMAND_SECONDS)
            exits.push_async_callback(link.aclose)
            attempt = _Attempt(self._client, lock, link, self._on_progress, names_lost=names_lost, own=own_lost)
            attempt.may_lack_shown = may_lack_shown
            exits.push_async_callback(attempt.restoring.aclose)
            recovered = await attempt.run(hub, whole=whole, answered=answered, seen_epoch=seen_epoch)
        recovered = msgspec.structs.replace(recovered, seconds=monotonic() - began)
        log_recovered(recovered)
        return recovered


class _Attempt:
    """One attempt, while the lock is held."""

    def __init__(
        self, client: Redis, lock: HealingLock, link: Link, tell: Progress, *, names_lost: bool, own: OwnLost | None
    ) -> None:
        self._client = client
        self._lock = lock
        self._losses = Losses(client, lock)
        self._names_lost = names_lost
        self._own_lost = own
        self._link = link
        self._on_progress = tell
        self._checkpoints = Checkpoints(link)
        self.restoring = Restoring(client)
        self._remembered = 0
        # Whether somebody may have seen more than Redis has.
        self.may_lack_shown = False
        # As the partition is to say.
        self._lost_epoch = 0
        # Of the house, by field.
        self._house: dict[bytes, bytes] = {}

    async def run(self, hub: UUID, *, whole: bool, answered: Seq | None, seen_epoch: int | None) -> Recovered:
        ledger = await self._lock.standing()
        before = await self.restoring.look()
        _check_is_ours(hub, ledger, before)
        is_late = seen_epoch is not None and ledger.epoch != seen_epoch
        if not whole and before.hub and before.epoch > ledger.epoch:
            raise ServerRefused(_OLD_LEDGER)
        if not whole and (is_late or await self._is_well(before, ledger, answered)):
            return Recovered("nothing", ledger.epoch, ledger.epoch, ledger.cursor)
        before = await self.restoring.close()
        found = await self._beside(before, ledger)
        drained, left_behind = await self._drain(before, ledger)
        named = self._losses.found if self._names_lost else self._losses.beyond
        lost = await named(found, left_behind)
        # The ledger has all that it gets, and keeps what follows from that: it is told whoever ends meanwhile.
        newer = max(ledger.epoch, before.epoch) + 1
        own_lost = () if self._own_lost is None else await self._own_lost(newer)
        # Above Redis's too, should the ledger be the older one: no `rev` is told twice.
        old_epoch, epoch = ledger.epoch, await self._lock.raise_epoch(ledger.epoch, before.epoch)
        self._lost_epoch = found.lost_epoch(epoch, left_behind, answered)
        ledger = await self._lock.standing()  # From here on nobody posts, so the cursor stays.
        await self._fold()
        newest_ms = await self._lock.newest_booked_at_ms()
        how: How = "rebuilt"
        seen_from = newest_ms // DAY_MS - REMEMBERED_DAYS
        if not whole and await self._is_prefix(before, ledger.cursor):
            how, seen_from = "topped_up", before.seen_from
            await self._top_up(before.last)
        else:
            await self._rebuild(seen_from)
        booked_at_ms = max(newest_ms, before.booked_at_ms)
        await self._open(self._opening(hub, epoch, how, ledger.cursor, booked_at_ms, seen_from, (*lost, *own_lost)))
        written = (self.restoring.fields, self._remembered, await self._lock.unread())
        return Recovered(how, old_epoch, epoch, ledger.cursor, drained, left_behind, lost, *written)

    async def _beside(self, before: Partition, ledger: LedgerStanding) -> Found:
        if ledger.cursor is None:
            return Found(before, ledger, None)
        tail = Tail(self._client, keys.JOURNAL, None)
        return Found(before, ledger, await continues(self._link, tail, ledger.cursor))

    async def _is_well(self, before: Partition, ledger: LedgerStanding, answered: Seq | None) -> bool:
        """Whether the partition takes events and lacks nothing that is known of."""
        if self.may_lack_shown or before.halted or before.last is None:
            return False
        if answered is not None and answered > before.last:
            return False
        return (await self._beside(before, ledger)).has_all

    async def _drain(self, before: Partition, ledger: LedgerStanding) -> tuple[int, Window | None]:
        """Post what the journal has beyond the ledger; how many entries, and the journal's end if that was not."""
        drained = 0
        for _ in attempts():
            ledger = await self._lock.standing()
            tail = Tail(self._client, keys.JOURNAL, ledger.cursor)
            if not await self._continues(tail, before, ledger):
                break
            try:
                drained += await drain(self._link, tail, ledger.epoch)
                break
            except CursorMoved:
                # The writer of a hub that runs posts the same entries.
                continue
        last = (await self.restoring.look()).last
        self._on_progress("posted from the journal", drained)
        if last is None or await continues(self._link, Tail(self._client, keys.JOURNAL, None), last):
            return drained, None
        return drained, await self._losses.left_behind(last, before.booked_at_ms)

    async def _continues(self, tail: Tail, before: Partition, ledger: LedgerStanding) -> bool:
        if ledger.cursor is not None and ledger.cursor.epoch == ledger.epoch:
            return await continues(self._link, tail, ledger.cursor) is True
        # Of an epoch that the ledger has nothing of yet only the partition tells whose journal it is.
        return bool(before.hub) and before.epoch == ledger.epoch

    async def _is_prefix(self, before: Partition, cursor: Seq | None) -> bool:
        """Whether Redis holds exactly what the ledger's entries up to some place make."""
        if not before.hub or not before.is_whole_to_its_end or not before.seen_from or not before.ends_as_it_says:
            return False
        if cursor is None or before.last is None or before.last > cursor:
            return False
        tail = Tail(self._client, keys.JOURNAL, None)
        return await continues(self._link, tail, before.last) is True

    async def _fold(self) -> None:
        """Fold the checkpoint on to the ledger's end, and read the house from it.

        Raises:
            ServerRefused: the ledger has no house, or lacks entries.
        """
        folded = 0
        while await self._checkpoints.lag_entries():
            at = await self._checkpoints.at()
            count = await self._checkpoints.fold_on()
            if not count and await self._checkpoints.at() == at:
                raise ServerRefused(f"the ledger lacks the entries behind {at}, which its cursor says it has")
            folded += count
            self._on_progress("entries folded", folded)
        self._house = await self._checkpoints.fields(HOUSE)
        if not self._house.keys() >= {DOCUMENT, DIGEST, RULES}:
            raise ServerRefused(_NOTHING)

    async def _begin(self, *, whole: bool) -> None:
        # Folding takes a while; who lost the lock meanwhile leaves Redis to whoever has it.
        await self._lock.standing()
        await self.restoring.begin(whole=whole)

    async def _top_up(self, at: Seq | None) -> None:
        """Bring Redis from the end of its journal to the end of the ledger."""
        await self._begin(whole=False)
        while entries := await self._checkpoints.entries(at, ENTRIES_PER_TOP_UP):
            at, fold = entries[-1][0], Fold()
            for seq, raw in entries:
                fold.take(seq, raw)
            ids = [setting for seq, raw in entries for setting in _remembered_by(seq, raw)]
            self._remembered += len(ids)
            await self.restoring.write(places_of([*fold.settings(), *ids]))
            self._on_progress("fields written", self.restoring.fields)

    async def _rebuild(self, seen_from: int) -> None:
        """Make Redis anew of the checkpoint, which has everything, and of the ids of the live days."""
        self._on_progress("fields written", 0)
        await self._begin(whole=True)
        async with aclosing(read_ahead(self._checkpoints.pages(seen_from))) as pages:
            async for page in pages:
                await self.restoring.write(page)
                self._on_progress("fields written", self.restoring.fields)
        async for settings in self._lock.remembered_since(seen_from * DAY_MS):
            self._remembered += len(settings)
            await self.restoring.write(places_of(settings))
            self._on_progress("fields written", self.restoring.fields)
        await self.restoring.check_keys()

    async def _open(self, opening: Opening) -> None:
        self._on_progress("opening", self.restoring.fields)
        if (await self._lock.standing()).epoch != opening.epoch:
            raise Unavailable("another process raised the epoch", 5)
        await self.restoring.open(opening)

    def _opening(
        self, hub: UUID, epoch: int, how: How, cursor: Seq | None, after_ms: int, seen_from: int, lost: Sequence[Lost]
    ) -> Opening:
        now_ms = max(after_ms, int(time() * 1000))
        return Opening(
            hub=hub,
            epoch=epoch,
            now_ms=now_ms,
            rules_version=int(self._house[RULES]),
            house=self._house[DIGEST].decode(),
            document=self._house[DOCUMENT],
            seen_from=seen_from,
            lost_epoch=self._lost_epoch,
            told=msgspec.json.encode({"how": how, "up_to": str(cursor)}).decode(),
            alerts=tuple(alert_of(each, now_ms) for each in lost),
        )


def _check_is_ours(hub: UUID, ledger: LedgerStanding, before: Partition) -> None:
    if ledger.hub != hub:
        raise ServerRefused(_OTHER_LEDGER.format(ledger.hub, hub))
    if before.hub and before.hub != str(hub):
        raise ServerRefused(_OTHER_HUB.format(before.hub))
    if ledger.cursor is None and not before.hub:
        raise ServerRefused(_NOTHING)


def _remembered_by(seq: Seq, raw: bytes) -> list[Setting]:
    try:
        setting = remembered_in(seq, raw)
    except EntryNotFolded:
        return []
    return [setting] if setting is not None else []
