"""Carries out what a session decides: watches, reads the state, answers, closes.

The race between a snapshot and updates is settled by the topics: first the client watches, then unread topics
are read, then, in one step without waiting, the answer is put together from what the topics know and what was
kept back meanwhile is dropped or sent. So nothing falls in between and no rev goes back.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from websockets.exceptions import ConnectionClosed

from hub.crashpoints import crash
from hub.domain.shown import PoolsSeen, seen_with
from hub.faults import Unavailable
from hub.live.connection import LiveConnection
from hub.live.fanout import Change, Counters, Fanout, Outlet
from hub.live.follower import Follower
from hub.live.framing import never_shown_item, text_frame
from hub.live.needs import HearEntry, HouseFacts, OpenTail, StockReader, WallClock
from hub.live.session import (
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
from hub.live.subscriptions import Subscriptions, TopicKey
from protocol.answers import PositionItem
from protocol.frames import CloseCode, encode_frame, encode_item, subscribed_frame, update_frame

UNAVAILABLE = Close(CloseCode.TRY_LATER, "the stock cannot be read now")
# Items in one message of a location's positions, of which there may be any number.
POSITIONS_PER_MESSAGE = 500


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
        self._sessions: dict[LiveConnection, Session] = {}
        self._watchable = _watchable(terms.house())
        # So that ten thousand screens that come at once do not ask Redis ten thousand times.
        self._reads = asyncio.Semaphore(terms.limits.reads_at_once)
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
            if connection.expiry is not None:
                connection.expiry.cancel()
            del self._sessions[connection]
            self._forget(connection, session.topics, session.locations or ())

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
        for connection, session in self._sessions.items():
            self._carry_out_now(connection, session, session.recheck())

    def recheck_claims(self) -> None:
        """Close connections whose key is gone, and drop what others may not watch any more; for keys that changed."""
        for connection, session in self._sessions.items():
            self._carry_out_now(connection, session, session.recheck_claims())

    def _carry_out_now(
        self, connection: LiveConnection, session: Session, decisions: Sequence[Say | Forget | Close]
    ) -> None:
        """Carry out what needs no reading."""
        for decision in decisions:
            if isinstance(decision, Forget):
                self._carry_out_forget(connection, decision)
            elif isinstance(decision, Close):
                connection.end(decision)
            else:
                connection.write(text_frame(encode_frame(decision.message)))
        self._see_again(connection, session)

    async def _first_message(self, connection: LiveConnection, session: Session) -> None:
        try:
            async with asyncio.timeout(self._terms.limits.first_message_seconds):
                raw = await connection.recv(decode=False)
        except TimeoutError:
            connection.end(SILENT)
        else:
            await self._receive(connection, session, raw)

    async def _receive(self, connection: LiveConnection, session: Session, raw: bytes) -> None:
        for decision in session.receive(raw, self._clock()):
            await self._carry_out(connection, session, decision)
        self._watch_expiry(connection, session)
        # Who does not read the answers, or asks too much, is not listened to for a while.
        await connection.taken()
        if wait_seconds := session.wait_seconds(self._clock()):
            await asyncio.sleep(wait_seconds)

    async def _carry_out(self, connection: LiveConnection, session: Session, decision: Decision) -> None:
        if isinstance(decision, Say):
            connection.write(text_frame(encode_frame(decision.message)))
        elif isinstance(decision, Forget):
            self._carry_out_forget(connection, decision)
            self._see_again(connection, session)
        elif isinstance(decision, Close):
            connection.end(decision)
        else:
            connection.hold()
            try:
                if isinstance(decision, Show):
                    await self._show(connection, session, decision)
                else:
                    await self._show_shelf(connection, session, decision)
            except Unavailable:
                connection.end(UNAVAILABLE)
            connection.release()

    def _watch_expiry(self, connection: LiveConnection, session: Session) -> None:
        """Set the timer that closes the connection when its token ends."""
        if connection.expiry is not None:
            connection.expiry.cancel()
            connection.expiry = None
        ends_at = session.ends_at
        if ends_at is not None and connection.is_open:
            left_seconds = max(0.0, ends_at - self._clock())
            connection.expiry = connection.loop.call_later(left_seconds, self._expire, connection, session)

    def _expire(self, connection: LiveConnection, session: Session) -> None:
        connection.expiry = None
        # The loop's clock is not the wall clock, and the latter may have been set.
        if session.expired(self._clock()):
            connection.end(TOKEN_ENDED)
        else:
            self._watch_expiry(connection, session)

    async def _show(self, connection: LiveConnection, session: Session, show: Show) -> None:
        topics = [self._subscriptions.watch(connection, key) for key in show.keys]
        async with self._reads:
            # Who knows a newer rev than the topic was there before its entry came through the journal.
            due = [
                topic.key[1]
                for topic in topics
                if topic.rev < show.known.get(topic.key[1], 0) or not self.follower.is_following
            ]
            await self._read(show.pool, due)
        if connection.is_open:
            items = list(self._snapshot(session, show))
            connection.disown(show.keys)
            connection.write(text_frame(subscribed_frame(show.ref, items)))

    def _snapshot(self, session: Session, show: Show) -> Iterator[bytes]:
        now_ms = int(self._clock() * 1000)
        show_status = session.shows_status(show.pool)
        for key in show.keys:
            topic = self._subscriptions.topics.get(key)
            # What was forgotten while it was read, because the house changed, is not answered.
            if topic is not None and key in session.topics and show.known.get(key[1]) != max(topic.rev, 0):
                yield topic.item or never_shown_item(*key, now_ms, show_status=show_status)

    async def _show_shelf(self, connection: LiveConnection, session: Session, show: ShowShelf) -> None:
        self._subscriptions.watch_shelf(connection, show.location, session.pools_seen())
        async with self._reads:
            positions = await self._stock.positions_at(show.location)
        items = _encoded(positions, session.pools_seen())
        # Positions have no rev: until the journal is past the read, an update may be older than what was read.
        await self.follower.catch_up()
        items |= connection.take_owed(show.location)
        for number, some in enumerate(_messages_of(list(items.values()))):
            await connection.taken()
            # The house may have changed while the reader was waited for.
            if show.location in (session.locations or ()):
                message = update_frame(some) if number else subscribed_frame(show.ref, some)
                connection.write(text_frame(message))

    async def _resend_shelf(self, location: str) -> None:
        async with self._reads:
            positions = await self._stock.positions_at(location)
        for pools, watchers in self._subscriptions.shelves.get(location, {}).items():
            items = _encoded(positions, pools)
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

    def _carry_out_forget(self, connection: LiveConnection, forget: Forget) -> None:
        self._forget(connection, forget.keys, forget.locations)

    def _see_again(self, connection: LiveConnection, session: Session) -> None:
        """From now on the client's locations are told with the fences that it may see by now."""
        for location in session.locations or ():
            self._subscriptions.watch_shelf(connection, location, session.pools_seen())

    def _forget(self, connection: LiveConnection, keys: Iterable[TopicKey], locations: Iterable[str]) -> None:
        keys = tuple(keys)
        connection.disown(keys)
        for key in keys:
            self._subscriptions.unwatch(connection, key)
        for location in locations:
            connection.take_owed(location)
            self._subscriptions.unwatch_shelf(connection, location)


def _watchable(house: HouseFacts) -> tuple[frozenset[tuple[str, bool]], frozenset[str]]:
    """All that decides who may watch what, besides the tokens."""
    return frozenset((pool.id, pool.public) for pool in house.pools), frozenset(house.locations)


def _encoded(positions: Iterable[PositionItem], pools: PoolsSeen) -> dict[str, bytes]:
    """The positions as somebody who sees these pools may be told them, by SKU."""
    return {position.sku: encode_item(seen_with(position, pools)) for position in positions}


def _messages_of(items: list[bytes]) -> list[list[bytes]]:
    """Items in messages of a bounded size; one without items where there are none."""
    starts = range(0, max(1, len(items)), POSITIONS_PER_MESSAGE)
    return [items[start : start + POSITIONS_PER_MESSAGE] for start in starts]
