"""One operation of the HTTP door, as a row of the table that its description is made from."""

from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.inspect import ListType, type_info

from protocol.problems import CONTENT_TYPE as PROBLEM
from protocol.problems import PROBLEM_TYPES, Problem

JSON: Final = "application/json"
JSON_LINES: Final = "application/x-ndjson"
CSV: Final = "text/csv"
EVENT_STREAM: Final = "text/event-stream"

# What may be wrong with any body.
BODY: Final = ("malformed", "too_large", "unsupported_media")
PARAMETERS: Final = ("malformed",)


class Parameter(Struct, frozen=True, kw_only=True):
    """Something that is said beside the body."""

    name: str
    # With its limits; a list is a parameter that is repeated.
    type: Any
    description: str
    place: Literal["query", "path", "header"] = "query"
    is_required: bool = False
    example: Any = None

    @property
    def is_list(self) -> bool:
        """Whether it may be repeated."""
        return isinstance(type_info(self.type), ListType)


class Body(Struct, frozen=True, kw_only=True):
    """What is sent."""

    # Media type -> the type of what is sent in it.
    content: dict[str, Any]
    # Media type -> name -> what may be sent.
    examples: dict[str, dict[str, Any]] = {}
    is_required: bool = True


class Answer(Struct, frozen=True, kw_only=True):
    """What is answered when all went well."""

    status: int = 200
    description: str
    # None: nothing.
    type: Any = None
    media: str = JSON
    # Names among `HEADERS`.
    headers: tuple[str, ...] = ()


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path."""

    method: Literal["get", "put", "post", "delete"]
    path: str
    id: str
    tag: str
    summary: str
    description: str = ""
    # One of these is needed; none of them: credentials are welcome, not needed; None: they are not looked at.
    scopes: tuple[str, ...] | None
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    answers: tuple[Answer, ...]
    # Keys of `PROBLEM_TYPES`, besides those that follow from `scopes`.
    problems: tuple[str, ...] = ()
    # Problem -> what is answered with it in place of a `Problem`, where that is something else.
    refusals: dict[str, Any] = {}

    @property
    def is_question(self) -> bool:
        """Whether its parameters are all that somebody may say there; documents and health are for anyone."""
        has_parameters = any(each.place == "query" for each in self.parameters)
        return self.scopes is not None and (self.method == "get" or has_parameters)

    @property
    def problems_by_status(self) -> dict[int, list[str]]:
        """Every problem that it may be answered with, by HTTP status."""
        names = [*self.problems]
        if self.scopes is not None:
            names += ["unauthenticated", "internal", "unavailable"]
        if self.scopes:
            names += ["forbidden"]
        if self.is_question:
            names += ["malformed"]
        found: dict[int, list[str]] = {}
        for name in PROBLEM_TYPES:
            if name in names:
                found.setdefault(PROBLEM_TYPES[name].status, []).append(name)
        return found

    def refusals_with(self, names: list[str]) -> list[Any]:
        """The types of what is answered with problems of these names."""
        return [Problem, *dict.fromkeys(self.refusals[name] for name in names if name in self.refusals)]


# Header -> what it says, and its schema.
HEADERS: Final = {
    "ETag": ("Changes with the answer; send it back in `If-None-Match`.", {"type": "string"}),
    "Cache-Control": ("Whether, and how long, a cache may keep the answer.", {"type": "string"}),
    "Retry-After": ("Seconds to wait before the next try.", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": (
        "How to say who asks: by a token, or at a third party's door by its signature.",
        {"type": "string", "enum": ["Bearer", "Signature"]},
    ),
}
# Status -> what every problem of it carries.
PROBLEM_HEADERS: Final = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}

__all__ = [
    "BODY",
    "CSV",
    "EVENT_STREAM",
    "HEADERS",
    "JSON",
    "JSON_LINES",
    "PARAMETERS",
    "PROBLEM",
    "PROBLEM_HEADERS",
    "Answer",
    "Body",
    "Operation",
    "Parameter",
]
