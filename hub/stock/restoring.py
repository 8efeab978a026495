"""Make the partition in Redis anew while nothing else writes to it: closed, emptied, written, read back, opened.

Rules: a partition that has `meta` is halted first, one without answers `closed` anyway; its last step is one
transaction that opens it, and only if nobody else began meanwhile (`healing` holds the token of the attempt). What
breaks off before that leaves it closed.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from redis.asyncio import Redis

from hub.domain.command import Fact
from hub.domain.document import token_of
from hub.domain.entry import FIELD, FORMAT, Entry, Seq, encode_entry
from hub.domain.folding import remembered
from hub.domain.noticing import entry_of
from hub.domain.standing import BEHIND, HEALING
from hub.faults import ServerRefused, Unavailable
from hub.stock import keys
from hub.stock.page_writer import DISTURBED, PageWriter, asking
from hub.stock.restored import Fields, Writes, writes_of
from hub.stock.server_run import run_id_in

# What `halted` says while the partition is made anew; after a write that failed half way it says 1.
BEING_HEALED = HEALING.decode()
SEEN_BEHIND = BEHIND.decode()
# Keys in one step of emptying.
_SCAN_COUNT = 1_000
_KEPT = {keys.META.encode(), keys.HEALING.encode()}
_ABOUT = ("hub", "epoch", "next", "booked_at", "seen_from", "lost_epoch", "halted", "run")
_DIFFERS = "Redis does not have what was just written to {}: look at its log and its memory"


class Partition(msgspec.Struct, frozen=True):
    """What Redis says of the partition before it is healed."""

    # Empty where it says nothing.
    hub: str = ""
    epoch: int = 0
    next: int = 0
    booked_at_ms: int = 0
    seen_from: int = 0
    # The last epoch that was begun with a Redis that lacked something; 0: none.
    lost_epoch: int = 0
    # `healing` where an attempt broke off, `behind` where it was seen to lack what was answered, else why the kernel
    # halted it; empty: it takes events.
    halted: str = ""
    # The journal's last entry.
    last: Seq | None = None
    # Redis was restarted or replaced since somebody looked what it has, so that it may lack what was shown.
    was_restarted: bool = False

    @property
    def was_closed_for_healing(self) -> bool:
        """Whether somebody knew that it lacks something, or may lack something."""
        return self.halted in (BEING_HEALED, SEEN_BEHIND)

    @property
    def is_whole_to_its_end(self) -> bool:
        """Whether nobody began to make it anew, and no write failed half way."""
        return self.halted in ("", SEEN_BEHIND)

    @property
    def ends_as_it_says(self) -> bool:
        """Whether the journal's last entry is the one before the next, so that nothing was lost between the two."""
        return self.last is not None and self.last == Seq(self.epoch, self.next - 1)


class Opening(msgspec.Struct, frozen=True):
    """With what the partition is opened again."""

    hub: UUID
    epoch: int
    # When it is opened; no entry was booked later.
    now_ms: int
    rules_version: int
    # Digest of the house, and its document.
    house: str
    document: bytes
    seen_from: int
    lost_epoch: int
    # Payload of the entry that begins the epoch.
    told: str
    # What the next entries tell.
    alerts: tuple[Fact, ...] = ()


