"""One connection's conversation, without a socket: a message comes in, decisions come out.

The session knows who the client is and what it watches; the shell (`conversation`) reads the state, keeps the
subscriptions and moves the bytes. A pool that may not be seen and a pool that does not exist are the same here.
"""

from collections.abc import Container, Sequence

import msgspec

from hub.access import ANONYMOUS, Claims, Unauthenticated, ending_of
from hub.domain.shown import PoolsSeen
from hub.live.limits import LiveLimits
from hub.live.needs import Credentials, CurrentHouse, PoolFacts
from hub.live.subscriptions import TopicKey
from protocol.codec import Malformed
from protocol.frames import (
    CLOSE_CODES,
    Auth,
    Authorized,
    CloseCode,
    LiveError,
    Message,
    Subscribe,
    Unsubscribe,
    Unsubscribed,
    decode_message,
    ref_of,
)
from protocol.identifiers import nfc


class Say(msgspec.Struct, frozen=True):
    """Send this message."""

    message: Authorized | Unsubscribed | LiveError


class Show(msgspec.Struct, frozen=True):
    """Watch these, then answer `subscribed` with each whose rev is not the known one."""

    ref: int
    pool: str
    # All of that pool, each once.
    keys: tuple[TopicKey, ...]
    # House SKU -> the rev the client holds.
    known: dict[str, int]


class ShowShelf(msgspec.Struct, frozen=True):
    """Watch a location, then answer `subscribed` with all its positions."""

    ref: int
    location: str


class Forget(msgspec.Struct, frozen=True):
    """Stop watching these."""

    keys: tuple[TopicKey, ...] = ()
    locations: tuple[str, ...] = ()


class Close(msgspec.Struct, frozen=True):
    """Close the connection; nothing follows."""

    code: int
    reason: str


Decision = Say | Show | ShowShelf | Forget | Close

# All sessions share the answer to what goes wrong in the same way.
SILENT = Close(CloseCode.SILENT, CLOSE_CODES[CloseCode.SILENT].reason)
GOING_AWAY = Close(CloseCode.GOING_AWAY, CLOSE_CODES[CloseCode.GOING_AWAY].reason)
TOKEN_ENDED = Close(CloseCode.TOKEN_ENDED, CLOSE_CODES[CloseCode.TOKEN_ENDED].reason)
TOO_MANY_MALFORMED = Close(CloseCode.POLICY_VIOLATED, CLOSE_CODES[CloseCode.POLICY_VIOLATED].reason)


class Terms(msgspec.Struct, frozen=True):
    """What all sessions share."""

    house: CurrentHouse
    access: Credentials
    limits: LiveLimits


