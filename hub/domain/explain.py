"""Why a pool shows of a SKU what it shows: the formula of `hub.domain.pools` with its parts filled in. Pure."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from hub.domain import pools
from hub.domain.expected import ExpectedLine
from hub.domain.pools import Sight, Status, View
from hub.domain.position import Position
from hub.domain.promising import Promise, promise
from hub.domain.rules import House, PoolTerms
from protocol.answers import rfc3339
from protocol.reports import (
    ExplainedGroup,
    ExplainedLocation,
    ExplainedPlace,
    ExplainedPromise,
    Explanation,
    LocationItem,
    OtherLocations,
    ShownValue,
)
from protocol.supply import PromiseDate

# A formula names so many locations of a group one by one and sums up the others.
TERMS_MAX = 20


class Whole(msgspec.Struct, frozen=True):
    """All that is kept of one SKU, as it was at one moment."""

    # The one whose rules the views were computed by.
    house: House
    epoch: int
    sku: str
    # By location.
    positions: Mapping[str, Position]
    # By pool; one that never showed the SKU is missing.
    views: Mapping[str, View]
    expected: Sequence[ExpectedLine] = ()
    # The last epoch that was begun with a Redis that lacked something; 0: none.
    lost_epoch: int = 0

    def may_be_promised(self, number: int) -> Promise:
        """What one of the house's pools may promise now: nothing without a limit, or while it has anything."""
        profile = self.house.profile(self.sku)
        terms, parts = profile.terms[number], pools.parts_of(self.positions, profile, number)
        if terms.preorder_limit <= 0 or pools.available(terms, parts):
            return Promise((), (), ())
        return promise(self.positions, self.expected, profile, number)


class _Place(msgspec.Struct, frozen=True):
    """A position as one pool sees it."""

    location: str
    position: Position
    sight: Sight
    # Index of its group.
    group: int
    fenced: int
    contribution: int

    @property
    def is_seen(self) -> bool:
        return self.sight[0] > 0


def explain(whole: Whole, pool: str, may_see: Callable[[str], bool]) -> Explanation:
    """Explain what one of the house's pools shows; locations not to be seen are one sum without a name, if any."""
    number = whole.house.pool_index[pool]
    profile = whole.house.profile(whole.sku)
    terms, parts = profile.terms[number], pools.parts_of(whole.positions, profile, number)
    places = _places(whole, number)
    ids = (None, *(group.id for group in whole.house.pools[number].groups))
    groups = tuple(
        _group(id, [place for place in places if place.group == index], parts[index], terms.groups[index], may_see)
        for index, id in enumerate(ids)
    )
    units, coming = pools.available(terms, parts), whole.may_be_promised(number)
    value = _shown(whole, terms, parts, coming)
    told = _promise(whole, terms, coming)
    steps = [*_formula(groups, terms, units), *_formula_of_promise(terms, units, coming, told)]
    return Explanation(
        pool=pool,
        sku=whole.sku,
        groups=groups,
        supply=pools.supply(terms, parts),
        threshold=terms.threshold,
        safety=terms.safety,
        sell=bool(terms.sell),
        available=units,
        cap=terms.cap if terms.cap >= 0 else None,
        promise=told,
        shown=value,
        formula="; ".join([*steps, _told(value)]),
    )


def locations_of(whole: Whole, pool: str) -> tuple[LocationItem, ...]:
    """Where one of the house's pools has units, by location: nowhere more than the pool as a whole shows."""
    number = whole.house.pool_index[pool]
    profile = whole.house.profile(whole.sku)
    terms, parts = profile.terms[number], pools.parts_of(whole.positions, profile, number)
    bounds = [pools.above(part, *group) for part, group in zip(parts, terms.groups, strict=True)]
    shown = pools.shown(terms, parts)
    most = pools.available(terms, parts) if terms.show_status else shown.available
    items = []
    for place in _places(whole, number):
        units = min(place.contribution, bounds[place.group], most)
        if units > 0:
            items.append(LocationItem(place.location, None if terms.show_status else units))
    return tuple(items)


def _places(whole: Whole, number: int) -> list[_Place]:
    """The positions that a pool sees, or that hold units set aside for it, by location."""
    profile = whole.house.profile(whole.sku)
    pool = profile.terms[number].pool
    places = []
    for location, position in sorted(whole.positions.items()):
        sight = profile.sight(location)[number]
        fenced = sum(fence.quantity for fence in position.fences if fence.pool == pool)
        if sight[0] or fenced:
            # As in `parts_of`: a fence at a location the pool does not see counts among those in no group.
            group = max(1, sight[0]) - 1
            places.append(
                _Place(location, position, sight, group, fenced, pools.contribution(position, pool, sight)),
            )
    return places


