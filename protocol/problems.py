"""Errors over HTTP: one table of problem types, and the `application/problem+json` they become (RFC 9457).

The ending of a `type` never changes its meaning; `title` is for people and may be reworded.
"""

from typing import Final

from msgspec import Struct
from msgspec.json import Encoder

from protocol.limits import DETAIL_CHARS_MAX

CONTENT_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:hub:problem:"


class ProblemType(Struct, frozen=True):
    """What every problem of a type has in common."""

    status: int
    title: str
    # What the sender can do about it.
    remedy: str


PROBLEM_TYPES: Final = {
    "malformed": ProblemType(
        400, "The message cannot be read", "Mend the message at `path`; sent again unchanged it fails again."
    ),
    "unauthenticated": ProblemType(401, "Not authenticated", "Send a valid token or key as a Bearer token."),
    "forbidden": ProblemType(403, "Not allowed", "Use a token whose scope, pools and locations cover what is asked."),
    "not_found": ProblemType(404, "Not found", "Check the name; what may not be seen is not found either."),
    "unknown_reservation": ProblemType(
        404, "No such reservation", "Check the id; what has ended is forgotten after a week."
    ),
    "method_not_allowed": ProblemType(405, "Method not allowed", "Use a method that `Allow` lists."),
    "conflict": ProblemType(
        409, "The id is taken by another content", "Give the new content a new id; the first one stands."
    ),
    "insufficient": ProblemType(409, "Not enough units", "Ask for at most what `shortages` says, under a new id."),
    "not_held": ProblemType(409, "Fewer units are held", "Name at most what the reservation has, as `GET` tells it."),
    "expired": ProblemType(409, "The time of the reservation is over", "Reserve again, under a new id."),
    "not_arrived": ProblemType(
        409, "Not arrived yet", "Wait until the purchase order is received; `GET` tells what has arrived."
    ),
    "ended": ProblemType(409, "The reservation has ended", "Nothing is held any more; reserve again, under a new id."),
    "too_large": ProblemType(413, "The message is too large", "Send less at once, in several messages."),
    "unsupported_media": ProblemType(
        415, "The media type is not supported", "Send JSON, plain or compressed with gzip."
    ),
    "too_many": ProblemType(422, "Too many items", "Send fewer items at once."),
    "out_of_range": ProblemType(422, "A value is out of range", "Choose a value that `detail` allows."),
    "unsupported": ProblemType(
        422, "Not supported by this hub", "Nothing was changed; keep the message until the hub takes it."
    ),
    "rate_limited": ProblemType(429, "Too many requests", "Wait as long as `Retry-After` says."),
    "internal": ProblemType(500, "The hub has a defect", "Report it; whether anything changed is unknown."),
    "unavailable": ProblemType(
        503,
        "Temporarily unavailable",
        "Ask again after `Retry-After`; what became of an event is unknown, so send the same id again.",
    ),
}


class Shortage(Struct, frozen=True, omit_defaults=True):
    """One SKU of a request for which the pool has too few units."""

    sku: str
    requested: int
    # As shown, so capped where the pool caps; left out where it shows no number.
    available: int | None = None


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One problem as it stands on the wire, alone or in an event's answer."""

    type: str
    title: str
    # The HTTP status.
    status: int
    # One sentence a person can act on.
    detail: str
    # Where in the message the fault is: `$.lines[0].quantity`.
    path: str | None = None
    shortages: tuple[Shortage, ...] = ()

    @property
    def name(self) -> str:
        """The ending of `type`, a key of `PROBLEM_TYPES`."""
        return self.type.removeprefix(_TYPE)


def problem_type(name: str) -> str:
    """The `type` of problems called `name`."""
    return _TYPE + name


def problem(name: str, detail: str, *, path: str | None = None, shortages: tuple[Shortage, ...] = ()) -> Problem:
    """Make a problem of the type called `name`; a long `detail` is cut.

    Raises:
        KeyError: there is no such type.
    """
    common = PROBLEM_TYPES[name]
    return Problem(
        type=_TYPE + name,
        title=common.title,
        status=common.status,
        detail=detail if len(detail) <= DETAIL_CHARS_MAX else detail[: DETAIL_CHARS_MAX - 1] + "…",
        path=path,
        shortages=shortages,
    )


def problem_rows() -> list[tuple[str, int, str, str]]:
    """List (type, HTTP status, title, remedy) of every problem type, for the documentation."""
    return [(_TYPE + name, row.status, row.title, row.remedy) for name, row in PROBLEM_TYPES.items()]


# Problem -> the bytes of an `application/problem+json` body.
encode_problem = Encoder().encode
