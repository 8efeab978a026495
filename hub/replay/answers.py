"""What comes back from the door, as much of it as a replay reads. Pure."""

import msgspec

from hub.faults import Fault, SettingsInvalid

_DETAIL_CHARACTERS_MAX = 300
# Request timeout, too early, too many: another try can succeed, as it can after any 5xx.
_ASK_AGAIN = frozenset({408, 425, 429})

_REFUSALS = {
    401: "the hub does not accept the token; make one with `hub token --scope events:write`",
    403: "the token may not send events; it needs the scope events:write",
    404: "there is no hub at this address",
    413: "the hub takes no arrays of this size",
}


class ProblemBody(msgspec.Struct, frozen=True):
    """The parts of a problem document that say what to do."""

    title: str = ""
    status: int = 0
    detail: str = ""

    @property
    def text(self) -> str:
        """The most telling part, bounded."""
        return (self.detail or self.title or f"status {self.status}")[:_DETAIL_CHARACTERS_MAX]


class AnsweredLine(msgspec.Struct, frozen=True):
    """One line as the hub booked it."""

    sku: str
    quantity: int


class Answer(msgspec.Struct, frozen=True):
    """The hub's answer to one event."""

    status: str
    lines: tuple[AnsweredLine, ...] = ()
    problem: ProblemBody | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether the event may be booked or not, so that it has to be sent again."""
        return self.problem is not None and can_be_asked_again(self.problem.status)


def can_be_asked_again(status: int) -> bool:
    """Whether an HTTP status leaves the outcome unknown, so that sending again is right."""
    return status >= 500 or status in _ASK_AGAIN


def decode_answers(content: bytes, count: int) -> list[Answer]:
    """Read the answers to an array of `count` events.

    Raises:
        Fault: this is not what a hub answers.
    """
    try:
        answers = _ANSWERS.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Fault(f"the answer is none of a hub: {error}") from error
    if len(answers) != count:
        raise Fault(f"the hub answered {len(answers)} of {count} events")
    return answers


def refusal(status: int, content: bytes) -> SettingsInvalid:
    """Put the refusal of a whole array into a sentence."""
    try:
        detail = _PROBLEM.decode(content).text
    except (msgspec.DecodeError, RecursionError):
        detail = "no reason given"
    said = _REFUSALS.get(status, "the hub does not take the array")
    return SettingsInvalid(f"{said} ({status}: {detail})")


_ANSWERS = msgspec.json.Decoder(list[Answer])
_PROBLEM = msgspec.json.Decoder(ProblemBody)
