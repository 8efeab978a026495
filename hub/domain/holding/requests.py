"""What each request about a reservation does, all of it or nothing.

A request is granted, denied for a reason, or needless because what it asks for is so already. A hold whose time is over
is over, whether anybody noticed or not: each request first gives back what is due.
"""

from collections.abc import Callable, Sequence

import msgspec

from hub.domain.buckets import CUSTOMER, RESERVED, Change, Move, aside_bucket, move
from hub.domain.command import Asking, Fact, Line
from hub.domain.draft import Denial, Draft, House
from hub.domain.holding import reserving
from hub.domain.holding.hold import KEPT, STEPS_MAX, Allocation, Hold, Part, State, detach, over, units_of
from hub.domain.holding.keeping import given_back, keep_hold, known_hold, leave, let_go, replaceable, taken, without_due
from hub.domain.holding.owing import sorted_parts
from hub.domain.holding.placing import Wish, demands_of, find
from hub.domain.holding.renewing import find_rest, own_units
from hub.domain.holding.replacing import standing_in
from hub.domain.holding.settling import settle_holds
from hub.domain.serials import INSPECTION

# The parts as they are then, or why not; None: what is asked for is so already.
Result = list[Part] | Denial | None


def book_request(draft: Draft, fact: Fact, house: House) -> None:
    """Write into the draft what the request does, or why it does nothing."""
    asking = fact.detail
    assert isinstance(asking, Asking)
    draft.about = asking.name
    _book(draft, fact, asking, house)
    # What it gave back is owed to orders first; the hold that is told is the reservation's nevertheless.
    hold = draft.hold
    settle_holds(draft, house)
    draft.hold = hold


def _book(draft: Draft, fact: Fact, asking: Asking, house: House) -> None:
    if fact.verb == "reserve":
        _reserve(draft, fact, asking, house)
        return
    hold = known_hold(draft, asking.name)
    if hold is None:
        draft.denial = Denial("unknown_reservation")
        return
    if asking.step and asking.step in hold.steps:
        draft.as_it_is(hold)
        return
    if not _covers(fact, hold):
        draft.look_again()
        return
    if asking.step and len(hold.steps) >= STEPS_MAX:
        draft.refuse(f"parts of a reservation are changed at most {STEPS_MAX} times")
        return
    still = msgspec.structs.replace(hold, parts=tuple(without_due(draft, hold)))
    result: Result = None if still.parts == hold.parts else list(still.parts)
    if fact.verb != "expire":
        result = _VERBS[fact.verb](draft, house, still, asking)
    if result is None:
        draft.as_it_is(still)
    elif isinstance(result, Denial):
        draft.denial = result
    else:
        steps = (*hold.steps, asking.step) if asking.step else hold.steps
        keep_hold(draft, asking.name, msgspec.structs.replace(hold, parts=tuple(result), steps=steps))


def _reserve(draft: Draft, fact: Fact, asking: Asking, house: House) -> None:
    known = known_hold(draft, asking.name)
    if known is not None:
        if known.hash == fact.hash:
            draft.as_it_is(known)
        else:
            draft.denial = Denial("conflict")
        return
    old_name = replaceable(draft, asking.owner, fact.pool, asking.kind) if asking.is_named else ""
    old = known_hold(draft, old_name) if old_name else None
    if old is not None:
        if not _covers(fact, old):
            draft.look_again()
            return
        old = msgspec.structs.replace(old, parts=tuple(without_due(draft, old)))
        _end_held(draft, old_name, old)
    hold = Hold(
        number=draft.seq.rank,
        pool=fact.pool,
        owner=asking.owner,
        kind=asking.kind,
        hash=fact.hash,
        made_at_ms=draft.now_ms,
        split=asking.split,
        only=asking.only,
        prefer=asking.prefer,
        order=asking.order,
        is_named=asking.is_named,
        pins=tuple((each.sku, each.location, each.quantity) for each in demands_of(asking.asked) if each.location),
    )
    _find_for(draft, house, asking, hold, old)


