"""`GET /v1/channels`, …: the shops and files that hear what a pool has, and what was given up of them. Scope admin."""

from time import time

import msgspec
from aiohttp import web

from hub.domain.channels import ChannelTally
from hub.domain.offers import Remembered
from hub.intake.channel_parts import Configured
from hub.intake.cursors import cursor_in, cursor_text
from hub.intake.exchange import Stopped, caller_with, json_response
from hub.intake.parts import Parts
from hub.intake.questions import limit_in, malformed
from protocol.answers import rfc3339
from protocol.channels import ChannelAnswer, ChannelItem, ChannelRetryAnswer, ChannelsAnswer, DeadOffer
from protocol.problems import problem

SCOPE = "admin"


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The last SKU of a page."""

    sku: str


_decode_cursor = msgspec.json.Decoder(_Cursor).decode


async def get_channels(request: web.Request) -> web.Response:
    """Every channel of the file and of the ledger."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    return json_response(ChannelsAnswer(await _items(parts)))


async def get_channel(request: web.Request) -> web.Response:
    """One channel, and what of it was given up."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    limit, cursor = limit_in(request), cursor_in(request, _decode_cursor)
    item = await _item_of(request, parts)
    behind = "" if cursor is None else cursor.sku
    dead = [] if "\0" in behind else await parts.offered.dead(item.id, behind, limit + 1)
    end = _Cursor(dead[limit - 1].sku) if len(dead) > limit else None
    return json_response(ChannelAnswer(item, tuple(map(_dead, dead[:limit])), cursor_text(end)))


async def post_channel_retry(request: web.Request) -> web.Response:
    """Try again what was given up or not sold, of one SKU or of all."""
    parts: Parts = request.app[Parts.KEY]
    caller_with(request, parts.access, SCOPE)
    sku = request.query.get("sku")
    if sku is not None and (not sku or "\0" in sku):
        raise malformed("`sku` is a SKU.")
    item = await _item_of(request, parts)
    retried = await parts.offered.retry(item.id, None if sku is None else parts.house.sku(sku))
    return json_response(ChannelRetryAnswer(retried or 0))


async def _item_of(request: web.Request, parts: Parts) -> ChannelItem:
    """The channel in the path.

    Raises:
        Stopped: 404, there is none.
    """
    for item in await _items(parts):
        if item.id == request.match_info["id"]:
            return item
    raise Stopped(problem("not_found", "There is no such channel."))


async def _items(parts: Parts) -> tuple[ChannelItem, ...]:
    known = {tally.id: tally for tally in await parts.offered.tallies()}
    configured = {channel.id: channel for channel in parts.channels()}
    ids = sorted({*known, *configured})
    return tuple(_item(id, configured.get(id), known.get(id)) for id in ids)


def _item(id: str, channel: Configured | None, tally: ChannelTally | None) -> ChannelItem:
    note = None if tally is None else tally.note
    return ChannelItem(
        id=id,
        pool=None if channel is None else channel.pool,
        to=None if channel is None else channel.source or str(channel.file),
        waiting=note.waiting if note else 0,
        lag_seconds=round(max(0.0, time() - note.oldest), 1) if note and note.oldest else 0.0,
        dead=tally.dead if tally else 0,
        drifting=note.drifting if note else 0,
        absent=tally.absent if tally else 0,
        told=tally.told if tally else 0,
        circuit=(note.circuit or None) if note else None,  # type: ignore[arg-type]  # what the sender wrote
        noted_at=rfc3339(int(tally.noted_at * 1000)) if tally and tally.noted_at else None,
        why=(note.why or None) if note else None,
    )


def _dead(row: Remembered) -> DeadOffer:
    return DeadOffer(sku=row.sku, tried=row.tried, outcome=row.outcome, attempts=row.attempts, why=row.why)
