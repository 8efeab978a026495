"""`GET /v1/availability/history`: what a pool showed of a SKU at any time, and by which event."""

from time import time

from aiohttp import web

from hub.access import Claims
from hub.domain.findings import Looked, Then
from hub.domain.pools import View
from hub.domain.rules import House
from hub.domain.shown import item
from hub.intake.answers import SEES_SEQ, may_see
from hub.intake.exchange import caller_with, json_response
from hub.intake.facts import names_in
from hub.intake.parts import Parts
from hub.intake.questions import ledger_has_all, malformed, required, sku_in, time_in, visible_pool
from protocol.answers import rfc3339
from protocol.codec import Malformed, decode_event
from protocol.reports import CausingEvent, PastValue


async def get_history(request: web.Request) -> web.Response:
    """What was shown at `at` (now when left out), scope positions:read."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, "positions:read")
    pool = visible_pool(request, parts, claims)
    sku = parts.house.sku(sku_in(required(request, "sku")))
    now_ms = int(time() * 1000)
    at_ms = time_in(request, "at", now_ms)
    if at_ms > now_ms:
        raise malformed("`at` is in the future; what will be shown nobody knows.")
    has_all = await ledger_has_all(parts)
    looked = await parts.past.shown_at(pool, sku, at_ms)
    is_behind = not has_all and looked.complete_before_ms <= at_ms
    shows_status = parts.house.pools[parts.house.pool_index[pool]].show_status
    event = _cause(looked.then, parts.house, claims)
    return json_response(_told(pool, sku, at_ms, looked, event, shows_status=shows_status, is_behind=is_behind))


def _told(
    pool: str, sku: str, at_ms: int, looked: Looked, event: CausingEvent | None, *, shows_status: bool, is_behind: bool
) -> PastValue:
    then = looked.then
    view = then.view if then else View(available=-1 if shows_status else 0)
    shown = item(sku, view, then.seq.epoch if then else 0, now_ms=at_ms)
    return PastValue(
        pool=pool,
        sku=sku,
        at=rfc3339(at_ms),
        available=shown.available,
        capped=shown.capped,
        status=shown.status,
        eta=shown.eta,
        rev=shown.rev,
        since=rfc3339(view.at_ms) if then else None,
        event=event,
        ledger_behind=is_behind,
    )


def _cause(then: Then | None, house: House, claims: Claims) -> CausingEvent | None:
    """The event that made it so, if the caller may hear of it."""
    if then is None or not _may_see_cause(then, house, claims):
        return None
    return CausingEvent(
        source=then.source,
        id=then.id,
        type=then.type,
        kind=then.kind,
        time=rfc3339(then.time_ms),
        booked_at=rfc3339(then.view.at_ms),
        seq=str(then.seq) if claims.may(SEES_SEQ) else None,
    )


def _may_see_cause(then: Then, house: House, claims: Claims) -> bool:
    """Whether the caller may see every location and pool that the event named, or whose stock and fences it changed."""
    locations, pools = set(then.locations), set(then.pools)
    if then.kind == "fact" and then.payload:
        try:
            names = names_in(decode_event(then.payload.encode()).event)
        except Malformed:
            # Of a version that knows more: who may see it cannot be told.
            return False
        locations.update(names.locations)
        pools.update(() if names.pool is None else (names.pool,))
    return all(map(claims.may_location, locations)) and all(
        claims.may_pool(pool) or may_see(house, claims, pool) for pool in pools
    )
