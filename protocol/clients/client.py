"""The client of a hub: what tills, shops and screens written in Python do with it."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Final, Self
from urllib.parse import urlsplit
from weakref import WeakSet

from msgspec import Struct

from protocol.answers import AvailabilityItem, EventAnswer, PositionItem, PositionsAnswer
from protocol.clients.bearer import Bearer, Token
from protocol.clients.conversation import Conversation
from protocol.clients.delivery import Delivery, Report
from protocol.clients.events import Events, Written
from protocol.clients.exchange import Exchange
from protocol.clients.feed import Feed
from protocol.clients.outbox import Outbox
from protocol.clients.patience import Patience
from protocol.clients.reads import Reads
from protocol.clients.reservations import Reservations, Told, change_of, extension_of
from protocol.clients.watching import Watch
from protocol.codec import encode_canonical
from protocol.events import Event
from protocol.frames import PATH
from protocol.reservations import AskedLine, Reservation, Reserve

_LIVE_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class Address(Struct, frozen=True):
    """Where a hub listens."""

    http: str
    live: str


def address_of(url: str, live_url: str | None = None) -> Address:
    """Both doors; the live one, if it is not named, has the port after a port that is named, else the same.

    Raises:
        ValueError: this is no address of a hub.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no address like https://hub.example or http://127.0.0.1:8080.")
    if live_url is None:
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = "" if parts.port is None else f":{parts.port + 1}"
        live_url = f"{parts.scheme}://{host}{port}{parts.path}"
    live = urlsplit(live_url)
    if live.scheme not in _LIVE_SCHEMES or not live.hostname:
        raise ValueError(f"{live_url} is no address like wss://hub.example or ws://127.0.0.1:8081.")
    path = live.path.rstrip("/").removesuffix(PATH) + PATH
    return Address(url.rstrip("/"), f"{_LIVE_SCHEMES[live.scheme]}://{live.netloc}{path}")


