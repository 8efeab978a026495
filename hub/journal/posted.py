"""How far the ledger is, told from the process that writes it to the others, so that they answer 200 as fast.

A word on a channel of Redis for what was committed meanwhile, newest only; while nobody listens, a word now and then.
Nothing depends on a word: whoever misses one hears the next, and looks at the ledger itself when nothing comes. A word
of another hub or another epoch is not taken, for an epoch ends only by what the ledger says of it
(`hub.recovery.healing`); one of the own epoch is true whenever it comes, because it was said after a commit.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Literal
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from hub.domain.entry import Seq
from hub.faults import Fault
from hub.journal.reader import asked
from hub.journal.watermark import Watermark
from hub.patience import Trouble, news_within

# How often a process looks at the ledger itself while nothing comes.
LOOK_SECONDS = 1.0
RETRY_SECONDS = 0.5
# Between two words that nobody hears: a process that begins to listen hears of the newest within this.
UNHEARD_SECONDS = 0.1
# An answered entry that the ledger lacks for so long is told as a ledger that does not follow.
LATE_SECONDS = 5.0
# A silent connection is tried so often.
_TRY_SECONDS = 5
_TELLING, _HEARING = "How far the ledger is cannot be told", "How far the ledger is cannot be heard"

State = Literal["starting", "following", "waiting"]


def posting_client(url: str) -> Redis:
    """A client for the channel; it never sends a command a second time by itself."""
    return Redis.from_url(
        url,
        socket_connect_timeout=2.0,
        socket_timeout=_TRY_SECONDS,
        health_check_interval=_TRY_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class Posted:
    """One process's ear and mouth: `tell` while it writes the ledger, `hear` while another does."""

    def __init__(
        self,
        client: Redis,
        channel: str,
        watermark: Watermark,
        *,
        known: Callable[[], tuple[UUID, Seq]],
        look: Callable[[UUID, int], Awaitable[Seq | None]],
    ) -> None:
        self._client = client
        self._channel = channel
        self._watermark = watermark
        # The hub, and the first place of the present epoch that this process was not answered.
        self._known = known
        # The ledger's last entry, if it is of this hub and epoch.
        self._look_at_ledger = look
        self._advanced = asyncio.Event()
        self._woken = asyncio.Event()
        # When the ledger was last known to follow, by the machine's clock; None: not yet.
        self._followed_at: float | None = None
        watermark.on_advanced = self._advanced.set

    @property
    def state(self) -> State:
        """How the ledger is, as far as is heard."""
        if self._followed_at is None:
            return "starting"
        return "following" if monotonic() - self._followed_at < LATE_SECONDS else "waiting"

    async def tell(self) -> None:
        """Say how far the ledger is, until cancelled."""
        told: Seq | None = None
        while True:
            await self._advanced.wait()
            self._advanced.clear()
            hub, at = self._known()[0], self._watermark.at
            if at is None or at == told or at.number < 0:
                continue
            try:
                heard_by = await self._say(_word(hub, at))
            except Fault:
                # Who does not hear of it looks.
                await asyncio.sleep(RETRY_SECONDS)
                self._advanced.set()
                continue
            told = at
            if not heard_by:
                await asyncio.sleep(UNHEARD_SECONDS)

    def look_soon(self) -> None:
        """Look at the ledger soon: this process works in another epoch."""
        self._woken.set()

    async def hear(self) -> None:
        """Move the watermark by what others say and by looks at the ledger, until cancelled."""
        listening = asyncio.create_task(self._listen(), name="hearing of the ledger")
        trouble = Trouble("the ledger cannot be looked at", "the ledger can be looked at again")
        self._followed_at = None
        try:
            while not listening.done():
                try:
                    await self._look()
                    trouble.note_over()
                except Fault as fault:
                    trouble.note(fault)
                await news_within(self._woken, LOOK_SECONDS)
            listening.result()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _say(self, word: str) -> int:
        """Say a word; by how many it is heard."""
        return int(await asked(_TELLING, lambda: self._client.publish(self._channel, word)))

    async def _listen(self) -> None:
        trouble = Trouble(
            "how far the ledger is cannot be heard, and is looked at", "how far the ledger is is heard again"
        )
        while True:
            listening = self._client.pubsub()
            try:
                await self._listen_at(listening, trouble)
            except Fault as fault:
                trouble.note(fault)
            finally:
                await listening.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_at(self, listening: PubSub, trouble: Trouble) -> None:
        await asked(_HEARING, lambda: listening.subscribe(self._channel))
        # What was said before was missed.
        self._woken.set()
        while True:
            told: Any = await asked(_HEARING, lambda: listening.get_message(timeout=LOOK_SECONDS))
            trouble.note_over()
            if told is not None and told["type"] == "message":
                self._take(_seq_in(told["data"], *self._own()))

    async def _look(self) -> None:
        hub, unanswered = self._known()
        at = await self._look_at_ledger(hub, unanswered.epoch)
        # Asked again: Redis may have been healed meanwhile.
        self._take(at if at is not None and at.epoch == self._known()[1].epoch else None)
        if not unanswered.number or self._watermark.covers(Seq(unanswered.epoch, unanswered.number - 1)):
            self._followed_at = monotonic()

    def _take(self, seq: Seq | None) -> None:
        if seq is not None:
            self._followed_at = monotonic()
            self._watermark.advance(seq)

    def _own(self) -> tuple[UUID, int]:
        hub, unanswered = self._known()
        return hub, unanswered.epoch


def _word(hub: UUID, seq: Seq) -> str:
    return f"{hub} {seq.epoch} {seq.number}"


def _seq_in(word: bytes, hub: UUID, epoch: int) -> Seq | None:
    """The place that a word names, if it is of this hub and epoch."""
    match word.decode("ascii", "replace").split():
        case [of_hub, of_epoch, number] if of_hub == str(hub) and of_epoch == str(epoch) and number.isdecimal():
            return Seq(epoch, int(number))
    return None
