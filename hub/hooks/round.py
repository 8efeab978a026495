"""One round of messages to one hook: some at once, and none more once it is clear how the others would end."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from hub.domain.feed import Place
from hub.domain.hooks import Attempt, Late, Verdict, next_attempt_at, signature
from hub.hooks.means import Means
from hub.hooks.posting import IN_FLIGHT_MAX, Poster


class Message(msgspec.Struct, frozen=True):
    """An item of the feed on its way to one hook."""

    place: Place
    # Of the item, so the same in every attempt: by it a receiver tells what it has.
    id: str
    body: bytes
    # Where it was tried before.
    late: Late | None = None
    # Sent before it is due, to see whether the receiver is back; where it is not, nothing changes for the message.
    is_probe: bool = False


class Round:
    """How the messages of one round fared."""

    def __init__(self, hook: str, keys: tuple[bytes, ...], poster: Poster, means: Means) -> None:
        self._hook = hook
        self._keys = keys
        self._poster = poster
        self._means = means
        self.taken: list[Place] = []
        self.late: list[Late] = []
        # How long the receiver asks to be left alone.
        self.pause_seconds = 0.0
        self.is_gone = False
        self._failed = 0
        # Of those that were never tried before, or are not due.
        self.failed_at_first = 0

    async def run(self, messages: Sequence[Message]) -> None:
        """Send the messages, as many at once as one hook may have; those that were not tried are late, and due now."""
        turns = iter(messages)
        workers = min(IN_FLIGHT_MAX, len(messages))
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(turns))
        now = self._means.clock()
        for message in turns:
            known = message.late or Late(message.place, now, 0, now)
            self.late.append(msgspec.structs.replace(known, next_at=now))

    async def _work(self, turns: Iterator[Message]) -> None:
        while not self._is_over():
            message = next(turns, None)
            if message is None:
                return
            await self._means.pace.turn()
            now = self._means.clock()
            self._note(message, now, await self._poster.post(self._headers(message, int(now)), message.body, now))

    def _is_over(self) -> bool:
        """Whether more attempts would only cost time: the next round looks again."""
        return self.is_gone or self.pause_seconds > 0 or (self._failed >= IN_FLIGHT_MAX and not self.taken)

    def _headers(self, message: Message, timestamp: int) -> dict[str, str]:
        return {
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys, message.id, timestamp, message.body),
        }

    def _note(self, message: Message, began: float, attempt: Attempt) -> None:
        outcome = attempt.verdict.value
        if attempt.verdict is Verdict.DELIVERED:
            self.taken.append(message.place)
        else:
            late = self._later(message, began, attempt)
            self.late.append(late)
            if not late.next_at:
                outcome = "dead"
        self._means.on_attempt(self._hook, outcome)

    def _later(self, message: Message, began: float, attempt: Attempt) -> Late:
        self._failed += 1
        self.pause_seconds = max(self.pause_seconds, attempt.retry_after_seconds)
        before = message.late
        if before is not None and message.is_probe and attempt.verdict is not Verdict.GONE:
            self.failed_at_first += 1
            return msgspec.structs.replace(before, status=attempt.status, problem=attempt.problem)
        is_first = before is None or not before.attempts
        self.failed_at_first += is_first
        first_at = began if before is None or is_first else before.first_at
        attempts = (before.attempts if before is not None else 0) + 1
        now = self._means.clock()
        next_at = next_attempt_at(first_at, now, attempts, self._means.jitter(), attempt.retry_after_seconds)
        if attempt.verdict is Verdict.GONE:
            # As soon as the receiver wants it again, however long that takes.
            self.is_gone, next_at = True, now
        return Late(message.place, first_at, attempts, next_at, attempt.status, attempt.problem)
