"""What a client raises. What the hub decides about stock is a value; only what a program must be mended for is raised.

ClientFault
├─ RequestRefused   the hub does not take the request as it stands; `problem` says why
│  └─ CursorRefused     the hub's feed has no such cursor: it is another hub's, or of no hub
├─ TokenRefused     the hub accepts neither the token nor a new one
├─ WatchRefused     the hub does not take this watch back unchanged
├─ Unanswered       no answer within patience: what became of it is unknown, so the same may be sent again
├─ NotAHub          what came back is no answer of a hub
├─ OutboxFull       the outbox holds as much as it may
└─ OutboxInUse      another process has the outbox
"""

from protocol.problems import Problem


class ClientFault(Exception):
    """Root of all that clients raise; its text is one sentence a person can act on."""


class RequestRefused(ClientFault):
    """The hub does not take the request: malformed, not allowed, no such pool."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.title}: {problem.detail}")
        self.problem = problem


class CursorRefused(RequestRefused):
    """This hub's feed has no such place; what was taken by the cursor is another hub's, so take all of it anew."""


class TokenRefused(ClientFault):
    """The hub does not accept the token, and there is no other."""


class WatchRefused(ClientFault):
    """The hub ended a watch for good."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"The hub does not take this watch ({code}): {detail}")
        # A close code, a status of the handshake, or a key of `protocol.frames.LIVE_ERRORS`.
        self.code = code


class Unanswered(ClientFault):
    """Nothing is known of what was asked; the same may be sent again, at the earliest after `retry_after_seconds`."""

    def __init__(self, reason: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class NotAHub(ClientFault):
    """What is at the address does not speak as a hub does."""


class OutboxFull(ClientFault):
    """The outbox has no room; nothing was put into it."""


class OutboxInUse(ClientFault):
    """One process at a time may have an outbox, or its order would be lost."""
