"""One process of a load: it sends what is due, keeps the books of the answers, and looks at its sockets in the end."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from hub.faults import Fault, Unavailable
from hub.load.choosing import sku_name
from hub.load.options import Share
from hub.load.screens import Screens
from hub.load.stock import Stock
from hub.load.telling import Final, Second, SocketsTold
from hub.load.traffic import Traffic
from hub.tasks import end

# After the end what is due still goes; then what has no answer is asked again; then sockets may still be told.
DRAIN_SECONDS_MAX = 30.0
SETTLE_SECONDS_MAX = 30.0
CURRENT_SECONDS_MAX = 10.0
_PAUSE_SECONDS = 0.2
_ABORTED_SECONDS_MAX = 1.0
# What ends a load early is noticed within this.
_SLEEP_SECONDS_MAX = 0.2
_TICK_SECONDS = 0.01
# Sockets that are not current, in words.
_TOLD_MAX = 10


class Worker:
    """One share of a load: `prepare`, `run`, `look`, in this order; `final` has what came of it."""

    def __init__(self, share: Share, tell: Callable[[Second], None]) -> None:
        self._options, self._share, self._tell = share.options, share, tell
        self._begun_at = time.monotonic()
        self.traffic = Traffic(share, self._now)
        draw = self.traffic.chance.sample
        names = [sku_name(share.options.name, number) for number in range(share.options.skus)]
        self.screens = Screens(share.target, [draw(names, share.options.watch) for _ in range(share.options.sockets)])
        self._behind: list[str] = []
        self._current = 0
        # What answers had shown a second ago, and the errors until then, by kind.
        self._shown: dict[str, int] = {}
        self._errors: Counter[str] = Counter()

    async def prepare(self) -> None:
        """Open all connections and sockets.

        Raises:
            Unavailable: they cannot be opened.
        """
        target = self._share.target
        try:
            await self.traffic.open()
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"no hub answers at {target.url}: {str(error) or type(error).__name__}") from error
        try:
            await self.screens.come()
        except TimeoutError as error:
            why = ", ".join(self.screens.ended) or "no answer"
            raise Unavailable(f"the sockets at {target.live} do not open: {why}") from error

    async def run(self, begin_at: float) -> None:
        """Send everything that is due from an instant of the monotonic clock on, and what is unknown again."""
        await asyncio.sleep(begin_at - time.monotonic())
        self._begun_at = begin_at
        self.traffic.measuring.begin(time.process_time())
        ticking = asyncio.create_task(self._tell_seconds())
        try:
            await self._send()
            await self._wait_for(lambda: self.traffic.is_quiet, DRAIN_SECONDS_MAX)
            await self._give_up()
            self._generated = self.traffic.measuring.generated(time.process_time(), self._now())
            await self._settle()
        finally:
            await end([ticking])
        await self._tell_second()

    def stop(self, reason: str) -> None:
        """Let nothing more become due."""
        self.traffic.stop(reason)

    async def look(self) -> None:
        """Wait until all sockets are current, as long as patience lasts, and note which are not."""
        if self.screens.watched:
            try:
                await self._compare()
            except Fault as fault:
                self._behind = [f"they could not be compared: {fault}"]

    async def _compare(self) -> None:
        """Raises Fault where the hub does not say what is true."""
        screens, until = self.screens, self._now() + CURRENT_SECONDS_MAX
        async with Stock(self._share.target) as stock:
            while True:
                truth = await stock.shown(sorted({sku for watched in screens.watched for sku in watched.skus}))
                behind = [
                    (number, found) for number, each in enumerate(screens.watched) if (found := each.behind(truth))
                ]
                if not behind or self._now() > until:
                    break
                await asyncio.sleep(_PAUSE_SECONDS)
        self._current = len(screens.watched) - len(behind)
        self._behind = [f"socket {number}, {found[0]}" for number, found in behind[:_TOLD_MAX]]

    def final(self) -> Final:
        """All that it has to say, after `run` and `look`."""
        traffic, watched = self.traffic, self.screens.watched
        return Final(
            books=traffic.keeper.books,
            held=traffic.held,
            measured=traffic.measuring.measured(),
            generated=self._generated,
            sockets=SocketsTold(
                asked=len(watched),
                current=self._current,
                behind=self._behind,
                went_back=sum(each.went_back for each in watched),
                values=sum(each.taken for each in watched),
                ended=self.screens.ended,
            ),
            ended_early=traffic.stopped,
        )

    def close(self) -> None:
        """Close all that is open."""
        self.screens.close()
        self.traffic.close()

    def _now(self) -> float:
        return time.monotonic() - self._begun_at

    async def _send(self) -> None:
        """Until nothing more is due."""
        traffic, ends = self.traffic, self._options.duration_seconds
        traffic.refresh_time()
        while not traffic.stopped and self._now() < ends:
            expected = traffic.lanes.next_due
            if self._options.rate is None:
                # Nothing is due by itself; a tick tells how long this loop keeps others waiting.
                expected = self._now() + _TICK_SECONDS
            elif expected is None:
                expected = float(ends)
            traffic.arrive()
            now = self._now()
            await asyncio.sleep(min(expected - now, ends - now, _SLEEP_SECONDS_MAX))
            if self._options.rate is None:
                traffic.measuring.late(self._now() - expected)
        traffic.arrive()

    async def _settle(self) -> None:
        """Ask again what was left open, with the same ids, until it is answered or patience is over."""
        traffic, until = self.traffic, self._now() + SETTLE_SECONDS_MAX
        while traffic.again and (left := until - self._now()) > 0:
            batch, traffic.again = traffic.again, []
            traffic.send_again(batch)
            await self._wait_for(lambda: traffic.is_quiet, left)
            if traffic.again:
                await asyncio.sleep(_PAUSE_SECONDS)
        await self._give_up()
        traffic.keeper.books.unsettled = sum(len(sent.ids) for sent in traffic.again)

    async def _give_up(self) -> None:
        self.traffic.give_up()
        await self._wait_for(lambda: not self.traffic.under_way, _ABORTED_SECONDS_MAX)

    async def _wait_for(self, holds: Callable[[], bool], seconds_max: float) -> None:
        """Wait until something about the traffic holds, or patience is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                while not holds():
                    self.traffic.changed.clear()
                    await self.traffic.changed.wait()

    async def _tell_seconds(self) -> None:
        number = 0
        while True:
            number += 1
            await asyncio.sleep(number - self._now())
            self.traffic.refresh_time()
            self.traffic.look_for_silence()
            await self._tell_second()

    async def _tell_second(self) -> None:
        second = self.traffic.measuring.next_second()
        books = self.traffic.keeper.books
        errors = Counter(books.refusals) + Counter(books.unknown)
        second.errors, self._errors = dict(errors - self._errors), errors
        second.waiting = self.traffic.lanes.waiting
        second.sockets = self.screens.open
        second.current = await self.screens.current(self._shown)
        self._shown = dict(self.traffic.keeper.newest)
        self._tell(second)
