"""Close counts: as soon as the ledger has everything before a count was opened, it tells what the book said then.

The path of one count: opened by the kernel → the ledger comes so far → the units since the count → closed by the
kernel. A ledger that is away delays the closing and nothing else; counts that another process opened, or this one
before it was killed, are found in Redis. Closing one twice is harmless: the kernel does it once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, Protocol

import msgspec
import structlog
from redis.asyncio import Redis

from hub.domain.command import COMPLETE, OWN_SOURCE, REST, Closing, Counting, Fact, Line
from hub.domain.entry import Seq
from hub.faults import Fault, Unavailable
from hub.journal.watermark import Watermark
from hub.patience import Trouble
from hub.stock import keys
from hub.stock.batcher import Batcher
from hub.stock.outcome import Applied, Busy, Outcome, Stale, Unchanged
from hub.stock.reading import reading
from hub.stock.reads import CHANGES_TOO_FAST
from protocol.limits import LINES_PER_EVENT_MAX

log = structlog.get_logger()

# How often Redis is searched for counts that nobody here opened.
LOOK_SECONDS = 5.0
RETRY_SECONDS = 1.0
# Counts closed in one go: their rows fit into one question to the ledger.
COUNTS_AT_ONCE_MAX = 10
CLOSED_KEPT_MAX = 1_000
ROUNDS_MAX = 4


class OpenCount(msgspec.Struct, array_like=True, frozen=True):
    """The record of a count that is not closed yet; `hub.domain.counts` says what its parts are."""

    # Of the event that was sent, also where the hub counts the rest of it.
    source: str
    id: str
    location: str
    counted_at_ms: int
    kind: str
    scope: int
    # (SKU, counted, on hand when opened, deficit when opened).
    rows: tuple[tuple[str, int, int, int], ...]


class UnitsSince(Protocol):
    """The ledger's sums."""

    async def units_since(self, rows: Sequence[tuple[str, str, int, Seq]]) -> list[int]:
        """For each (SKU, location, counted at in ms, opening entry): what came less what went since, before opening."""
        ...

    async def units_passed(self, rows: Sequence[tuple[str, str, int, Seq]]) -> list[int]:
        """For each likewise: what came less what went by the shelf before opening, which no booked count has seen."""
        ...


_decode_record = msgspec.msgpack.Decoder(OpenCount).decode


