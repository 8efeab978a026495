"""`GET /v1/transfers`: what is on its way, and what was received before anybody said that it was sent."""

from collections import Counter
from collections.abc import Callable

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.domain.transit import Early, Record
from hub.intake.cursors import check_scan, cursor_in, cursor_text
from hub.intake.exchange import caller_with, json_response
from hub.intake.parts import Parts
from hub.intake.questions import limit_in
from protocol.answers import AnswerLine, rfc3339
from protocol.transfers import EarlyReceipt, TransferItem, TransferLine, TransfersAnswer

SCOPE = "positions:read"
# A page looks at so many stretches of the transfers, and has no room for another one behind so many lines.
STRETCHES_PER_PAGE_MAX = 10
LINES_PER_PAGE = 10_000


class _Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where the next page begins."""

    # Of the scan of all transfers.
    scan: int
    # The last transfer that was told of this stretch of the scan; empty: all of it is still to come.
    after: str


_decode_cursor = msgspec.json.Decoder(_Cursor).decode


class _Page:
    """What is told so far."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines = 0
        self.items: list[TransferItem] = []

    def is_full(self) -> bool:
        return len(self.items) >= self._limit or self._lines >= LINES_PER_PAGE

    def add(self, item: TransferItem) -> None:
        self.items.append(item)
        self._lines += len(item.lines) + sum(len(each.lines) for each in item.early)


async def get_transfers(request: web.Request) -> web.Response:
    """Transfers under way that go to locations of the token; those whose place nobody knows with all locations."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, SCOPE)
    page, cursor = _Page(limit_in(request)), _begins_at(request)
    following: _Cursor | None = cursor
    for _ in range(STRETCHES_PER_PAGE_MAX):
        following = await _tell_stretch(parts, claims, cursor, page)
        if following is None or page.is_full():
            break
        cursor = following
    return json_response(TransfersAnswer(items=tuple(page.items), next=cursor_text(following)))


async def _tell_stretch(parts: Parts, claims: Claims, cursor: _Cursor, page: _Page) -> _Cursor | None:
    """Add what of a stretch the page has room for; answers where the next page would begin."""
    scan, stretch = await parts.reads.transfers(cursor.scan)
    for id, record in stretch:
        if id <= cursor.after or not _may_see(claims, record):
            continue
        if page.is_full():
            return _Cursor(cursor.scan, page.items[-1].id)
        page.add(_item(id, record, parts.house.sku))
    return _Cursor(scan, "") if scan else None


def _may_see(claims: Claims, record: Record) -> bool:
    return claims.may_location(record.to) if record.to else claims.reach() is None


def _item(id: str, record: Record, house_name: Callable[[str], str]) -> TransferItem:
    return TransferItem(
        id=id,
        to=record.to or None,
        since=rfc3339(record.since_ms) if record.since_ms else None,
        lines=_lines(record),
        early=tuple(_early(each, house_name) for each in record.early),
    )


def _lines(record: Record) -> tuple[TransferLine, ...]:
    reserved = Counter[str]()
    for sku, _, units in record.held:
        reserved[sku] += units
    return tuple(
        TransferLine(sku=sku, sent=sent, received=received, reserved=reserved[sku])
        for sku, sent, received in record.sums
    )


def _early(each: Early, house_name: Callable[[str], str]) -> EarlyReceipt:
    # Nothing of it is booked yet, so a name may have become an alias since.
    lines = tuple(AnswerLine(house_name(sku), units) for sku, units, *_ in each.units)
    return EarlyReceipt(time=rfc3339(each.time_ms), final=each.is_final == 1, lines=lines)


def _begins_at(request: web.Request) -> _Cursor:
    cursor = cursor_in(request, _decode_cursor) or _Cursor(0, "")
    check_scan(cursor.scan)
    return cursor