class Restoring:
    """One attempt at one partition. Call `begin` first, `aclose` last."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._token = uuid4().hex.encode()
        self._pages = PageWriter(client, self._token)
        self._run_id = ""
        # Fields written, and keys but for the sets of locations; a key that is written twice in a row counts once.
        self.fields = 0
        self._keys = 0
        self._apart: set[bytes] = set()
        self._last_key = b""
        # Keys that are there when the partition is empty.
        self._others = 0

    async def look(self) -> Partition:
        """What the partition says of itself.

        Raises:
            ServerRefused: it cannot be read.
            Unavailable: Redis does not answer, here and below.
        """
        with asking():
            async with self._client.pipeline(transaction=True) as transaction:
                transaction.hmget(keys.META, _ABOUT)
                transaction.xrevrange(keys.JOURNAL, count=1)
                transaction.execute_command("INFO", "server")
                told, newest, server = await transaction.execute()
        last = Seq.from_stream_id(newest[0][0]) if newest else None
        hub, epoch, following, booked_at, seen_from, lost_epoch, halted, run = told
        if hub is None:
            return Partition(last=last)
        try:
            return Partition(
                hub=hub.decode(),
                epoch=int(epoch or b"0"),
                next=int(following or b"0"),
                booked_at_ms=int(booked_at or b"0"),
                seen_from=int(seen_from or b"0"),
                lost_epoch=int(lost_epoch or b"0"),
                halted=(halted or b"").decode(),
                last=last,
                was_restarted=run_id_in(server) not in ("", (run or b"").decode()),
            )
        except ValueError:
            raise ServerRefused(f"what {keys.META} says of the partition cannot be read") from None

    async def close(self) -> Partition:
        """Let the kernel take nothing more, and say what the partition is then; `halted` is why it was so before.

        A partition that is not there takes nothing anyway.
        """
        with asking():
            is_there = await self._client.hexists(keys.META, "hub")
            was_open = is_there and await self._client.hsetnx(keys.META, "halted", BEING_HEALED)
            now = await self.look()
            if now.halted == SEEN_BEHIND:
                # What this attempt leaves, should it break off, is another thing.
                await self._client.hset(keys.META, "halted", BEING_HEALED)
        return msgspec.structs.replace(now, halted="") if was_open else now

    async def begin(self, *, whole: bool) -> None:
        """Take the partition for this attempt; a whole one empties it, but for `meta`, which says that it is closed.

        Raises:
            Unavailable: it is open, or another attempt took it meanwhile: this one lost its lock.
        """
        with asking():
            async with self._client.pipeline(transaction=True) as transaction:
                await transaction.watch(keys.META)
                self._run_id = run_id_in(await transaction.execute_command("INFO", "server"))
                hub, halted = await transaction.hmget(keys.META, ["hub", "halted"])
                if hub is not None and halted is None:
                    raise Unavailable(DISTURBED, 5)
                transaction.multi()  # type: ignore[no-untyped-call]
                transaction.set(keys.HEALING, self._token)
                await transaction.execute()
            if not whole:
                return
            cursor = -1
            while cursor:
                found: Any = await self._client.scan(max(0, cursor), match=keys.ANY, count=_SCAN_COUNT)
                cursor, page = int(found[0]), [key for key in found[1] if key not in _KEPT]
                if page:
                    await self._pages.unlink(page)
            self._others = await self._client.dbsize()

    async def write(self, places: Iterable[Fields]) -> None:
        """Make these fields so, with what follows from them, and read them back.

        Raises:
            ServerRefused: Redis has something else than was written.
        """
        listed = list(places)
        names = [name for place, fields, _ in listed if place == "holds" for name in fields]
        writes = writes_of(listed, await self._holds(names))
        self._count(writes)
        answers = await self._pages.write(writes)
        for (question, wanted), answer in zip(writes.questions, answers, strict=True):
            has = [None if each is None else float(each) for each in answer] if question[0] == b"ZMSCORE" else answer
            if has != wanted:
                raise ServerRefused(_DIFFERS.format(question[1].decode(errors="replace")))

    async def check_keys(self) -> int:
        """See that there are as many keys as were written since the partition was emptied; answers how many.

        Raises:
            ServerRefused: there are others.
        """
        wanted = self._keys + len(self._apart)
        with asking():
            found = await self._client.dbsize() - self._others
            if found != wanted:
                # Somebody's other keys may have come or gone; a scan may tell of a key twice.
                left = {key async for key in self._client.scan_iter(match=keys.ANY, count=_SCAN_COUNT)}
                found = len(left - _KEPT)
        if found != wanted:
            raise ServerRefused(f"Redis has {found} keys, but {wanted} were written: something else writes to it")
        return found

    async def open(self, opening: Opening) -> None:
        """Open the partition under its new epoch, whose first entry says how it was made, the next ones what was lost.

        Raises:
            Unavailable: another began to heal it meanwhile, or Redis lost what was begun.
        """
        entries = _first_entries(opening)
        meta = {
            "hub": str(opening.hub),
            "epoch": opening.epoch,
            "next": len(entries),
            "booked_at": opening.now_ms,
            "rules": opening.rules_version,
            "house": opening.house,
            "document": token_of(opening.document),
            "seen_from": opening.seen_from,
            **({"lost_epoch": opening.lost_epoch} if opening.lost_epoch else {}),
            **({"run": self._run_id} if self._run_id else {}),
        }
        with asking():
            async with self._client.pipeline(transaction=True) as transaction:
                await transaction.watch(keys.HEALING)
                # A Redis that was replaced meanwhile may have the token, and not all that was written.
                run_id = run_id_in(await transaction.execute_command("INFO", "server"))
                if await transaction.get(keys.HEALING) != self._token or run_id != self._run_id:
                    raise Unavailable(DISTURBED, 5)
                transaction.multi()  # type: ignore[no-untyped-call]
                transaction.delete(keys.META, keys.HEALING)
                transaction.hset(keys.META, mapping=meta)  # type: ignore[arg-type]
                for number, entry in enumerate(entries):
                    seq = Seq(opening.epoch, number)
                    transaction.xadd(keys.JOURNAL, {FIELD: encode_entry(entry)}, id=seq.stream_id)
                    told = (entry.kind, entry.source, entry.id, entry.hash, entry.booked_at_ms)
                    if (record := remembered(seq, *told)) is not None:
                        place, field, value = record
                        transaction.hset(keys.PREFIX + place, field, value)
                await transaction.execute()

    async def aclose(self) -> None:
        """Give the connection back."""
        await self._pages.aclose()

    async def _holds(self, names: Sequence[bytes]) -> dict[bytes, bytes]:
        if not names:
            return {}
        with asking():
            found: Any = await self._client.hmget(keys.HOLDS, names)
        return {name: value for name, value in zip(names, found, strict=True) if value is not None}

    def _count(self, writes: Writes) -> None:
        self.fields += writes.fields
        for key in writes.keys:
            if key.startswith(keys.ANY_SKU[:-1].encode()):
                # They come in order, so a SKU that two pages share comes twice in a row.
                self._keys += key != self._last_key
                self._last_key = key
            else:
                self._apart.add(key)
        self._apart.update(keys.skus_at(location.decode()).encode() for location in writes.members)


def _first_entries(opening: Opening) -> list[Entry]:
    now_ms, rules = opening.now_ms, opening.rules_version
    first = Entry(*(FORMAT, "recovered", "", "", "", "", now_ms, now_ms, rules), payload=opening.told)
    return [first, *(entry_of(alert, now_ms, rules) for alert in opening.alerts)]
