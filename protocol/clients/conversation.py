"""One watch, over as many connections as it takes, without a socket: frames in, decisions out. Pure.

Rules, the same in every language; `protocol/traces` holds them to it:
- An item is kept when its `rev` is higher than that of the one held, whatever came before it and however it came.
- A new connection says which `rev` of each SKU is known.
- What is not known is passed over: fields, frames, values.
- How a connection ended says whether to come back: `with jitter`, `with a new token`, or `no`.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal, cast

import msgspec
from msgspec import Struct

from protocol.answers import AvailabilityItem
from protocol.clients.patience import is_unknown
from protocol.clients.state import Newest
from protocol.frames import (
    CLOSE_CODES,
    LIVE_ERRORS,
    Auth,
    Authorized,
    CloseCode,
    LiveError,
    Subscribe,
    Subscribed,
    Update,
    decode_frame,
    encode_frame,
)
from protocol.limits import MESSAGE_BYTES_MAX, SKUS_PER_CONNECTION_MAX

Next = Literal["with jitter", "with a new token", "no"]

# SKUs in one message, so that its answer stays a frame of a bounded size.
SKUS_PER_MESSAGE: Final = 1_000
# What a message has beside its SKUs.
_FRAMING_BYTES: Final = 512
# A rev, a colon and two commas.
_KNOWN_BYTES: Final = 20
_FOR_GOOD: Final = range(4400, 4500)


class Ending(Struct, frozen=True):
    """A connection has ended, or should: whether to come back, and why it ended."""

    next: Next
    # A close code, a status, or the code of an error; empty where there is none.
    code: str
    detail: str


class _Operation(Struct):
    op: str


_decode_operation: Final = msgspec.json.Decoder(_Operation).decode
_decode_item: Final = msgspec.json.Decoder(AvailabilityItem).decode
_OPERATIONS: Final = {"authorized", "subscribed", "update", "unsubscribed", "error", "heartbeat"}


class Conversation:
    """The watch of some SKUs of one pool.

    Raises:
        ValueError: no SKU, or more than one connection may watch (10,000).
    """

    def __init__(self, pool: str, skus: Iterable[str]) -> None:
        self._pool = pool
        self._skus = tuple(dict.fromkeys(skus))
        if not 1 <= len(self._skus) <= SKUS_PER_CONNECTION_MAX:
            raise ValueError(f"A watch has 1 to {SKUS_PER_CONNECTION_MAX} SKUs, not {len(self._skus)}.")
        self.newest = Newest()
        # What this connection has come to.
        self.is_authorized = False
        self.is_answered = False

    def begin(self) -> None:
        """Another connection is tried."""
        self.is_authorized = self.is_answered = False

    def opened(self, token: str | None) -> list[bytes]:
        """The connection is open: the messages to send."""
        said: list[Auth | Subscribe] = [] if token is None else [Auth(token=token)]
        for ref, skus in enumerate(self._stretches(), start=1):
            known = {sku: self.newest.items[sku].rev for sku in skus if sku in self.newest.items}
            said.append(Subscribe(ref=ref, pool=self._pool, skus=skus, known=known))
        return [encode_frame(message) for message in said]

    def heard(self, raw: str | bytes) -> list[AvailabilityItem] | Ending:
        """A frame came: the items that are news, or why to leave the connection."""
        try:
            frame = decode_frame(raw)
            if isinstance(frame, Subscribed | Update):
                return self._learn([_decode_item(item) for item in frame.items], isinstance(frame, Subscribed))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return [] if _is_of_another_day(raw) else Ending("with jitter", "", f"A frame cannot be read: {error}")
        if isinstance(frame, Authorized):
            self.is_authorized = True
        if isinstance(frame, LiveError) and _is_final(frame):
            return Ending("no", frame.code, frame.detail)
        return []

    def closed(self, code: int | None, reason: str = "") -> Ending:
        """The connection was closed with a code, or lost (None)."""
        if code is None:
            return Ending("with jitter", "", reason or "The connection is lost.")
        known = CLOSE_CODES.get(cast(CloseCode, code))
        if known is not None:
            return Ending(cast(Next, known.reconnect), str(code), reason or known.reason)
        return Ending("no" if code in _FOR_GOOD else "with jitter", str(code), reason)

    def turned_away(self, status: int) -> Ending:
        """The handshake was answered with an HTTP status that opens nothing."""
        detail = f"The handshake was answered {status}."
        if status == 401:
            return Ending("with a new token", str(status), detail)
        return Ending("with jitter" if is_unknown(status) else "no", str(status), detail)

    def _learn(self, items: list[AvailabilityItem], is_answer: bool) -> list[AvailabilityItem] | Ending:
        self.is_answered = self.is_answered or is_answer
        mine = [item for item in items if item.pool in (None, self._pool)]
        if len(self.newest.items.keys() | {item.sku for item in mine}) > len(self._skus):
            # An alias stands for another SKU by now. What comes need not be called what it was asked for as, so
            # nobody can say which item is out of date.
            self.newest.forget()
            return Ending("with jitter", "", "The hub told of more SKUs than it was asked for.")
        return [item for item in mine if self.newest.learn(item)]

    def _stretches(self) -> Iterator[tuple[str, ...]]:
        """The SKUs in parts of which each fits into one message, whatever is known of them."""
        part: list[str] = []
        room = MESSAGE_BYTES_MAX - _FRAMING_BYTES
        for sku in self._skus:
            # Once in `skus`, once in `known`.
            needed = 2 * len(encode_frame(sku)) + _KNOWN_BYTES
            if part and (needed > room or len(part) == SKUS_PER_MESSAGE):
                yield tuple(part)
                part, room = [], MESSAGE_BYTES_MAX - _FRAMING_BYTES
            part.append(sku)
            room -= needed
        yield tuple(part)


def _is_final(error: LiveError) -> bool:
    """Whether an error leaves something unwatched; a refused token is followed by the end of the connection."""
    if error.code == "unauthenticated":
        return False
    return error.ref is not None or error.code in LIVE_ERRORS


def _is_of_another_day(raw: str | bytes) -> bool:
    """Whether it is a frame of a kind that came after this client."""
    try:
        return _decode_operation(raw).op not in _OPERATIONS
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