class Closer:
    """Closes the counts of one partition. `run` must be running while anybody waits."""

    def __init__(
        self,
        client: Redis,
        batcher: Batcher,
        watermark: Watermark,
        ledger: UnitsSince,
        refresh: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        self._client = client
        self._batcher = batcher
        # Recomputes SKUs of older rules.
        self._refresh = refresh
        self._watermark = watermark
        self._ledger = ledger
        # Opened and, as far as this process knows, not closed.
        self._open: dict[Seq, None] = {}
        # Complete counts, and the counts of their rest: those are closed first, so that whoever waits has all of it.
        self._rest_of: dict[Seq, frozenset[Seq]] = {}
        self._arrived = asyncio.Event()
        self._waiting: dict[Seq, asyncio.Future[Applied | None]] = {}
        # Closed a moment ago, for those who ask only now.
        self._closed: dict[Seq, Applied] = {}
        # Whether it is this process that looks for the counts of those that were killed.
        self.looks: Callable[[], bool] = lambda: True

    def note_opened(self, seq: Seq) -> None:
        """A count was opened by the entry at `seq`."""
        self._open[seq] = None
        self._arrived.set()

    def forget_lost(self) -> None:
        """Forget the counts of which the opening was lost with Redis: nobody can close them."""
        for seq in [seq for seq in self._open if self._watermark.has_lost(seq)]:
            del self._open[seq]
            self._rest_of.pop(seq, None)
            waiting = self._waiting.pop(seq, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    def is_open(self, seq: Seq) -> bool:
        """Whether the count that the entry at `seq` opened still has to be closed, as far as this process knows."""
        return seq in self._open

    async def wait(self, seq: Seq, timeout_seconds: float) -> Applied | None:
        """Wait until the count is closed and say what that changed; None when it is not in time."""
        if seq not in self._open:
            return self._closed.get(seq)
        closed = self._waiting.setdefault(seq, asyncio.get_running_loop().create_future())
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.shield(closed)
        self._waiting.pop(seq, None)
        return None

    async def run(self) -> None:
        """Close count after count until cancelled; stores that are away are waited for."""
        trouble = Trouble("counts stay open for now", "counts are closed again")
        while True:
            try:
                if self.looks():
                    await self._look()
                while await self._has_arrived():
                    await self._close_some()
                    trouble.note_over()
                trouble.note_over()
            except Fault as fault:
                trouble.note(fault, open=len(self._open))
                await asyncio.sleep(RETRY_SECONDS)

    async def _look(self) -> None:
        """Find the counts that are open in Redis."""
        with reading():
            found: Any = await self._client.hkeys(keys.COUNTS)
        for name in found:
            self.note_opened(Seq.from_stream_id(name))

    async def _has_arrived(self) -> bool:
        """Wait for an open count; False when it is time to look around."""
        if not self._open:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._arrived.wait()
        return bool(self._open)

    async def _close_some(self) -> None:
        seqs = [seq for seq in sorted(self._open) if not self._waits_for_rest(seq)][:COUNTS_AT_ONCE_MAX]
        # Its own deadline, so that a ledger that is away lets the loop look around.
        if not await self._watermark.wait(seqs[-1], LOOK_SECONDS):
            seqs = [seq for seq in seqs if self._watermark.covers(seq)]
        counts = await self._read(seqs)
        for seq, count in list(counts.items()):
            if count.scope == COMPLETE and seq not in self._rest_of:
                self._rest_of[seq] = await self._count_rest(count)
            if self._waits_for_rest(seq):
                del counts[seq]
        closings = await self._closings(counts)
        for seq, outcome in zip(counts, await self._submit(closings), strict=True):
            self._end(seq, outcome)

    def _waits_for_rest(self, seq: Seq) -> bool:
        return not self._rest_of.get(seq, frozenset()).isdisjoint(self._open)

    async def _read(self, seqs: Sequence[Seq]) -> dict[Seq, OpenCount]:
        if not seqs:
            return {}
        with reading():
            found: Any = await self._client.hmget(keys.COUNTS, [seq.stream_id for seq in seqs])
        for seq, packed in zip(seqs, found, strict=True):
            if packed is None:
                self._end(seq, Unchanged())
        return {seq: _decode_record(packed) for seq, packed in zip(seqs, found, strict=True) if packed is not None}

    async def _closings(self, counts: dict[Seq, OpenCount]) -> list[Fact]:
        asked = [
            (row[0], count.location, count.counted_at_ms, seq) for seq, count in counts.items() for row in count.rows
        ]
        since = iter(await self._ledger.units_since(asked) if asked else [])
        passed = iter(await self._ledger.units_passed(asked) if asked else [])
        return [
            _closing(seq, count, tuple(next(since) for _ in count.rows), tuple(next(passed) for _ in count.rows))
            for seq, count in counts.items()
        ]

    async def _count_rest(self, count: OpenCount) -> frozenset[Seq]:
        """Count as zero what a complete count does not list; counted again for the same time it changes nothing."""
        opened: set[Seq] = set()
        listed = {row[0] for row in count.rows}
        rest = sorted(await self._skus_at(count.location) - listed)
        facts = [
            _count_of_rest(count, rest[start : start + LINES_PER_EVENT_MAX])
            for start in range(0, len(rest), LINES_PER_EVENT_MAX)
        ]
        for fact in facts:
            [outcome] = await self._submit([fact])
            if isinstance(outcome, Applied):
                self.note_opened(outcome.seq)
                opened.add(outcome.seq)
            elif isinstance(outcome, Busy):
                raise Unavailable(outcome.why)
        return frozenset(opened)

    async def _skus_at(self, location: str) -> set[str]:
        with reading():
            return {name.decode() async for name in self._client.sscan_iter(keys.skus_at(location), count=1000)}

    async def _submit(self, facts: Sequence[Fact]) -> list[Outcome]:
        """Book them, SKUs of older rules being recomputed first."""
        if not facts:
            return []
        outcomes = await self._batcher.submit(facts)
        for _ in range(ROUNDS_MAX):
            stale = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, Stale)]
            if not stale:
                return outcomes
            await self._refresh(sorted(_skus(facts[index] for index in stale)))
            again = await self._batcher.submit([facts[index] for index in stale])
            for index, outcome in zip(stale, again, strict=True):
                outcomes[index] = outcome
        raise Unavailable(CHANGES_TOO_FAST)

    def _end(self, seq: Seq, outcome: Outcome) -> None:
        """The count needs no more closing, or cannot be closed: then people must look at it, and others go on."""
        self._open.pop(seq, None)
        self._rest_of.pop(seq, None)
        waiting = self._waiting.pop(seq, None)
        if isinstance(outcome, Applied):
            self._closed[seq] = outcome
            if len(self._closed) > CLOSED_KEPT_MAX:
                del self._closed[next(iter(self._closed))]
        elif not isinstance(outcome, Unchanged):
            log.error("a count cannot be closed", opened=str(seq), outcome=str(outcome))
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome if isinstance(outcome, Applied) else None)


def _skus(facts: Iterable[Fact]) -> set[str]:
    return {line.sku for fact in facts for line in fact.lines}


def _closing(seq: Seq, count: OpenCount, since: tuple[int, ...], passed: tuple[int, ...]) -> Fact:
    return Fact(
        verb="close",
        type="count",
        source=count.source,
        id=count.id,
        hash="-",
        time_ms=count.counted_at_ms,
        stated_ms=count.counted_at_ms,
        ledger_checked=True,
        payload="",
        lines=tuple(Line(row[0], count.location, row[1]) for row in count.rows),
        detail=Closing(seq.stream_id, since, passed if any(passed) else ()),
    )


def _count_of_rest(count: OpenCount, skus: Sequence[str]) -> Fact:
    content = msgspec.json.encode({"source": count.source, "id": count.id, "location": count.location, "none_of": skus})
    digest = blake2b(content, digest_size=16).hexdigest()
    return Fact(
        verb="count",
        type="count",
        source=OWN_SOURCE,
        id=digest,
        hash=digest,
        time_ms=count.counted_at_ms,
        stated_ms=count.counted_at_ms,
        ledger_checked=True,
        payload=content.decode(),
        lines=tuple(Line(sku, count.location, 0) for sku in skus),
        detail=Counting(count.counted_at_ms, count.kind, REST, source=count.source, id=count.id),
    )
