"""The Python face of the kernel: a batch of commands in, one call of its function, their outcomes out."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from hub.crashpoints import crash
from hub.domain.answer import AnsweredAlert, answer_of
from hub.domain.entry import Entry, Seq
from hub.domain.holding.hold import hold_from
from hub.domain.pools import View
from hub.domain.remembering import DAY_MS
from hub.domain.rules import House
from hub.faults import Fault, Unavailable
from hub.stock import keys
from hub.stock.answered import Answered
from hub.stock.message import Command, Message
from hub.stock.opening import give_house
from hub.stock.outcome import (
    Applied,
    AsItIs,
    AskLedger,
    Broken,
    Busy,
    Conflict,
    Denied,
    Duplicate,
    Granted,
    LookAgain,
    NeedsWhole,
    Outcome,
    Parked,
    Refused,
    Shown,
    Stale,
    Unchanged,
)
from hub.stock.scripts import KERNEL, OPEN, Library, Script


class RulesChanged(Fault):
    """Another process gave this partition other rules; nothing was written."""


class Reply(msgspec.Struct, array_like=True, frozen=True):
    """What the function returns."""

    word: str
    epoch: int
    next: int
    booked_at_ms: int
    seen_from: int
    answers: list[list[Any]]
    why: str


log = structlog.get_logger()

_encode = msgspec.msgpack.Encoder().encode
_decode_reply = msgspec.msgpack.Decoder(Reply).decode


class Kernel:
    """One partition's kernel. Call `open` once before `call`; one call at a time is enough for full speed."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        self._kernel = Library(KERNEL)
        self._open = Script(OPEN)
        self.hub = UUID(int=0)
        self.epoch = 0
        # Of the house that this process works by.
        self.rules_version = 0
        # The number after the highest one this process was answered: a Redis behind it has lost entries.
        self.floor = 0
        # The number after the highest one that was in what this process read, and may have shown.
        self.read_to = 0
        self.booked_at_ms = 0
        # The first day, counted from 1970, whose dedupe records Redis still has.
        self.seen_from = 0
        # Why this process sends no calls at all; None when it does.
        self._fenced_because: str | None = None
        # Why the last call was turned away; None when it was taken.
        self.closed_because: str | None = None
        # Told, without waiting, when calls begin to be turned away.
        self.on_closed: Callable[[], None] = lambda: None
        self.answered = Answered()

    async def open(self, hub: UUID, epoch: int, house: House, *, create: bool, instead_of: str = "") -> bool:
        """Bind this process to its partition and make the house's rules the current ones.

        `instead_of` as in `adopt`; empty takes the place of any house.

        Raises:
            ServerRefused: the partition is missing, belongs to another hub or epoch, or is halted.
            SettingsInvalid: the house is too large.
            Unavailable: Redis did not answer.
        """
        if not await self._give((hub, epoch), house, instead_of, create=create):
            return False
        await self._kernel.install(self.client)
        return True

    def fence(self, why: str | None) -> None:
        """Send no calls from now on, and say why; None: send them again."""
        self._fenced_because = why
        if why is not None:
            self._note_closed(why)

    def check_open(self, meta: Sequence[bytes | None], floor: int) -> None:
        """Refuse what was read of a Redis that is not this process's: its epoch and the number of its next entry.

        It must have what was answered before it was asked, `floor`; what came meanwhile it need not have.

        Raises:
            Unavailable: it lacks stock that was answered, or no stock may be read from it.
        """
        epoch, following = meta
        if self._fenced_because is not None:
            raise Unavailable(self._fenced_because, 5)
        if epoch is None or int(epoch) != self.epoch or int(following or 0) < floor:
            self.on_closed()
            raise Unavailable("Redis has lost stock that was already answered", 5)
        self.read_to = max(self.read_to, int(following or 0))

    async def adopt(self, house: House, instead_of: str) -> bool:
        """Give the partition another house in place of the document with the token `instead_of`.

        Whoever calls it works by the house from its return on. False: it holds another by now, nothing was changed.

        Raises:
            ServerRefused: as `open`.
            Unavailable: Redis did not answer; whether the house was taken is unknown.
        """
        return await self._give((self.hub, self.epoch), house, instead_of, create=False)

    async def _give(self, place: tuple[UUID, int], house: House, instead_of: str, *, create: bool) -> bool:
        opened = await give_house(self._open, self.client, place, house, instead_of, create=create)
        if opened is None:
            return False
        if place != (self.hub, self.epoch):
            self.answered.begin(Seq(place[1], opened.next))
        # What was answered in another epoch says nothing about this one.
        self.floor = max(self.floor, opened.next) if place[1] == self.epoch else opened.next
        self.read_to = self.read_to if place[1] == self.epoch else 0
        self.hub, self.epoch = place
        self.rules_version, self.seen_from = opened.rules_version, opened.seen_from
        # A call under way may have been answered in between.
        self.booked_at_ms = max(self.booked_at_ms, opened.now_ms)
        return True

    async def call(self, commands: Sequence[Command], house: House, *, is_whole: bool = False) -> list[Outcome]:
        """Book a batch; each command whole or not at all, in order, each seeing the ones before.

        What takes units that somebody holds is booked after the others, unless the call is whole: sent with all
        locations of its SKUs.

        Raises:
            Unavailable: the outcome is unknown, or the partition is closed; send the same commands again.
            RulesChanged: the house given here is not the partition's; nothing was written.
        """
        if self._fenced_because is not None:
            raise Unavailable(self._fenced_because, 5)
        # The house may be exchanged while the call is under way; its version must not be taken for this one's.
        version = self.rules_version
        reply = await self._call_once(commands, house, version, is_whole=is_whole)
        if reply.word == "stale_days":
            # It was another day for Redis; now both know which.
            self.seen_from, self.booked_at_ms = reply.seen_from, reply.booked_at_ms
            reply = await self._call_once(commands, house, version, is_whole=is_whole)
        if reply.epoch != self.epoch:
            raise Unavailable("the partition was healed meanwhile")
        self._note_closed(CLOSED.get(reply.word))
        if reply.word == "stale_rules":
            raise RulesChanged(CLOSED[reply.word])
        if reply.word != "ok":
            raise Unavailable(CLOSED.get(reply.word, reply.word) + (f": {reply.why}" if reply.why else ""), 5)
        self.seen_from, self.booked_at_ms = reply.seen_from, reply.booked_at_ms
        self.floor = max(self.floor, reply.next)
        outcomes = [_outcome(answer, reply.epoch) for answer in reply.answers]
        self.answered.note(commands, outcomes)
        return await self._with_wholes(commands, outcomes, house)

    async def _with_wholes(self, commands: Sequence[Command], outcomes: list[Outcome], house: House) -> list[Outcome]:
        """Send what took units that somebody holds once more, with all locations where others may be held instead."""
        indexes = [index for index, outcome in enumerate(outcomes) if isinstance(outcome, NeedsWhole)]
        if indexes:
            again = await self.call([commands[index] for index in indexes], house, is_whole=True)
            for index, outcome in zip(indexes, again, strict=True):
                outcomes[index] = outcome
        return outcomes

    def _note_closed(self, why: str | None) -> None:
        """Tell people when the partition begins to take nothing, and when it takes events again; not at every call."""
        # Other rules are caught up with at once, and nobody is turned away for them.
        before, now = (None if each == CLOSED["stale_rules"] else each for each in (self.closed_because, why))
        if now is not None and now != before:
            log.error("no event is taken", reason=now)
            self.on_closed()
        elif now is None and before is not None:
            log.info("events are taken again")
        self.closed_because = why

    async def _call_once(self, commands: Sequence[Command], house: House, version: int, *, is_whole: bool) -> Reply:
        today = self.booked_at_ms // DAY_MS
        days = [keys.seen(day) for day in range(self.seen_from, today + 2)]
        message = Message(house, [*keys.ALWAYS, *days])
        listed = [message.command(command, is_whole=is_whole) for command in commands]
        about = (self.epoch, self.floor, version, self.seen_from, len(days))
        body = _encode((*about, message.profiles, message.sights, house.statuses, message.wholes, listed))
        try:
            if crash.armed:
                await crash.at("kernel called")
            reply = await self._kernel.call(self.client, message.keys, body)
            if crash.armed and await crash.at("kernel answered"):
                reply = await self._kernel.call(self.client, message.keys, body)
        except Unavailable as fault:
            self._note_closed(str(fault))
            raise
        if not isinstance(reply, bytes):
            raise Unavailable("the kernel's function returned something else than its reply")
        return _decode_reply(reply)


