"""Carries out what a session decides: watches, reads the state, answers, closes.

The race between a snapshot and updates is settled by the topics: first the client watches, then unread topics
are read, then the answer is put together from what the topics know (`snapshot`), and what was kept back meanwhile
is dropped or sent. So nothing falls in between and no rev goes back.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from websockets.exceptions import ConnectionClosed

from hub.access import Claims
from hub.crashpoints import crash
from hub.faults import Unavailable
from hub.live.connection import LiveConnection
from hub.live.fanout import Change, Counters, Fanout, Outlet
from hub.live.follower import Follower
from hub.live.framing import text_frame
from hub.live.joining import Joining, Wish
from hub.live.line import Line
from hub.live.needs import HearEntry, HouseFacts, OpenTail, StockReader, WallClock
from hub.live.session import (
    GOING_AWAY,
    SILENT,
    TOKEN_ENDED,
    Close,
    Decision,
    Forget,
    Say,
    Session,
    Show,
    ShowShelf,
    Terms,
)
from hub.live.shelf import decode_position, encoded, messages_of
from hub.live.snapshot import overstates, snapshot, watched
from hub.live.stream import LiveStream
from hub.live.subscriptions import Subscriptions, TopicKey
from protocol.frames import CloseCode, Subscribe, encode_frame, subscribed_frame, update_frame

# A message from which on reading it and carrying it out are done in turns of their own.
LARGE_BYTES = 4 * 1024
UNAVAILABLE = Close(CloseCode.TRY_LATER, "the stock cannot be read now")


class Conversations:
    """All conversations of one live door, and the state they share."""

    def __init__(
        self,
        terms: Terms,
        stock: StockReader,
        open_tail: OpenTail,
        counters: Counters,
        clock: WallClock,
        hear: HearEntry,
    ) -> None:
        self._terms = terms
        self._stock = stock
        self._clock = clock
        self._counters = counters
        self._subscriptions: Subscriptions[Outlet] = Subscriptions()
        self._fanout = Fanout(self._subscriptions)
        self._sessions: dict[Line, Session] = {}
        self._watchable = _watchable(terms.house())
        self._joining = Joining(self._read, self._is_due, terms.limits)
        self.follower = Follower(open_tail, self._fanout, self.refresh, terms.limits, hear)

    async def hold(self, connection: LiveConnection) -> None:
        """Talk with one client until the connection ends."""
        session = self._sessions[connection] = Session(self._terms, self._clock())
        try:
            await self._first_message(connection, session)
            while connection.is_open:
                await self._receive(connection, session, await connection.recv(decode=False))
        except ConnectionClosed:
            pass
        finally:
            self._leave(connection)

    @asynccontextmanager
    async def follow(self, claims: Claims, message: Subscribe) -> AsyncIterator[LiveStream | None]:
        """A stream of what the client wishes to watch, from here to the end of the block; None: no such pool for it.

        Raises:
            Unavailable: the state cannot be read.
        """
        # The wish may be large, and has just been read.
        await asyncio.sleep(0)
        now = self._clock()
        session = Session(self._terms, now)
        decision = session.open(claims, message, now)
        if not isinstance(decision, Show):
            yield None
            return
        stream = LiveStream(self._counters, self._terms.limits.heartbeat_seconds)
        self._sessions[stream] = session
        try:
            self._watch_expiry(stream, session)
            stream.hold()
            await self._show(stream, session, decision)
            # What was sent may be large, and the stream may be long.
            del message, decision
            stream.release()
            yield stream
        finally:
            self._leave(stream)

    def end_streams(self) -> None:
        """Let every stream end; sockets are closed by their server."""
        for line in self._sessions:
            if isinstance(line, LiveStream):
                line.end(GOING_AWAY)

    def watched_skus(self) -> set[str]:
        """The SKUs that somebody watches in some pool."""
        return {sku for _, sku in self._subscriptions.topics}

    async def refresh(self) -> None:
        """Read all that is watched again and tell whoever knew less.

        Raises:
            Unavailable: the state cannot be read.
        """
        self._counters.refreshed += 1
        for pool, skus in list(self._subscriptions.skus_by_pool()):
            await self._read(pool, skus)
        for location in list(self._subscriptions.shelves):
            await self._resend_shelf(location)

    def recheck(self) -> None:
        """Drop what clients may not watch any more and tell them so; for a house that has changed."""
        before, self._watchable = self._watchable, _watchable(self._terms.house())
        if before == self._watchable:
            # Most changes are of rules alone, and ten thousand sessions take a while.
            return
        for line, session in self._sessions.items():
            self._carry_out_now(line, session, session.recheck())

    def recheck_claims(self) -> None:
        """Close connections whose key is gone, and drop what others may not watch any more; for keys that changed."""
        for line, session in self._sessions.items():
            self._carry_out_now(line, session, session.recheck_claims())

    def _carry_out_now(self, line: Line, session: Session, decisions: Sequence[Say | Forget | Close]) -> None:
        """Carry out what follows of another house or other keys."""
        for decision in decisions:
            self._carry_out_at_once(line, decision)
        self._see_again(line, session)
        if isinstance(line, LiveStream) and not session.topics:
            # It cannot ask for anything else; who connects again is told why.
            line.end(GOING_AWAY)

    async def _first_message(self, connection: LiveConnection, session: Session) -> None:
        try:
            async with asyncio.timeout(self._terms.limits.first_message_seconds):
                raw = await connection.recv(decode=False)
        except TimeoutError:
            connection.end(SILENT)
        else:
            await self._receive(connection, session, raw)

    async def _receive(self, connection: LiveConnection, session: Session, raw: bytes) -> None:
        message = session.read(raw, self._clock())
        if len(raw) > LARGE_BYTES:
            # What was understood of thousands of SKUs took some milliseconds; others have their turn.
            await asyncio.sleep(0)
        decisions = message if isinstance(message, list) else session.decide(message, self._clock())
        for decision in decisions:
            await self._carry_out(connection, session, decision)
        self._watch_expiry(connection, session)
        # Who does not read the answers, or asks too much, is not listened to for a while.
        await connection.taken()
        if wait_seconds := session.wait_seconds(self._clock()):
            await asyncio.sleep(wait_seconds)

    async def _carry_out(self, line: Line, session: Session, decision: Decision) -> None:
        if isinstance(decision, Say | Forget | Close):
            self._carry_out_at_once(line, decision)
            if isinstance(decision, Forget):
                self._see_again(line, session)
        else:
            line.hold()
            try:
                if isinstance(decision, Show):
                    await self._show(line, session, decision)
                else:
                    await self._show_shelf(line, session, decision)
            except Unavailable:
                line.end(UNAVAILABLE)
            line.release()

    def _leave(self, line: Line) -> None:
        if line.expiry is not None:
            line.expiry.cancel()
        session = self._sessions.pop(line)
        self._forget(line, session.topics, session.locations or ())

    def _watch_expiry(self, line: Line, session: Session) -> None:
        """Set the timer that closes the connection when its token ends."""
        if line.expiry is not None:
            line.expiry.cancel()
            line.expiry = None
        ends_at = session.ends_at
        if ends_at is not None and line.is_open:
            left_seconds = max(0.0, ends_at - self._clock())
            loop = asyncio.get_running_loop()
            line.expiry = loop.call_later(left_seconds, self._expire, line, session)

    def _expire(self, line: Line, session: Session) -> None:
        line.expiry = None
        # The loop's clock is not the wall clock, and the latter may have been set.
        if session.expired(self._clock()):
            line.end(TOKEN_ENDED)
        else:
            self._watch_expiry(line, session)

    async def _show(self, line: Line, session: Session, show: Show) -> None:
        wishes = await watched(self._subscriptions, line, session, show)
        if any(map(self._is_due, wishes)):
            await self._joining.read(show.pool, wishes)
        session.overstates = session.overstates or overstates((topic for topic, _ in wishes), show)
        if line.is_open:
            items = await snapshot(self._subscriptions, line, session, show, int(self._clock() * 1000))
            line.say(subscribed_frame(show.ref, items))

    def _is_due(self, wish: Wish) -> bool:
        """Whether a topic has to be read for somebody."""
        topic, known = wish
        # Who knows a newer rev than the topic was there before its entry came through the journal.
        return topic.rev < known or not self.follower.is_following

    async def _show_shelf(self, line: Line, session: Session, show: ShowShelf) -> None:
        self._subscriptions.watch_shelf(line, show.location, session.pools_seen())
        async with self._joining.turns:
            positions = {position.sku: position for position in await self._stock.positions_at(show.location)}
        # Positions have no rev: until the journal is past the read, an update may be older than what was read.
        await self.follower.catch_up()
        positions |= {sku: decode_position(item) for sku, item in line.take_owed(show.location).items()}
        for number, some in enumerate(messages_of(list(positions.values()))):
            await asyncio.sleep(0)
            await line.taken()
            # The house, or the client's key, may have changed while the journal or the reader was waited for.
            if show.location in (session.locations or ()):
                items = encoded(some, session.pools_seen()).values()
                line.say(update_frame(items) if number else subscribed_frame(show.ref, items))

    async def _resend_shelf(self, location: str) -> None:
        async with self._joining.turns:
            positions = await self._stock.positions_at(location)
        for pools, watchers in self._subscriptions.shelves.get(location, {}).items():
            items = encoded(positions, pools)
            changes = [Change(("", location, sku), item, watchers) for sku, item in items.items()]
            for watcher in watchers:
                watcher.push_several(changes, None)

    async def _read(self, pool: str, skus: Sequence[str]) -> None:
        step = self._terms.limits.skus_per_read
        for start in range(0, len(skus), step):
            # The house may have changed since the pool was watched, or since the last stretch.
            if pool not in self._terms.house().pool_index:
                return
            some = skus[start : start + step]
            items = await self._stock.read(pool, some)
            if crash.armed and await crash.at("snapshot read"):
                items = await self._stock.read(pool, some)
            self._fanout.learn(pool, items)

    def _carry_out_at_once(self, line: Line, decision: Say | Forget | Close) -> None:
        """Carry out what needs no reading."""
        if isinstance(decision, Say):
            line.say(encode_frame(decision.message))
        elif isinstance(decision, Forget):
            self._forget(line, decision.keys, decision.locations)
        else:
            line.end(decision)

    def _see_again(self, line: Line, session: Session) -> None:
        """From now on the client's locations are told with the fences that it may see by now, also what it is owed."""
        pools = session.pools_seen()
        for location in session.locations or ():
            self._subscriptions.watch_shelf(line, location, pools)
            for sku, item in encoded(map(decode_position, line.take_owed(location).values()), pools).items():
                line.push(("", location, sku), item, text_frame(update_frame((item,))))

    def _forget(self, line: Line, keys: Iterable[TopicKey], locations: Iterable[str]) -> None:
        keys = tuple(keys)
        line.disown(keys)
        for key in keys:
            self._subscriptions.unwatch(line, key)
        for location in locations:
            line.take_owed(location)
            self._subscriptions.unwatch_shelf(line, location)


def _watchable(house: HouseFacts) -> tuple[frozenset[tuple[str, bool]], frozenset[str]]:
    """All that decides who may watch what, besides the tokens."""
    return frozenset((pool.id, pool.public) for pool in house.pools), frozenset(house.locations)
