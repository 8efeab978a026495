"""What clients sent and were told: the one witness that no fault can reach."""

from collections.abc import Iterator
from typing import Any

import msgspec

Json = dict[str, Any]

# Of an answer to a fact that took effect.
TAKEN = frozenset({"applied", "accepted", "duplicate"})


class Answer(msgspec.Struct, frozen=True):
    """What came back: the HTTP status, an array's item having the one it would have alone, and the body."""

    status: int
    body: Json
    # The process that gave it, where that is known.
    by: str = ""
    # When it came, seconds of the epoch; 0 where that is not known.
    at: float = 0.0

    @property
    def is_certain(self) -> bool:
        """Not 503: it says what became of the request."""
        return self.status < 500


class Sent(msgspec.Struct, eq=False):
    """One thing that was asked for, as often as it was sent."""

    source: str
    path: str
    body: Json
    # Where a fact's units come and go, where its body does not say.
    place: str = ""
    answers: list[Answer] = msgspec.field(default_factory=list)
    # Those that count no more, because what they told was lost with Redis.
    withdrawn: list[Answer] = msgspec.field(default_factory=list)
    # Sent without an answer that says what became of it.
    unknown: int = 0

    @property
    def id(self) -> str:
        return str(self.body.get("id") or self.path)

    @property
    def is_fact(self) -> bool:
        return self.path == "/v1/events"

    @property
    def first(self) -> Answer | None:
        """The first certain answer."""
        return self.answers[0] if self.answers else None

    @property
    def is_taken(self) -> bool:
        """Whether somebody was told that it took effect."""
        return any(answer.status < 300 for answer in self.answers)

    @property
    def is_kept(self) -> bool:
        """Whether somebody was told that it is in the ledger."""
        return any(answer.status in (200, 201) and answer.body.get("status") != "accepted" for answer in self.answers)

    def withdraw(self) -> None:
        """Take it for unanswered: it is to be sent again."""
        self.withdrawn += self.answers
        self.answers.clear()

    def note(self, answer: Answer | None) -> None:
        if answer is None or not answer.is_certain:
            self.unknown += 1
        else:
            self.answers.append(answer)


class Log:
    """All that was sent, in order."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str, str], Sent] = {}

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._sent.values())

    def __len__(self) -> int:
        return len(self._sent)

    def add(self, source: str, path: str, body: Json) -> Sent:
        """What is about to be sent for the first time."""
        sent = Sent(source, path, body)
        key = (source, path, sent.id)
        assert key not in self._sent, key
        self._sent[key] = sent
        return sent

    @property
    def facts(self) -> list[Sent]:
        return [sent for sent in self if sent.is_fact]

    @property
    def requests(self) -> list[Sent]:
        return [sent for sent in self if not sent.is_fact]

    @property
    def open(self) -> list[Sent]:
        """What nobody was told of yet."""
        return [sent for sent in self if not sent.answers]