# A word of the function's → why it takes nothing.
CLOSED = {
    "closed": "Redis has lost the hub's stock",
    "fenced": "Redis is of another epoch than this process",
    "behind": "Redis is behind what was already answered",
    "halted": "the partition is halted: it is being healed, or a write failed half way",
    "stale_rules": "the house's rules were changed by another process of this hub",
    "stale_days": "the clocks of Redis and this process disagree about the day",
}


def _applied(answer: list[Any], epoch: int) -> Applied:
    _, number, alerts, shown, skus, lines = answer
    return Applied(
        Seq(epoch, number),
        tuple((skus[sku], quantity) for sku, quantity in lines),
        tuple(
            AnsweredAlert(kind, skus[sku] if sku >= 0 else "", place, count, pool, hold)
            for kind, sku, place, count, pool, hold in alerts
        ),
        tuple(Shown(skus[sku], pool, View(*view[:6])) for sku, pool, view in shown),
    )


def _asked(answer: list[Any], epoch: int) -> Outcome:
    """The outcome of a request."""
    match answer[0]:
        case "granted":
            return Granted(Seq(epoch, answer[1]), hold_from(answer[2]))
        case "as_it_is":
            return AsItIs(hold_from(answer[1]))
        case "denied":
            return Denied(answer[1], tuple((sku, asked, shown) for sku, asked, shown in answer[2]))
    raise AssertionError(f"the kernel answered {answer[0]!r}")


def _outcome(answer: list[Any], epoch: int) -> Outcome:
    match answer[0]:
        case "applied":
            return _applied(answer, epoch)
        case "duplicate":
            first = answer_of(msgspec.convert(answer[3], Entry)) if answer[3] else None
            return Duplicate(Seq(answer[1], answer[2]), first)
        case "parked":
            return Parked(Seq(answer[1], answer[2]), answer[3] if len(answer) > 3 else "")
        case "conflict":
            return Conflict(Seq(answer[1], answer[2]))
        case "ask_ledger":
            return AskLedger()
        case "look_again":
            return LookAgain()
        case "stale":
            return Stale(answer[1])
        case "refused":
            return Refused(answer[1])
        case "busy":
            return Busy(answer[1])
        case "broken":
            return Broken(answer[1])
        case "needs_whole":
            return NeedsWhole()
        case "unchanged":
            return Unchanged()
    return _asked(answer, epoch)
