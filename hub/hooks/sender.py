"""One hook: the feed told to its receiver, as fast as that takes it, and what it did not take tried again.

New messages go by place: the ledger has how far, and what of that was not taken in `hub.hook_delivery`. While a
receiver takes nothing, it is asked now and then with one message, and the feed waits in the ledger; when it takes one
again, everything that is late is due.
"""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

import msgspec
import structlog

from hub.domain.entry import Seq
from hub.domain.feed import Place, happening_of
from hub.domain.hook_addresses import host_in
from hub.domain.hooks import AWAY_STATUSES, TRIED_FOR_SECONDS, HookState, Late, Progress, keys_in
from hub.faults import Fault, Unavailable
from hub.hooks.means import Means
from hub.hooks.posting import Poster
from hub.hooks.round import Message, Round
from hub.intake.feed_items import Reader, Teller
from hub.intake.feed_pages import page_behind
from hub.patience import Trouble
from hub.settings.tree import Hook
from protocol.feed import types_asked

log = structlog.get_logger()

# Messages of one round; what is lost with a process is sent again.
MESSAGES_MAX = 64
# Late messages of one hook that are tried again, and that are tried no more; beyond it the feed waits in the ledger.
PENDING_MAX, DEAD_MAX = 10_000, 100_000
# How often a process tries to be the one that sends, and the one that does looks for what an operator changed.
LOOK_SECONDS = 2.0
# What comes within this goes into one round.
TICK_SECONDS = 0.05
# The longest between two attempts at a receiver that takes nothing.
PAUSE_SECONDS_MAX = 30.0
# So many rounds in which it took nothing are told.
STRIKES_TOLD = 2
# What nobody wants is read in at most a part of the time.
READING_SHARE = 0.2


class Reading(NamedTuple):
    """How a hook is, for metrics."""

    pending: int
    dead: int
    lag_seconds: float
    # Nothing new is sent: its receiver wants nothing more, or too much is late.
    is_stopped: bool