def _find_for(draft: Draft, house: House, asking: Asking, hold: Hold, old: Hold | None) -> None:
    """Find what is asked, or say what is short; `old` is the owner's that it takes the place of, as it was."""
    wish = Wish(hold.pool, asking.only, asking.prefer, is_split=bool(asking.split), may_be_promised=True)
    demands, until_ms = demands_of(asking.asked), draft.now_ms + asking.ttl_ms
    parts: list[Part] = []
    found = find(draft, house, wish, demands)
    own = own_units(wish, demands, old) if old is not None and hold.pool in house.pool_index else None
    if own is not None and own.comes_before(found):
        parts = taken(draft, hold.pool, own.places, State.held, until_ms)
        # What was promised to the owner is promised to her again before anything more is.
        keep_hold(draft, asking.name, msgspec.structs.replace(hold, parts=tuple(parts)))
        rest = find_rest(draft, house, wish, own, found)
        if rest.shortages and not found.shortages:
            # Asking for more than she holds she gets what anybody would.
            given_back(draft, hold.pool, parts, State.released)
            parts = []
        else:
            found = rest
    if found.shortages:
        draft.denial = Denial("insufficient", tuple(found.shortages))
        return
    parts += taken(draft, hold.pool, found.places, State.held, until_ms)
    keep_hold(draft, asking.name, msgspec.structs.replace(hold, parts=tuple(parts)))


def _end_held(draft: Draft, name: str, hold: Hold) -> None:
    """The owner wants something else instead; what is confirmed stays."""
    held = [part for part in hold.parts if part.state == State.held]
    others = [part for part in hold.parts if part.state != State.held]
    parts = (*others, *given_back(draft, hold.pool, held, State.released))
    keep_hold(draft, name, msgspec.structs.replace(hold, parts=parts))


def _extend(draft: Draft, house: House, hold: Hold, asking: Asking) -> Result:
    chosen = _chosen(hold, asking, (State.held,))
    if isinstance(chosen, Denial):
        return chosen
    longer, rest = chosen
    if not longer:
        return _ended(hold)
    until_ms = draft.now_ms + asking.ttl_ms
    return [*rest, *(msgspec.structs.replace(part, expires_at_ms=until_ms) for part in longer)]


def _confirm(draft: Draft, house: House, hold: Hold, asking: Asking) -> Result:
    """Units whose time is over are taken again, by the rule by which they were taken first."""
    chosen = _chosen(hold, asking, (State.held, State.expired))
    if isinstance(chosen, Denial):
        return chosen
    wanted, rest = chosen
    if not wanted:
        return None if hold.state in (State.confirmed, State.fulfilled, State.ordered) else _ended(hold)
    late = [part for part in wanted if part.state == State.expired]
    again: list[Part] = []
    if late:
        wish = Wish(hold.pool, hold.only, hold.prefer, is_split=bool(hold.split))
        found = find(draft, house, wish, demands_of(_as_asked(hold, late)))
        if found.shortages:
            return Denial("expired")
        again = taken(draft, hold.pool, found.places, State.confirmed)
    in_time = [part for part in wanted if part.state == State.held]
    return [*rest, *(_confirmed(part) for part in in_time), *again]


def _as_asked(hold: Hold, parts: Sequence[Part]) -> list[tuple[str, str, int]]:
    """Units that are taken again, where they were asked for first."""
    asked: list[tuple[str, str, int]] = []
    left = {(sku, location): units for sku, location, units in hold.pins}
    for part in parts:
        rest = part.quantity
        for (sku, location), units in left.items():
            some = min(rest, units) if sku == part.sku else 0
            if some:
                asked.append((sku, location, some))
                left[sku, location], rest = units - some, rest - some
        if rest:
            asked.append((part.sku, "", rest))
    return asked


def _confirmed(part: Part) -> Part:
    return msgspec.structs.replace(part, state=State.confirmed, expires_at_ms=0)


def _release(draft: Draft, house: House, hold: Hold, asking: Asking) -> Result:
    chosen = _chosen(hold, asking, KEPT)
    if isinstance(chosen, Denial):
        return chosen
    given, rest = chosen
    if given:
        return [*rest, *given_back(draft, hold.pool, given, State.released)]
    return Denial("ended") if hold.state == State.fulfilled else None


