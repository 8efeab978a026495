"""Sending what happened: one event, or many in arrays, each with an answer."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from protocol.answers import EventAnswer
from protocol.clients.exchange import Exchange
from protocol.clients.faults import NotAHub, RequestRefused
from protocol.limits import BODY_BYTES_MAX, EVENTS_PER_ARRAY_MAX
from protocol.problems import Problem, problem

PATH: Final = "/v1/events"


class _RefusedAlone(Struct, frozen=True):
    """A refusal that is the whole answer; where not even the id could be read, it is not told."""

    status: Literal["refused"]
    problem: Problem


_REFUSAL: Final = msgspec.json.Decoder(_RefusedAlone)
_ANSWER: Final = msgspec.json.Decoder(EventAnswer)
_ANSWERS: Final = msgspec.json.Decoder(list[EventAnswer])


class Written(Struct, frozen=True):
    """An event as it is sent."""

    id: str
    body: bytes


class Events:
    """The door for events."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def one(self, event: Written) -> tuple[EventAnswer, bool]:
        """Send one event; its answer, and whether the hub's ledger has it.

        Raises:
            RequestRefused: the token may not send events.
            Unanswered, TokenRefused, NotAHub: as `Exchange.ask`.
        """
        if len(event.body) > BODY_BYTES_MAX:
            # The hub would stop listening in the middle, and a broken connection tells nothing.
            long = problem("too_large", f"An event has at most {BODY_BYTES_MAX} bytes, this one {len(event.body)}.")
            return EventAnswer(id=event.id, status="refused", problem=long), False
        reply = await self._exchange.ask("POST", PATH, event.body, is_stamped=True)
        if reply.status < 400:
            return reply.read(_ANSWER), reply.status == 200
        refusal = _refusal(reply.content)
        if refusal is None:
            raise RequestRefused(reply.problem())
        return EventAnswer(id=event.id, status="refused", problem=refusal.problem), False

    async def many(self, events: Sequence[Written]) -> list[EventAnswer]:
        """Send events in their order; their answers, in the same order.

        Raises:
            As `one`; those before may have been booked, so the same are sent again.
        """
        answers: list[EventAnswer] = []
        for array in arrays(events):
            if len(array) == 1:
                answers.append((await self.one(array[0]))[0])
                continue
            body = b"[" + b",".join(event.body for event in array) + b"]"
            told = (await self._exchange.ask("POST", PATH, body, is_stamped=True)).check(200).read(_ANSWERS)
            if len(told) != len(array):
                raise NotAHub(f"{len(told)} answers came to {len(array)} events.")
            answers += told
        return answers


def arrays(events: Sequence[Written]) -> Iterator[Sequence[Written]]:
    """Split events, in order, into arrays that the hub takes; one that is too long by itself is alone."""
    start, room = 0, BODY_BYTES_MAX - 1
    for index, event in enumerate(events):
        needed = len(event.body) + 1
        if index > start and (needed > room or index - start == EVENTS_PER_ARRAY_MAX):
            yield events[start:index]
            start, room = index, BODY_BYTES_MAX - 1
        room -= needed
    if events:
        yield events[start:]


def _refusal(content: bytes) -> _RefusedAlone | None:
    """The refusal of the event itself; None where whoever sent it is refused."""
    try:
        return _REFUSAL.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
