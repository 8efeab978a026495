"""`GET /v1/feed`: everything that happened, once and in order, as far as the reader may see it."""

from contextlib import suppress

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.domain.feed import BEGINNING, Place
from hub.faults import Unavailable
from hub.intake.exchange import caller_with, json_response
from hub.intake.feed_items import Teller, reader_of
from hub.intake.feed_pages import page_behind
from hub.intake.parts import Parts
from hub.intake.questions import limit_in, malformed
from hub.intake.sealing import is_sealed
from protocol.feed import FeedAnswer, types_asked

SCOPE = "feed:read"

# Exact types, and prefixes.
Types = tuple[frozenset[str], tuple[str, ...]]


async def get_feed(request: web.Request) -> web.Response:
    """A page behind `after`, scope feed:read."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    limit, types = limit_in(request), types_in(request)
    place = await place_in(request.query.get("after"), parts)
    page = await page_behind(place, parts.happened, teller(parts, claims, types), limit)
    items = tuple(msgspec.Raw(body) for _, body in page.items)
    return json_response(FeedAnswer(items, parts.sealing.sealed_anew(page.end)))


def teller(parts: Parts, claims: Claims, types: Types) -> Teller:
    """How this reader is told of the house as it is now."""
    return Teller(reader_of(claims, parts.house), parts.sealing, *types)


def types_in(request: web.Request) -> Types:
    """The types that a question names, commas or repetition between them; none named is all.

    Raises:
        Stopped: 400, there is no such type.
    """
    asked = request.query.getall("types", [])
    try:
        return types_asked(name.strip() for text in asked for name in text.split(","))
    except ValueError as error:
        raise malformed(f"`types`: {error}.") from error


async def place_in(text: str | None, parts: Parts) -> Place:
    """The place behind which the reader goes on; the beginning where it says none.

    Raises:
        Stopped: 400, this hub made no such cursor, or nothing has come to that place yet.
    """
    if text is None:
        return BEGINNING
    place = parts.sealing.opened(text)
    if place is None or await _is_ahead(place, parts, is_sealed=is_sealed(text)):
        raise malformed("`after` is no cursor of this hub's feed.", path="after")
    return place


async def _is_ahead(place: Place, parts: Parts, *, is_sealed: bool) -> bool:
    """Whether nobody can have been given the place; from there a reader would miss all that comes until then."""
    at = parts.watermark.at
    if at is not None and place <= Place.behind(at):
        return False
    if not is_sealed:
        # A `seq` is told before the ledger has it.
        with suppress(Unavailable):
            return place > Place.behind(await parts.reads.last_seq())
    # Only what was read is sealed, perhaps by a process that reads ahead of this one. Where Redis was healed a moment
    # ago the ledger may not have anything of the new epoch.
    return at is not None and place.epoch > at.epoch + 1