def _fulfil(draft: Draft, house: House, hold: Hold, asking: Asking) -> Result:
    chosen = _chosen_here(hold, asking)
    if isinstance(chosen, Denial):
        return chosen
    gone, rest = chosen
    if not gone:
        return None if hold.state in (State.fulfilled, State.ordered) else _ended(hold)
    for part in gone:
        for each in part.allocations:
            line = Line(part.sku, each.location, each.quantity)
            if draft.has_counted(line):
                # Counted in the same moment: the count has seen the units gone.
                let_go(draft, hold.pool, part.sku, each)
                draft.pass_by(line, -each.quantity, CUSTOMER)
            else:
                leave(draft, hold.pool, line, each)
    return [*rest, *(over(part, State.fulfilled) for part in gone)]


def _reallocate(draft: Draft, house: House, hold: Hold, asking: Asking) -> Result:
    """The units are not found where they should be: others are held instead, and a person looks for these."""
    chosen = _chosen_here(hold, asking)
    if isinstance(chosen, Denial):
        return chosen
    moving, rest = chosen
    if not moving:
        return _ended(hold)
    places = [each.location for part in moving for each in part.allocations]
    wish = Wish(hold.pool, hold.only, hold.prefer, never=tuple(dict.fromkeys(places)), is_split=bool(hold.split))
    found = find(draft, house, wish, demands_of((part.sku, "", part.quantity) for part in moving))
    if found.shortages:
        return Denial("insufficient", tuple(found.shortages))
    for part in moving:
        for each in part.allocations:
            _look_for(draft, hold.pool, part.sku, each)
    return [*rest, *standing_in(taken(draft, hold.pool, found.places, State.held), moving)]


def _look_for(draft: Draft, pool: str, sku: str, allocation: Allocation) -> None:
    """Put units aside that a shop cannot find, so that nobody else is promised them."""
    moves: list[Move] = []
    position = draft.position(sku, allocation.location)
    position = reserving.forget(position, allocation.fenced, pool).position
    position = move(position, Move(RESERVED, aside_bucket(INSPECTION), allocation.quantity), moves)
    line = Line(sku, allocation.location, allocation.quantity)
    draft.keep_held(line, Change(position, tuple(moves)))
    draft.alert("not_found", draft.sku_number(sku), allocation.location, allocation.quantity)


def _chosen_here(hold: Hold, asking: Asking) -> tuple[list[Part], list[Part]] | Denial:
    """The units on shelves that are asked for, and the others; what is still to come stays as it is."""
    here: Sequence[Part] = hold.parts
    coming: list[Part] = []
    for sku in hold.skus:
        here, some, _ = sorted_parts(here, sku)
        coming += some
    chosen = _chosen(msgspec.structs.replace(hold, parts=tuple(here)), asking, KEPT)
    if coming and (isinstance(chosen, Denial) or not chosen[0]) and not isinstance(_chosen(hold, asking, KEPT), Denial):
        return Denial("not_arrived")
    return chosen if isinstance(chosen, Denial) else (chosen[0], [*chosen[1], *coming])


def _chosen(hold: Hold, asking: Asking, states: Sequence[State]) -> tuple[list[Part], list[Part]] | Denial:
    """The parts in these states that are asked for, all unless some are named, and the others."""
    if not asking.asked:
        mine = [part for part in hold.parts if part.state in states]
        return mine, [part for part in hold.parts if part.state not in states]
    chosen: list[Part] = []
    rest = list(hold.parts)
    # Those that say where first, or one that does not might take their units.
    for demand in sorted(demands_of(asking.asked), key=lambda each: not each.location):
        some, rest = detach(rest, demand.sku, demand.quantity, states, at=demand.location)
        allocations = (each for part in some for each in part.allocations)
        here = [each for each in allocations if each.is_placed and each.location == demand.location]
        found = sum(each.quantity for each in here) if demand.location else units_of(some)
        if found < demand.quantity:
            return Denial("not_held")
        chosen += some
    return chosen, rest


def _covers(fact: Fact, hold: Hold) -> bool:
    """Whether the request came with all SKUs of the hold; the kernel reads no others."""
    return set(hold.skus) <= {line.sku for line in fact.lines}


def _ended(hold: Hold) -> Denial:
    return Denial("expired" if hold.state == State.expired else "ended")


_VERBS: dict[str, Callable[[Draft, House, Hold, Asking], Result]] = {
    "extend": _extend,
    "confirm": _confirm,
    "release": _release,
    "fulfil": _fulfil,
    "reallocate": _reallocate,
}
