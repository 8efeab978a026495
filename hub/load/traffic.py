"""The requests of one process on their way: sent when they are due, and handed on when they are answered."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from hub.load.answers import Outcome
from hub.load.books import Bookkeeper
from hub.load.choosing import Choice
from hub.load.holds import Hold, Holds
from hub.load.http_line import HttpLine, connect
from hub.load.measuring import UNKNOWN, Measuring
from hub.load.options import Share
from hub.load.pacing import WAITING_MAX, Lanes, Schedule, constant, poisson
from hub.load.requests import Sent, Writer

# No answer for so long is none.
ANSWER_SECONDS_MAX = 30.0
# Requests whose outcome is unknown; with more the load ends early.
UNKNOWN_MAX = 20_000
_AGAIN_SECONDS = 0.2


class Traffic:
    """All requests of one process; `now` tells seconds since the load began."""

    def __init__(self, share: Share, now: Callable[[], float]) -> None:
        options = share.options
        chance = random.Random(f"{options.random_seed} {share.number}")
        self.keeper = Bookkeeper(share.units)
        self.measuring = Measuring(options.warmup_seconds, options.duration_seconds)
        self.lanes = Lanes(_schedule(share), options.duration_seconds)
        self.under_way: dict[int, Sent] = {}
        # What has to be asked again.
        self.again: list[Sent] = []
        # Set when anything of the above changes.
        self.changed = asyncio.Event()
        self.stopped = ""
        self._options, self._now, self.chance = options, now, chance
        self._address = urlsplit(share.target.url)
        self._choice = Choice(options.skew, options.skus, chance)
        self._writer = Writer(share)
        self._holds = Holds(chance)
        self._lines: dict[int, HttpLine] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._stamp = ""

    async def open(self) -> None:
        """Open all connections.

        Raises:
            OSError: nothing answers there.
            TimeoutError: not in time.
        """
        await asyncio.gather(*(self._open(lane) for lane in range(self._options.connections)))

    def arrive(self) -> None:
        """Send what is due by now, as far as there are free connections; the rest waits for one."""
        now = self._now()
        for late in self.lanes.arrive(now):
            self.measuring.late(late)
            self.measuring.asked(now - late)
        if self.lanes.waiting > WAITING_MAX:
            self.stop(f"over {WAITING_MAX:,} requests were due and could not be sent")
        self._start()

    def stop(self, reason: str) -> None:
        """Let nothing more become due."""
        if not self.stopped:
            now = self._now()
            self.stopped = reason
            self.lanes.stop(now)
            self.measuring.end(now)

    def send(self, lane: int, sent: Sent) -> None:
        """Send over a connection that was free."""
        self.keeper.sent(sent)
        self.under_way[lane] = sent
        self._lines[lane].send(sent.content)

    def send_again(self, batch: list[Sent]) -> None:
        """Send what was left open, the same bytes; what finds no free connection is left open still."""
        for sent in batch:
            lane = self.lanes.spare()
            if lane is None:
                self.again.append(sent)
                continue
            sent.is_again, sent.at = True, self._now()
            self.send(lane, sent)

    def look_for_silence(self) -> None:
        """Give up each request that has waited for its answer too long."""
        now = self._now()
        for lane, sent in list(self.under_way.items()):
            if now - sent.at > ANSWER_SECONDS_MAX:
                self._lines[lane].abort("timeout")

    def give_up(self) -> None:
        """Wait for nothing any more; what was due and never sent counts with the time it has waited."""
        now = self._now()
        for due in self.lanes.give_up():
            self.measuring.unsent("sale", due, now)
        for lane in list(self.under_way):
            self._lines[lane].abort("timeout")

    def refresh_time(self) -> None:
        """The time that events carry; a second is fine enough."""
        self._stamp = datetime.now(UTC).isoformat(timespec="seconds")

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is due or under way."""
        return not self.under_way and not self.lanes.waiting

    @property
    def held(self) -> list[str]:
        """Reservations that are kept, or may be."""
        open_ones = [sent.ids[0] for sent in self.again if sent.kind != "sale"]
        return [*self._holds.ids, *open_ones]

    def close(self) -> None:
        """Close all connections."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        for line in list(self._lines.values()):
            line.abort("closed")

    def _start(self) -> None:
        now = self._now()
        for lane, due in self.lanes.start(now):
            if self._options.rate is None:
                self.measuring.asked(due)
            self.send(lane, self._next(due, now))

    def _next(self, due: float, now: float) -> Sent:
        """Make the request whose turn it is."""
        options = self._options
        if options.reserve and self.chance.random() < options.reserve:
            hold = self._holds.next(now)
            if hold is not None:
                return self._writer.change(self._holds.verb(hold), hold, due, now)
            sku = self._choice.next()
            return self._writer.reserve(sku, due, now, self.keeper.books.of(sku).sold)
        skus = [self._choice.next() for _ in range(options.array)]
        return self._writer.sale(skus, self._stamp, due, now)

    def _answered(self, lane: int, status: int, body: bytes) -> None:
        sent, now = self.under_way.pop(lane, None), self._now()
        if sent is None:
            self._lines[lane].abort("an answer to nothing")
            return
        booked = self.keeper.booked
        outcome = self.keeper.answered(sent, status, body)
        if not sent.is_again:
            # What is turned away fast must not make the rest look fast.
            kind = sent.kind if outcome in ("booked", "refused") else UNKNOWN
            self.measuring.answered(kind, sent.due, now, self.keeper.booked - booked)
        self._settle(sent, outcome, now)
        self.lanes.free(lane)
        self._start()
        self.changed.set()

    def _settle(self, sent: Sent, outcome: Outcome, now: float) -> None:
        if outcome in ("unknown", "wrong"):
            self.measuring.second.unknown += 1
            self._ask_again(sent)
        elif outcome == "refused":
            self.measuring.second.refused += 1
            if sent.kind == "reserve":
                self._holds.refused()
        elif sent.kind == "reserve":
            self._holds.keep(Hold(sent.ids[0], sent.skus[0], now))
        elif sent.kind == "confirm":
            assert sent.hold is not None
            sent.hold.is_confirmed = True
            self._holds.keep(sent.hold)

    def _ask_again(self, sent: Sent) -> None:
        self.again.append(sent)
        if len(self.again) > UNKNOWN_MAX:
            self.stop(f"what became of over {UNKNOWN_MAX:,} requests is unknown")

    def _lost(self, lane: int, reason: str) -> None:
        self._lines.pop(lane, None)
        self.lanes.lose(lane)
        sent = self.under_way.pop(lane, None)
        if sent is not None:
            self.keeper.lost(reason)
            # It took that long at least.
            if not sent.is_again:
                self.measuring.unanswered(sent.kind, sent.due, self._now())
            self.measuring.second.unknown += 1
            self._ask_again(sent)
        self.changed.set()
        if not self._is_closing:
            task = asyncio.create_task(self._open_again(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open_again(self, lane: int) -> None:
        while True:
            await asyncio.sleep(_AGAIN_SECONDS * random.uniform(0.5, 1.0))
            try:
                await self._open(lane)
                break
            except (OSError, TimeoutError):
                continue
        self._start()
        self.changed.set()

    async def _open(self, lane: int) -> None:
        line = HttpLine(partial(self._answered, lane), partial(self._lost, lane))
        self._lines[lane] = line
        try:
            await connect(self._address, lambda: line)
        except BaseException:
            self._lines.pop(lane, None)
            raise
        if self._lines.get(lane) is line:
            self.lanes.free(lane)


def _schedule(share: Share) -> Schedule | None:
    options = share.options
    if options.rate is None:
        return None
    if options.arrivals == "constant":
        times = constant(options.rate, share.number / options.processes)
    else:
        times = poisson(options.rate, random.Random(f"{options.random_seed} arrivals {share.number}"))
    return Schedule(times, options.duration_seconds)