class Session:
    """The conversation of one connection."""

    __slots__ = ("_malformed", "_messages", "_skus", "_terms", "claims", "ends_at", "locations", "overstates", "topics")

    def __init__(self, terms: Terms, now: float) -> None:
        self._terms = terms
        self.claims: Claims = ANONYMOUS
        # When the token ends, seconds since 1970; None: it does not.
        self.ends_at: float | None = None
        self.topics: set[TopicKey] = set()
        # Made when needed: only a shop's own screen watches a location.
        self.locations: frozenset[str] | None = None
        # It said that it knew more than there was; see `snapshot.due`.
        self.overstates = False
        self._malformed = 0
        # SKUs that the last message named.
        self._skus = 0
        # When the allowance for messages is full again, in seconds since 1970.
        self._messages = now

    def receive(self, raw: bytes, now: float) -> list[Decision]:
        """Decide what to do about one message; `now` is in seconds since 1970."""
        message = self.read(raw, now)
        return message if isinstance(message, list) else self.decide(message, now)

    def read(self, raw: bytes, now: float) -> Message | list[Decision]:
        """Understand one message, or decide what to do where that is not possible; the first half of `receive`."""
        self._skus = 0
        if self.expired(now):
            return [TOKEN_ENDED]
        try:
            return decode_message(raw)
        except Malformed as error:
            return self._misunderstood(ref_of(raw), error)

    def decide(self, message: Message, now: float) -> list[Decision]:
        """Decide what to do about what was understood; the second half of `receive`."""
        if isinstance(message, Auth):
            return self._authorize(message, now)
        self._skus = len(message.skus or ())
        if isinstance(message, Unsubscribe):
            return self._unsubscribe(message)
        if message.location is not None:
            return [self._subscribe_shelf(message.ref, message.location)]
        return [self._subscribe(message)]

    def open(self, claims: Claims, message: Subscribe, now: float) -> Decision:
        """Begin with these claims and this wish, where nothing more can be asked for; `now` as in `receive`."""
        self.claims, self.ends_at = claims, ending_of(claims, now)
        return self._subscribe(message)

    def wait_seconds(self, now: float) -> float:
        """How long to wait before the next message is read, 0 when the client keeps within its allowance."""
        limits = self._terms.limits
        ahead_seconds = limits.messages_at_once / limits.messages_per_second
        charged_seconds = (1 + self._skus / limits.skus_charged) / limits.messages_per_second
        # Never further ahead than the allowance: the wall clock may be set back.
        self._messages = min(max(self._messages, now), now + ahead_seconds) + charged_seconds
        return max(0.0, self._messages - now - ahead_seconds)

    def expired(self, now: float) -> bool:
        """Whether the token has run out."""
        return self.ends_at is not None and self.ends_at <= now

    def pools_seen(self) -> PoolsSeen:
        """The pools whose fences the client may see; None: all."""
        return self.claims.pools_seen(pool.id for pool in self._terms.house().pools if pool.public)

    def shows_status(self, pool_id: str) -> bool:
        """Whether the pool shows the client no numbers."""
        pool = self._pool(pool_id)
        return pool is not None and pool.show_status

    def share(self, keys: Sequence[TopicKey]) -> None:
        """Keep the names that all watchers share in place of those that were sent: of 10,000 SKUs a megabyte less."""
        self.topics.difference_update(keys)
        self.topics.update(keys)

    def narrow(self) -> Forget:
        """Forget what may not be watched (any more), because the claims or the house have changed."""
        house = self._terms.house()
        keys = tuple(key for key in self.topics if self._pool(key[0]) is None)
        shelves = self.locations or ()
        locations = tuple(name for name in shelves if not self._may_watch_shelf(name, house.locations))
        return self._forget(keys, locations)

    def recheck(self) -> list[Say | Forget]:
        """Forget what the house does not have for the client any more, and say so once for each pool and location."""
        forgotten = self.narrow()
        pools = dict.fromkeys(pool for pool, _ in forgotten.keys)
        said = [_error(None, "unknown_pool", f"There is no pool {pool} for you any more.") for pool in pools]
        said += [
            _error(None, "unknown_location", f"There is no location {location} for you any more.")
            for location in forgotten.locations
        ]
        return [forgotten, *said] if said else []

    def recheck_claims(self) -> list[Say | Forget | Close]:
        """Go on with what the client's key grants by now; without the key not at all."""
        claims = self._terms.access.still(self.claims)
        if claims is None:
            return [TOKEN_ENDED]
        self.claims = claims
        return [*self.recheck()]

    def _misunderstood(self, ref: int | None, error: Malformed) -> list[Decision]:
        self._malformed += 1
        said = _error(ref, "malformed", error.detail)
        if self._malformed > self._terms.limits.malformed_max:
            return [said, TOO_MANY_MALFORMED]
        return [said]

    def _authorize(self, message: Auth, now: float) -> list[Decision]:
        if message.token is None:
            self.claims = ANONYMOUS
        else:
            try:
                self.claims = self._terms.access.authenticate_token(message.token, now)
            except Unauthenticated as error:
                return [_error(None, "unauthenticated", str(error)), TOKEN_ENDED]
        self.ends_at = ending_of(self.claims, now)
        pools = tuple(pool.id for pool in self._terms.house().pools if self._may_watch(pool))
        return [self.narrow(), Say(Authorized(pools=pools, exp=self.claims.exp))]

    def _subscribe(self, message: Subscribe) -> Decision:
        pool_id, names = message.pool or "", message.skus or ()
        if self._pool(pool_id) is None:
            return _error(message.ref, "unknown_pool", f"There is no pool {pool_id} for you.")
        sku = self._terms.house().sku
        keys = tuple(dict.fromkeys((pool_id, sku(nfc(name))) for name in names))
        if not self._has_room_for(sum(key not in self.topics for key in keys)):
            return self._too_many(message.ref)
        self.topics.update(keys)
        return Show(message.ref, pool_id, keys, {sku(nfc(name)): rev for name, rev in message.known.items()})

    def _subscribe_shelf(self, ref: int, location: str) -> Decision:
        if not self.claims.may("positions:read"):
            return _error(ref, "forbidden", "The scope positions:read is missing.")
        if not self._may_watch_shelf(location, self._terms.house().locations):
            return _error(ref, "unknown_location", f"There is no location {location} for you.")
        shelves = self.locations or frozenset()
        if not self._has_room_for(location not in shelves):
            return self._too_many(ref)
        self.locations = shelves | {location}
        return ShowShelf(ref, location)

    def _unsubscribe(self, message: Unsubscribe) -> list[Decision]:
        sku = self._terms.house().sku
        keys = tuple((message.pool or "", sku(nfc(name))) for name in message.skus or ())
        locations = () if message.location is None else (message.location,)
        return [self._forget(keys, locations), Say(Unsubscribed(ref=message.ref))]

    def _forget(self, keys: tuple[TopicKey, ...], locations: tuple[str, ...]) -> Forget:
        self.topics.difference_update(keys)
        if self.locations is not None:
            self.locations = self.locations.difference(locations) or None
        return Forget(keys, locations)

    def _pool(self, pool_id: str) -> PoolFacts | None:
        """The pool, if it exists and the client may see it."""
        house = self._terms.house()
        index = house.pool_index.get(pool_id)
        pool = None if index is None else house.pools[index]
        return pool if pool is not None and self._may_watch(pool) else None

    def _may_watch(self, pool: PoolFacts) -> bool:
        return pool.public or self.claims.may_pool(pool.id)

    def _may_watch_shelf(self, location: str, known: Container[str]) -> bool:
        may = self.claims.may("positions:read") and self.claims.may_location(location)
        return may and location in known

    def _has_room_for(self, more: int) -> bool:
        watched = len(self.topics) + len(self.locations or ())
        return watched + more <= self._terms.limits.skus_max

    def _too_many(self, ref: int) -> Say:
        detail = f"One connection may watch {self._terms.limits.skus_max} SKUs; open another for more."
        return _error(ref, "too_many", detail)


def _error(ref: int | None, code: str, detail: str) -> Say:
    return Say(LiveError(ref=ref, code=code, detail=detail))
