"""Write holds and their units into a draft: taken, given back, gone, and remembered."""

from collections.abc import Iterable, Sequence

import msgspec

from hub.domain.command import Line
from hub.domain.draft import Draft
from hub.domain.holding import reserving
from hub.domain.holding.hold import (
    ENDED,
    LIVE,
    OWNED_MAX,
    OWNERS,
    PURCHASE_ORDER,
    Allocation,
    Hold,
    Part,
    State,
    hold_from,
    merged,
    over,
    owners_field,
    owners_of_order,
    stored,
)
from hub.domain.holding.in_transit import note_in_transit
from hub.domain.holding.placing import Place
from hub.domain.holding.promises import note_promises


def known_hold(draft: Draft, name: str) -> Hold | None:
    """What is remembered of a hold; None when nothing is, any more."""
    value = draft.record(LIVE, name) or draft.record(ENDED, name)
    return hold_from(value) if value is not None else None


def keep_hold(draft: Draft, name: str, hold: Hold) -> None:
    """Remember a hold, in another table once nothing is kept for it."""
    hold = msgspec.structs.replace(hold, parts=merged(hold.parts))
    note_promises(draft, draft.record(LIVE, name), hold)
    note_in_transit(draft, name, hold)
    if hold.is_kept:
        draft.set_record(LIVE, name, stored(hold))
    else:
        if draft.record(LIVE, name) is not None:
            draft.set_record(LIVE, name, None)
        draft.set_record(ENDED, name, stored(hold))
    owners = owners_of_order(hold.order, "") if hold.order and hold.kind else []
    for owner in [*owners, *([hold.owner] if hold.is_named else [])]:
        _note_owner(draft, name, hold, owners_field(owner, hold.pool))
    draft.hold = hold


def replaceable(draft: Draft, owner: str, pool: str, kind: str) -> str:
    """The name of the hold that the owner's next of this kind takes the place of; empty when there is none."""
    entries = draft.record(OWNERS, owners_field(owner, pool)) or ()
    return next((name for of_kind, name, is_held in entries if of_kind == kind and is_held), "")


def _note_owner(draft: Draft, name: str, hold: Hold, field: str) -> None:
    """List the hold among its owner's while units are kept for it, at most OWNED_MAX, the newest last.

    Those that the owner's next cannot take the place of go first.
    """
    old = draft.record(OWNERS, field) or []
    new = [entry for entry in old if entry[1] != name]
    if hold.is_kept:
        new.append([hold.kind, name, int(any(part.state == State.held for part in hold.parts))])
    if len(new) > OWNED_MAX:
        new.remove(next((entry for entry in new if not entry[2]), new[0]))
    if new != old:
        draft.set_record(OWNERS, field, new or None)


def taken(draft: Draft, pool: str, places: Iterable[Place], state: State, expires_at_ms: int = 0) -> list[Part]:
    """Reserve the places for a hold; its parts. What is promised is noted when the hold is kept."""
    parts = []
    for place in places:
        if place.purchase_order:
            coming = Allocation(place.location, place.quantity, 0, PURCHASE_ORDER + place.purchase_order)
            parts.append(Part(place.sku, place.quantity, state, expires_at_ms, (coming,)))
            continue
        position = draft.position(place.sku, place.location)
        change, fenced = reserving.hold(position, place.quantity, pool)
        draft.keep_held(Line(place.sku, place.location, place.quantity), change)
        allocation = Allocation(place.location, place.quantity, fenced)
        parts.append(Part(place.sku, place.quantity, state, expires_at_ms, (allocation,)))
    return parts


def given_back(draft: Draft, pool: str, parts: Sequence[Part], state: State) -> list[Part]:
    """Give the units of parts back where they lie; what the parts are then."""
    for part in parts:
        for each in part.allocations:
            let_go(draft, pool, part.sku, each)
    return [over(part, state) for part in parts]


def without_due(draft: Draft, hold: Hold) -> list[Part]:
    """The parts, those given back whose time is over."""
    parts: list[Part] = []
    for part in hold.parts:
        is_due = part.state == State.held and 0 < part.expires_at_ms <= draft.now_ms
        parts += given_back(draft, hold.pool, [part], State.expired) if is_due else [part]
    return parts


def let_go(draft: Draft, pool: str, sku: str, allocation: Allocation) -> None:
    """Give the units of one allocation back where they lie; what is nowhere yet is nothing to give back."""
    if not allocation.is_placed:
        return
    position = draft.position(sku, allocation.location)
    change = reserving.let_go(position, allocation.quantity, allocation.fenced, pool)
    draft.keep_held(Line(sku, allocation.location, allocation.quantity), change)


def leave(draft: Draft, pool: str, line: Line, allocation: Allocation) -> None:
    """The units of one allocation went to the customer, as the line says."""
    position = draft.position(line.sku, allocation.location)
    change = reserving.leave(position, allocation.quantity, allocation.fenced, pool)
    draft.keep_held(line, change)