class HubClient:
    """One hub, for one caller; used as `async with HubClient(url, token) as hub`.

    `token` is a token or key, or what makes one (it is called again when the hub does not accept the last one any
    more); without one, public pools can be watched and read. Whatever is asked is asked again, under its id, until
    there is an answer; methods over HTTP raise

        RequestRefused: the request is wrong or not allowed.
        TokenRefused: the hub accepts neither the token nor a new one.
        Unanswered: no answer within `patience.asking_seconds`; what became of it is unknown, so the same may be sent
            again.
        NotAHub: what answers is none.
    """

    def __init__(
        self, url: str, token: Token = None, *, live_url: str | None = None, patience: Patience | None = None
    ) -> None:
        self._address = address_of(url, live_url)
        self._patience = patience or Patience()
        self._bearer = Bearer(token)
        self._exchange = Exchange(self._address.http, self._bearer, self._patience)
        self._events = Events(self._exchange)
        self._reservations = Reservations(self._exchange)
        self._reads = Reads(self._exchange)
        self._watches: WeakSet[Watch] = WeakSet()

    async def __aenter__(self) -> Self:
        await self._exchange.open()
        return self

    async def __aexit__(self, *raised: object) -> None:
        for watch in list(self._watches):
            await watch.end()
        await self._exchange.close()

    def watch(self, pool: str, skus: Iterable[str]) -> AsyncGenerator[AvailabilityItem]:
        """Yield what the pool shows of each SKU, and from then on each change, until the client is left.

        State, not history: who takes items slowly gets fewer and newer ones, at most one for each SKU waits, and none
        has a lower `rev` than the one before. A lost connection is made again, and a hub that is not there yet is
        waited for, with warnings in the log. A SKU that was named by an alias comes under the house's own name. At most
        10,000 SKUs.

        Raises:
            ValueError: no SKU, or too many.
            NotAHub: what is at the address speaks otherwise, or is not trusted.
            WatchRefused: the hub does not take the watch (no such pool, or not for this token), or not any more.
            TokenRefused: the hub accepts neither the token nor a new one.
        """
        watch = Watch(self._address.live, Conversation(pool, skus), self._bearer, self._patience)
        self._watches.add(watch)
        return watch.items()

    def feed(self, *, types: Iterable[str] = (), after: str | None = None) -> Feed:
        """What happened behind a cursor, from the beginning where there is none, and then what happens, for ever.

        `types` are those of the feed, `movement.*` all of a kind, at most 100; none is all. Every item comes once and
        in order, whatever becomes of connections and hubs; `Feed.cursor` says where the next process goes on. At most
        a page of 1,000 items waits here for whoever takes them slowly.

        Raises:
            ValueError: too many types, or no cursor that any hub makes.
            CursorRefused: it is not of this hub's feed.
            RequestRefused: the token has not the scope `feed:read`, or there is no such type.
            TokenRefused, NotAHub: as above; never Unanswered, for it goes on trying.
        """
        return Feed(self._exchange, self._patience, types, after)

    async def send(self, event: Event) -> EventAnswer:
        """Tell the hub what happened; a refusal is an answer, with its `problem`."""
        answer, _ = await self._events.one(_written(event))
        return answer

    async def send_many(self, events: Iterable[Event]) -> list[EventAnswer]:
        """Tell the hub of any number of events, in order; one answer for each. After a fault send the same again."""
        return await self._events.many([_written(event) for event in events])

    async def deliver(self, outbox: Outbox, report: Report, *, until_empty: bool = False) -> None:
        """Bring what is in an outbox to the hub, until cancelled or, if asked for, until it is empty.

        While the hub is away it goes on trying. `report` is told of each event that was parked or refused, at least
        once, before it leaves the outbox.
        """
        await Delivery(outbox, self._events, self._patience, report).run(until_empty=until_empty)

    async def reserve(self, asked: Reserve) -> Told:
        """Hold units for somebody, all of them or none; again with the same id it tells what became of it."""
        return await self._reservations.reserve(asked)

    async def extend(
        self,
        id: str,
        ttl_seconds: int | None = None,
        *,
        lines: Sequence[AskedLine] | None = None,
        request_id: str | None = None,
    ) -> Told:
        """Hold longer: so many seconds from now, or the kind's usual time.

        This and the next four are about all units, or those of `lines`; a repeat changes nothing, so that of two
        equal requests about `lines` that are both meant each has a `request_id` of its own.
        """
        return await self._reservations.change("extend", id, extension_of(ttl_seconds, lines, request_id))

    async def confirm(
        self, id: str, lines: Sequence[AskedLine] | None = None, *, request_id: str | None = None
    ) -> Told:
        """Keep units for good, until they are fulfilled or released."""
        return await self._reservations.change("confirm", id, change_of(lines, request_id))

    async def release(
        self, id: str, lines: Sequence[AskedLine] | None = None, *, request_id: str | None = None
    ) -> Told:
        """Give units back."""
        return await self._reservations.change("release", id, change_of(lines, request_id))

    async def fulfil(self, id: str, lines: Sequence[AskedLine] | None = None, *, request_id: str | None = None) -> Told:
        """Say that units left the house."""
        return await self._reservations.change("fulfil", id, change_of(lines, request_id))

    async def reallocate(
        self, id: str, lines: Sequence[AskedLine] | None = None, *, request_id: str | None = None
    ) -> Told:
        """Say that units were not found, and hold others elsewhere."""
        return await self._reservations.change("reallocate", id, change_of(lines, request_id))

    async def reservation(self, id: str) -> Reservation | None:
        """A reservation as it is now; None where there is none that the caller may see."""
        return await self._reservations.get(id)

    async def availability(self, pool: str, skus: Sequence[str]) -> list[AvailabilityItem]:
        """What a pool shows of any number of SKUs now, in their order; each 1,000 are of one moment."""
        return await self._reads.availability(pool, skus)

    async def positions(self, *, sku: str = "", location: str = "") -> AsyncIterator[PositionItem]:
        """Yield the positions of a SKU, or of a location; read page by page, as they are taken."""
        async with aclosing(self.position_pages(sku=sku, location=location)) as pages:
            async for page in pages:
                for position in page.items:
                    yield position

    def position_pages(self, *, sku: str = "", location: str = "") -> AsyncGenerator[PositionsAnswer]:
        """The same page by page; the `feed_cursor` of the first is where to follow what happens after."""
        return self._reads.position_pages(sku=sku, location=location)


def _written(event: Event) -> Written:
    return Written(event.id, encode_canonical(event))