def _group(
    id: str | None, places: Sequence[_Place], part: int, rule: tuple[int, int], may_see: Callable[[str], bool]
) -> ExplainedGroup:
    told: list[ExplainedLocation | OtherLocations] = [_location(place) for place in places if may_see(place.location)]
    # Others that contribute nothing are as if they were not: that units are set aside there shows nowhere.
    if elsewhere := sum(place.contribution for place in places if not may_see(place.location)):
        told.append(OtherLocations(elsewhere))
    return ExplainedGroup(
        id=id,
        locations=tuple(told),
        part=part,
        threshold=rule[0],
        safety=rule[1],
        part_after=pools.above(part, *rule),
    )


def _location(place: _Place) -> ExplainedLocation:
    position = place.position
    return ExplainedLocation(
        location=place.location,
        free=position.free,
        buffer=place.sight[1],
        ring_fenced=place.fenced,
        contribution=place.contribution,
        on_hand=position.on_hand,
        reserved=position.reserved,
        aside=dict(position.aside),
        deficit=position.deficit,
        seen=place.is_seen,
    )


def promise_dates(coming: Promise) -> tuple[PromiseDate, ...]:
    """ATP by date, as it is told."""
    return tuple(PromiseDate(rfc3339(eta_ms), units) for eta_ms, units in coming.dates)


def _promise(whole: Whole, terms: PoolTerms, coming: Promise) -> ExplainedPromise | None:
    if terms.preorder_limit <= 0:
        return None
    promised = sum(line.promised_by(terms.pool) for line in whole.expected)
    return ExplainedPromise(limit=terms.preorder_limit, promised=promised, dates=promise_dates(coming))


def _shown(whole: Whole, terms: PoolTerms, parts: Sequence[int], coming: Promise) -> ShownValue:
    view = whole.views.get(terms.pool, View())
    value = pools.shown(terms, parts, coming.eta_ms, was_in_stock=pools.was_in_stock(view))
    return ShownValue(
        available=None if value.available < 0 else value.available,
        capped=value.capped == 1,
        status=Status(value.status).word,
        eta=rfc3339(value.eta_ms) if value.eta_ms else None,
        rev=view.rev(whole.epoch, whole.lost_epoch),
    )


def _formula(groups: Sequence[ExplainedGroup], terms: PoolTerms, units: int) -> list[str]:
    """The whole sum, to be read in one line: each group, then the pool."""
    told = [group for group in groups if group.locations]
    steps = [f"{group.id or 'in no group'}: {_terms(group)}{_after(group)}" for group in told]
    if len(told) > 1:
        steps.append("supply: " + " + ".join(str(group.part_after) for group in told))
        steps[-1] += f" = {sum(group.part_after for group in told)}"
    supply = sum(group.part_after for group in told)
    if not terms.sell:
        steps.append("available: 0, because the pool does not sell it")
    elif supply < terms.threshold:
        steps.append(f"available: {supply} is below the threshold {terms.threshold}, so 0")
    else:
        steps.append(f"available: max(0, {supply} − {terms.safety}) = {units}")
    return steps


def _formula_of_promise(terms: PoolTerms, units: int, coming: Promise, told: ExplainedPromise | None) -> list[str]:
    if told is None:
        return []
    if units:
        return [f"to be promised: 0, because {units} are available"]
    later = pools.above(sum(coming.rooms), terms.threshold, terms.safety) if terms.sell else 0
    least = f"limit {told.limit} − {told.promised} promised, {sum(each.quantity for each in coming.spare)} coming"
    step = f"to be promised: max(0, min({least}, {later} available then)) = {coming.units}"
    return [step + (f", from {told.dates[0].eta[:10]}" if told.dates else "")]


def _told(value: ShownValue) -> str:
    number = (
        "no number" if value.available is None else f"{value.available} (capped)" if value.capped else value.available
    )
    return f"shown: {number}, {value.status}" + (f" {value.eta[:10]}" if value.eta else "")


def _terms(group: ExplainedGroup) -> str:
    terms = [_term(place) for place in group.locations[:TERMS_MAX]]
    if rest := group.locations[TERMS_MAX:]:
        terms.append(f"{sum(place.contribution for place in rest)} at {len(rest)} more")
    return f"{' + '.join(terms)} = {group.part}"


def _term(place: ExplainedPlace) -> str:
    if not isinstance(place, ExplainedLocation):
        return f"{place.contribution} elsewhere"
    if not place.seen:
        return f"{place.ring_fenced} ({place.location})"
    return f"max(0, {place.free} − {place.buffer}) + {place.ring_fenced} ({place.location})"


def _after(group: ExplainedGroup) -> str:
    if group.part < group.threshold:
        return f", below its threshold {group.threshold}, so 0"
    return f", less the safety {group.safety} = {group.part_after}" if group.safety else ""
