"""`GET /v1/accuracy`: inventory record accuracy by what physical counts found, and the causes of variances."""

from time import time

import msgspec
from aiohttp import web

from hub.access import Claims
from hub.claims import ALL
from hub.domain.findings import FoundVariance, Tally, Window, percent
from hub.intake.exchange import Stopped, caller_with, json_response
from hub.intake.parts import Parts
from hub.intake.questions import ledger_has_all, malformed, name_in, number_in, time_in
from protocol.answers import EARLIEST_MS, rfc3339
from protocol.limits import QUANTITY_MAX
from protocol.problems import problem
from protocol.reports import AccuracyAnswer, EventRef, LocationAccuracy, Variance

# Without `from`: so long before `to`.
DEFAULT_DAYS = 30
_DAY_MS = 86_400_000
# To keep to one category, every SKU that was counted is looked at.
COUNTED_SKUS_MAX = 200_000


async def get_accuracy(request: web.Request) -> web.Response:
    """What counts found, scope positions:read; locations outside the claims do not exist."""
    parts: Parts = request.app[Parts.KEY]
    claims = caller_with(request, parts.access, "positions:read")
    to_ms = time_in(request, "to", int(time() * 1000))
    from_ms = time_in(request, "from", max(EARLIEST_MS, to_ms - DEFAULT_DAYS * _DAY_MS))
    if from_ms >= to_ms:
        raise malformed("`from` is not before `to`.")
    tolerance = number_in(request, "tolerance", 0, 0, QUANTITY_MAX)
    window = Window(from_ms, to_ms, _locations(claims, name_in(request, "location")))
    has_all = await ledger_has_all(parts)
    category = request.query.get("category")
    if category is not None:
        window = await _of_category(parts, window, category)
    tally = await parts.counts.tally(window, tolerance)
    variances = await parts.counts.variances(window)
    answer = AccuracyAnswer(
        from_=rfc3339(from_ms),
        to=rfc3339(to_ms),
        items_counted=(counted := sum(of.counted for of in tally)),
        items_right=(right := sum(of.right for of in tally)),
        accuracy=percent(right, counted),
        tolerance=tolerance,
        overs=sum(of.overs for of in tally),
        shorts=sum(of.shorts for of in tally),
        locations=tuple(map(_location, tally)),
        variances=tuple(map(_variance, variances)),
        ledger_behind=not has_all,
    )
    return json_response(answer)


def _locations(claims: Claims, asked: str | None) -> tuple[str, ...] | None:
    """The locations to look at; None: all. One that may not be seen is looked for in vain, as one that is not there."""
    if asked is not None:
        return (asked,) if claims.may_location(asked) else ()
    return None if ALL in claims.locations else tuple(claims.locations)


async def _of_category(parts: Parts, window: Window, category: str) -> Window:
    skus = await parts.counts.counted_skus(window, COUNTED_SKUS_MAX + 1)
    if len(skus) > COUNTED_SKUS_MAX:
        detail = f"More than {COUNTED_SKUS_MAX} SKUs were counted; ask for a shorter time or one location."
        raise Stopped(problem("too_many", detail))
    house = parts.house
    return msgspec.structs.replace(window, skus=tuple(sku for sku in skus if house.category(sku) == category))


def _location(tally: Tally) -> LocationAccuracy:
    return LocationAccuracy(
        location=tally.location,
        items_counted=tally.counted,
        items_right=tally.right,
        accuracy=percent(tally.right, tally.counted),
        overs=tally.overs,
        shorts=tally.shorts,
    )


def _variance(found: FoundVariance) -> Variance:
    return Variance(
        sku=found.sku,
        location=found.location,
        counted_at=rfc3339(found.counted_at_ms),
        counted=found.counted,
        book=found.book,
        variance=found.units,
        explained=found.explained,
        cause=found.cause,
        event=EventRef(found.source, found.id),
        late_events=tuple(EventRef(source, id) for source, id in found.late_events),
    )
