"""Operations of those who follow everything that happened."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.feed import TYPES_ASKED_MAX, FeedItem
from protocol.specs.operation import EVENT_STREAM, PARAMETERS, Answer, Operation, Parameter
from protocol.specs.parameters import LIMIT

_SCOPES: Final = ("feed:read",)
_Types = Annotated[list[str], Meta(min_length=1, max_length=TYPES_ASKED_MAX)]

_TYPES: Final = Parameter(
    name="types",
    type=_Types,
    description="Types, or all of a kind (`movement.*`); repeated, or with commas between them. None: all.",
    example=["movement.*", "alert.sold_out"],
)
_AFTER: Final = Parameter(
    name="after", type=str, description="A `cursor`, a `next`, or a `feed_cursor`; none: from the beginning."
)
_LAST_EVENT_ID: Final = Parameter(
    name="Last-Event-ID", type=str, description="As `after`, which it goes before.", place="header"
)


class FeedPage(Struct, frozen=True):
    """A page of the feed; it may be short, even empty, and still not be the last."""

    items: tuple[FeedItem, ...]
    # Never null: asked again with it, the reader goes on, also behind the newest item of today.
    next: str


FOLLOWING: Final = (
    Operation(
        method="get",
        path="/v1/feed",
        id="readFeed",
        tag="feed",
        summary="Everything that happened, once and in order",
        scopes=_SCOPES,
        parameters=(_TYPES, _AFTER, LIMIT),
        answers=(Answer(description="One page.", type=FeedPage),),
        problems=PARAMETERS,
    ),
    Operation(
        method="get",
        path="/v1/feed/stream",
        id="followFeed",
        tag="feed",
        summary="Everything that happens, as Server-Sent Events",
        scopes=_SCOPES,
        parameters=(_TYPES, _AFTER, _LAST_EVENT_ID),
        answers=(
            Answer(
                description="`id:` is the item's cursor, `data:` the item; it resumes behind `Last-Event-ID`.",
                type=str,
                media=EVENT_STREAM,
            ),
        ),
        problems=PARAMETERS,
    ),
)
