"""Requests as bytes, all but a few numbers made beforehand. Pure."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from hub.load.choosing import sku_name
from hub.load.holds import Hold
from hub.load.options import Share

# Ids of a load are numbers of this width, so that all its requests have one length.
_DIGITS = 10


class Sent(msgspec.Struct):
    """A request under way, or one whose outcome is unknown."""

    # `sale`, `reserve`, `confirm`, `release`.
    kind: str
    content: bytes
    # When it was due and when it went, in seconds from the beginning.
    due: float
    at: float
    # The SKU of each event, by number; of a request about a reservation, that of its line.
    skus: Sequence[int]
    # The ids of the events, in order, or that of the reservation.
    ids: Sequence[str]
    # What its SKU had surely lost to sales by then; of a `reserve`.
    sold_before: int = 0
    # What a `confirm` or `release` is about.
    hold: Hold | None = None
    # It is sent again because nobody knows what became of it.
    is_again: bool = False


class Writer:
    """Writes the requests of one process; each sale and each reservation has an id of its own."""

    def __init__(self, share: Share) -> None:
        address = urlsplit(share.target.url)
        self._path = address.path.rstrip("/").encode()
        self._head = (
            f" HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {share.target.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._prefix = f"{share.options.name}-{share.run}-{share.number}-"
        self._number = 0
        self._lines = [
            b'"lines":[{"sku":"%b","quantity":1}]}' % sku_name(share.options.name, number).encode()
            for number in range(share.options.skus)
        ]
        self._sale = (
            f'{{"id":"{self._prefix}%b","type":"sale","time":"%b",'
            f'"location":"{share.target.location}","pool":"{share.target.pool}",'
        ).encode()
        self._reserve = (f'{{"id":"{self._prefix}%b","pool":"{share.target.pool}",').encode()

    def sale(self, skus: Sequence[int], time: str, due: float, now: float) -> Sent:
        """A request that sells one unit of each of the SKUs, each in an event of its own."""
        numbers = [self._next() for _ in skus]
        at = time.encode()
        events = [
            self._sale % (number.encode(), at) + self._lines[sku] for number, sku in zip(numbers, skus, strict=True)
        ]
        body = events[0] if len(events) == 1 else b"[%b]" % b",".join(events)
        ids = [self._prefix + number for number in numbers]
        return Sent("sale", self._post("/v1/events", body), due, now, skus, ids)

    def reserve(self, sku: int, due: float, now: float, sold_before: int) -> Sent:
        """A request for one unit of a SKU."""
        number = self._next()
        body = self._reserve % number.encode() + self._lines[sku]
        content = self._post("/v1/reservations", body)
        return Sent("reserve", content, due, now, [sku], [self._prefix + number], sold_before)

    def change(self, verb: str, hold: Hold, due: float, now: float) -> Sent:
        """`confirm` or `release` a reservation."""
        content = self._post(f"/v1/reservations/{hold.id}/{verb}", b"{}")
        return Sent(verb, content, due, now, [hold.sku], [hold.id], hold=hold)

    def _next(self) -> str:
        self._number += 1
        return f"{self._number:0{_DIGITS}d}"

    def _post(self, path: str, body: bytes) -> bytes:
        return b"POST %b%b%b%d\r\n\r\n%b" % (self._path, path.encode(), self._head, len(body), body)