class Sender:
    """Sends to one hook, where no other process does."""

    def __init__(self, hook: Hook, means: Means) -> None:
        self.hook = hook
        self._means = means
        self._keys = keys_in(hook.secrets.reveal())
        self._teller = Teller(Reader(None, None, None), means.sealing, *types_asked(hook.types))
        self._poster: Poster | None = None
        # None: another process sends, or the ledger is away.
        self._state: HookState | None = None
        self._looked_at = 0.0
        # As it was written last.
        self._saved: Progress | None = None
        # The newest entry of the ledger when the feed was read last, and whether that was all of it.
        self._read_to: Seq | None = None
        self._has_read_all = False
        # Rounds since its receiver took anything, and until when it is left alone.
        self._strikes = 0
        self._quiet_until = 0.0

    async def run(self, *, resume: bool = False) -> None:
        """Send until cancelled; `resume`: also where the receiver wanted nothing more until now."""
        id = self.hook.id
        trouble = Trouble("a hook is not sent to for now", "a hook is sent to again")
        self._poster = Poster(self.hook.url.reveal(), self._means.allowed, self._means.look_up)
        try:
            while True:
                try:
                    if await self._means.memory.hold(id):
                        if resume:
                            await self._means.memory.resume(id)
                        resume = False
                        await self._send(trouble)
                except Fault as fault:
                    trouble.note(fault, hook=id)
                except Exception:
                    log.exception("a hook met a defect", hook=id)
                self._state = None
                await asyncio.sleep(LOOK_SECONDS * (0.5 + self._means.jitter() / 2))
        finally:
            await self._poster.aclose()

    def reading(self) -> Reading | None:
        """How the hook is; None: this process does not send to it."""
        state = self._state
        if state is None:
            return None
        lag_seconds = max(0.0, self._means.clock() - state.behind_since) if state.behind_since else 0.0
        return Reading(state.pending, state.dead, lag_seconds, is_stopped=state.is_gone or not has_room(state))

    async def _send(self, trouble: Trouble) -> None:
        """Send until a fault: the lock may be another's then."""
        self._state = await self._means.memory.opened(self.hook.id)
        # Whether its receiver is there is asked with one message.
        self._strikes = max(self._strikes, 1 if self._state.pending else 0)
        self._looked_at, self._has_read_all, self._saved = monotonic(), False, None
        while True:
            if monotonic() >= self._looked_at + LOOK_SECONDS:
                state = self._state
                await self._save(state, Progress(state.place, state.replay, state.is_gone))
            is_quiet = self._state.is_gone or self._means.clock() < self._quiet_until
            if is_quiet or not await self._round(self._state):
                await self._idle(self._state, is_quiet=is_quiet)
            trouble.note_over()

    async def _round(self, state: HookState) -> bool:
        """Send what is due and what is new, as much as a round holds; whether there may be more at once."""
        began = monotonic()
        messages_max = 1 if self._strikes else MESSAGES_MAX
        messages, dropped = await self._late(state, messages_max)
        place, replay = state.place, state.replay
        has_more = len(messages) + len(dropped) == messages_max
        if has_room(state) and replay is not None and (room := messages_max - len(messages)) > 0:
            replay, told = await self._again(replay, room)
            messages, has_more = messages + told, True
        if has_room(state) and self._is_news() and (room := messages_max - len(messages)) > 0:
            place, told = await self._new(place, room)
            messages, has_more = messages + told, not self._has_read_all
        messages = messages or await self._probe(state)
        self._state = msgspec.structs.replace(state, place=place, replay=replay)
        if not messages and not dropped and replay == state.replay:
            # Written at the next look.
            await asyncio.sleep((monotonic() - began) * (1 / READING_SHARE - 1) if has_more else 0)
            return has_more
        sent = Round(self.hook.id, self._keys, self._poster_of_run, self._means)
        await sent.run(messages)
        if self._note_answers(sent) and state.pending:
            await self._means.memory.hasten(self.hook.id, self._means.clock())
        # What was late before, or is told again, may be written as late.
        taken = (*dropped, *sent.taken) if state.pending or state.dead else dropped
        await self._save(self._state, Progress(place, replay, sent.is_gone, tuple(taken), tuple(sent.late)))
        return has_more

    async def _late(self, state: HookState, messages_max: int) -> tuple[list[Message], list[Place]]:
        """What is due to be tried again, and what there is no more: another version, or the hook's own types."""
        if not state.due_at or state.due_at > self._means.clock():
            return [], []
        messages: list[Message] = []
        dropped: list[Place] = []
        for late in await self._means.memory.due(self.hook.id, self._means.clock(), messages_max):
            message = await self._message(late)
            if message is None:
                dropped.append(late.place)
            else:
                messages.append(message)
        return messages, dropped

    async def _probe(self, state: HookState) -> list[Message]:
        """Of what is not due yet the first, where its receiver was away: to see whether it is back."""
        if not self._strikes or not state.pending:
            return []
        [*found] = await self._means.memory.due(self.hook.id, self._means.clock() + TRIED_FOR_SECONDS, 1)
        told = [await self._message(late) for late in found if late.status in AWAY_STATUSES]
        return [msgspec.structs.replace(message, is_probe=True) for message in told if message is not None]

    async def _message(self, late: Late) -> Message | None:
        first = late.place.first_entry
        stretch = await self._means.happened.stretch(first, 1)
        for seq, raw in stretch.entries:
            if (seq.epoch, seq.number) != first or (happening := happening_of(seq, raw)) is None:
                continue
            for item in happening.items:
                if item.place == late.place and (told := self._teller.told(happening, item)) is not None:
                    return _message_of(late.place, *told, late)
        return None

    async def _again(self, replay: tuple[Place, Place], room: int) -> tuple[tuple[Place, Place] | None, list[Message]]:
        """What is told again of a stretch, and what is left of it."""
        page = await page_behind(replay[0], self._means.happened, self._teller, room)
        messages = [message for message in self._messages(page.items) if message.place <= replay[1]]
        is_over = page.is_last or page.end >= replay[1]
        return None if is_over else (page.end, replay[1]), messages

    async def _new(self, place: Place, room: int) -> tuple[Place, list[Message]]:
        """What was not told yet, and how far that is."""
        self._read_to = self._means.watermark.at
        page = await page_behind(place, self._means.happened, self._teller, room)
        self._has_read_all = page.is_last
        return page.end, self._messages(page.items)

    def _messages(self, items: tuple[tuple[str, bytes], ...]) -> list[Message]:
        found = ((self._means.sealing.opened(cursor), cursor, body) for cursor, body in items)
        return [_message_of(place, cursor, body) for place, cursor, body in found if place is not None]

    @property
    def host(self) -> str:
        """What may be told of the hook's address."""
        return host_in(self.hook.url.reveal())

    def _note_answers(self, sent: Round) -> bool:
        """Judge by a round how its receiver is; whether it is back."""
        was_away = self._strikes > 0
        if sent.is_gone:
            log.error("a hook's receiver wants nothing more: nothing is sent until it is resumed", hook=self.hook.id)
        if sent.taken:
            if self._strikes >= STRIKES_TOLD:
                log.info("a hook's receiver takes messages again", hook=self.hook.id, host=self.host)
            self._strikes = 0
        elif sent.failed_at_first:
            # One message that no attempt gets through says nothing of the others.
            self._strikes += 1
            if self._strikes == STRIKES_TOLD:
                why = sent.late[0].problem
                log.warning("a hook's receiver takes nothing", hook=self.hook.id, host=self.host, why=why)
        pause_seconds = min(2.0 ** (self._strikes - 1), PAUSE_SECONDS_MAX) if self._strikes else 0.0
        self._quiet_until = self._means.clock() + max(pause_seconds, sent.pause_seconds)
        return was_away and not self._strikes

    async def _save(self, state: HookState, progress: Progress) -> None:
        """Write how far this is; now and then, and where more or less is late, see what the ledger says then."""
        has_moved = progress != self._saved
        is_noted = not has_moved or await self._means.memory.note(self.hook.id, state.version, progress)
        place, replay, is_gone, *rows = msgspec.structs.astuple(progress)
        self._saved = Progress(place, replay, is_gone) if is_noted else None
        if is_noted and not any(rows) and monotonic() < self._looked_at + LOOK_SECONDS:
            self._state = msgspec.structs.replace(state, place=place, replay=replay, is_gone=is_gone)
            return
        found = await self._means.memory.looked(self.hook.id)
        if found is None:
            raise Unavailable("the ledger knows nothing of this hook any more")
        self._state, self._looked_at = found, monotonic()

    async def _idle(self, state: HookState, *, is_quiet: bool) -> None:
        """Wait until there may be something to do, or to look at."""
        until = self._quiet_until if is_quiet else state.due_at
        left = until - self._means.clock() if until and not state.is_gone else LOOK_SECONDS
        seconds = max(TICK_SECONDS, min(LOOK_SECONDS, left))
        if is_quiet or not self._has_read_all or not has_room(state):
            await asyncio.sleep(seconds)
            return
        known = self._read_to
        beyond = Seq(1, 0) if known is None else Seq(known.epoch, known.number + 1)
        with suppress(Unavailable):
            await self._means.watermark.wait(beyond, seconds)
        await asyncio.sleep(TICK_SECONDS)

    def _is_news(self) -> bool:
        return not self._has_read_all or self._means.watermark.at != self._read_to

    @property
    def _poster_of_run(self) -> Poster:
        assert self._poster is not None
        return self._poster


def has_room(state: HookState) -> bool:
    """Whether more may become late."""
    return state.pending + MESSAGES_MAX <= PENDING_MAX and state.dead < DEAD_MAX


def _message_of(place: Place, cursor: str, body: bytes, late: Late | None = None) -> Message:
    return Message(place, cursor.partition(".")[2], body, late)
