"""Asking for units: reservations, and what is done with them. What the hub denies is a value."""

from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from protocol.clients.exchange import Exchange, Reply
from protocol.clients.faults import RequestRefused
from protocol.problems import Problem, Shortage
from protocol.reservations import AskedLine, Change, Extend, Reservation, Reserve

Verb = Literal["extend", "confirm", "release", "fulfil", "reallocate"]

_PATH: Final = "/v1/reservations"
_encode: Final = msgspec.json.Encoder().encode
_RESERVATION: Final = msgspec.json.Decoder(Reservation)


class Insufficient(Struct, frozen=True):
    """The pool has too few units; nothing is held, and the id stays refused: a new try is a new id."""

    shortages: tuple[Shortage, ...]
    problem: Problem


class Denied(Struct, frozen=True):
    """Nothing was changed.

    `problem.name` is `expired`, `ended`, `not_held`, `not_arrived`, `conflict` or `unknown_reservation`.
    """

    problem: Problem


Told = Reservation | Insufficient | Denied


class Reservations:
    """The door for reservations. Every call may be repeated, and raises as `Exchange.ask` or RequestRefused."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def reserve(self, asked: Reserve) -> Told:
        """Hold units, all of them or none."""
        return _told(await self._exchange.ask("POST", _PATH, _encode(asked)))

    async def change(self, verb: Verb, id: str, change: Change) -> Told:
        """Do something about a reservation."""
        return _told(await self._exchange.ask("POST", f"{_PATH}/{quote(id, safe='')}/{verb}", _encode(change)))

    async def get(self, id: str) -> Reservation | None:
        """A reservation as it is now; None where there is none that the caller may see."""
        reply = await self._exchange.ask("GET", f"{_PATH}/{quote(id, safe='')}")
        if reply.status == 404 and reply.problem().name == "unknown_reservation":
            return None
        return reply.check(200).read(_RESERVATION)


def change_of(lines: Sequence[AskedLine] | None, request_id: str | None) -> Change:
    """A request about some units, or about all of them."""
    return Change(lines=None if lines is None else tuple(lines), id=request_id)


def extension_of(ttl_seconds: int | None, lines: Sequence[AskedLine] | None, request_id: str | None) -> Extend:
    """A request to hold for longer."""
    return Extend(ttl_seconds=ttl_seconds, lines=None if lines is None else tuple(lines), id=request_id)


def _told(reply: Reply) -> Told:
    if reply.status in (200, 201):
        return reply.read(_RESERVATION)
    problem = reply.problem()
    if problem.name == "insufficient":
        return Insufficient(problem.shortages, problem)
    if reply.status == 409 or problem.name == "unknown_reservation":
        return Denied(problem)
    raise RequestRefused(problem)
