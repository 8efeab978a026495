"""What a request about a reservation asks of the kernel, and what of it a token may not ask. Pure."""

from collections.abc import Iterable, Iterator

import msgspec

from hub.access import Claims
from hub.domain.command import Asking, Fact, Verb
from hub.domain.holding.hold import reservation_name
from hub.domain.kinds import kind_named
from hub.domain.rules import House
from protocol.codec import content_hash, encode_canonical
from protocol.limits import LOCATIONS_PER_ORDER_MAX
from protocol.problems import Problem, problem
from protocol.reservations import AskedLine, Change, Reserve

# Of another's reservations too, and for others.
ANY_OWNER = "reservations:any"

# What each verb is in the journal.
TYPES: dict[Verb, str] = {
    "reserve": "reservation.reserved",
    "extend": "reservation.extended",
    "confirm": "reservation.confirmed",
    "release": "reservation.released",
    "fulfil": "reservation.fulfilled",
    "reallocate": "reservation.reallocated",
}


def reserve_fact(reserve: Reserve, claims: Claims, house: House, now_ms: int) -> Fact | Problem:
    """The request for a new reservation, or what is wrong with it."""
    owner = reserve.owner or claims.sub
    if owner != claims.sub and not claims.may(ANY_OWNER):
        return problem("forbidden", f"The token lacks the scope {ANY_OWNER}: it reserves for {claims.sub} only.")
    if reserve.pool not in house.pool_index or not claims.may_pool(reserve.pool):
        detail = f"There is no pool {reserve.pool} that this caller may reserve from."
        return problem("not_found", detail, path="$.pool")
    ttl_ms = ttl_of(reserve.kind, reserve.ttl_seconds, house)
    if isinstance(ttl_ms, Problem):
        return ttl_ms
    only = _only(reserve, claims, house)
    if isinstance(only, Problem):
        return only
    # Whose it is belongs to the content, named or not: the same id by somebody else is another reservation.
    content = encode_canonical(msgspec.structs.replace(reserve, owner=owner))
    asking = Asking(
        name=reservation_name(reserve.id),
        asked=_asked(reserve.lines),
        ttl_ms=ttl_ms,
        owner=owner,
        kind=reserve.kind,
        split=int(reserve.split),
        only=only,
        prefer=reserve.prefer or (),
        order=reserve.order or "",
        is_named=int(reserve.owner is not None or not claims.may(ANY_OWNER)),
    )
    return _fact("reserve", reserve.id, content, claims, now_ms, asking, reserve.pool)


def change_fact(verb: Verb, id: str, change: Change, claims: Claims, now_ms: int, ttl_ms: int = 0) -> Fact:
    """The request about a reservation that is there."""
    content = encode_canonical(change)
    # An extension may be said again as often as it is wanted; about anything else a repeat must change nothing. About
    # all units that holds by itself, but for a reallocation: it would move them on.
    is_some = change.lines is not None and (verb != "extend" or change.id is not None)
    asking = Asking(
        name=reservation_name(id),
        asked=_asked(change.lines or ()),
        ttl_ms=ttl_ms,
        step=_step(verb, change) if is_some or verb == "reallocate" else "",
    )
    return _fact(verb, id, content, claims, now_ms, asking)


def ttl_of(kind_name: str, ttl_seconds: int | None, house: House) -> int | Problem:
    """How long units of a kind are held, milliseconds."""
    kind = kind_named(kind_name, house.document.settings.kinds)
    if kind is None:
        return problem("out_of_range", f"There is no kind {kind_name} of reservation.", path="$.kind")
    if ttl_seconds is not None and ttl_seconds > kind.longest_seconds:
        detail = f"A reservation of the kind {kind.id} lasts at most {kind.longest_seconds} seconds."
        return problem("out_of_range", detail, path="$.ttl_seconds")
    return 1000 * (kind.default_seconds if ttl_seconds is None else ttl_seconds)


def no_location(named: Iterable[tuple[str, str]], claims: Claims, house: House) -> Problem | None:
    """The first of (path, location) that does not exist, for this caller or at all: both look the same."""
    for path, location in named:
        if location not in house.locations or not claims.may_location(location):
            return problem("not_found", f"There is no location {location} that this caller may use.", path=path)
    return None


def places_in(lines: Iterable[AskedLine]) -> Iterator[tuple[str, str]]:
    """(path, location) of each location that lines name."""
    return ((f"$.lines[{i}].location", line.location) for i, line in enumerate(lines) if line.location is not None)


def _only(reserve: Reserve, claims: Claims, house: House) -> tuple[str, ...] | Problem:
    """Where the units may be taken from, the best first; nothing: anywhere."""
    named = [(f"$.locations[{i}]", each) for i, each in enumerate(reserve.locations or ())]
    named += [(f"$.prefer[{i}]", each) for i, each in enumerate(reserve.prefer or ())]
    missing = no_location([*named, *places_in(reserve.lines)], claims, house)
    if missing is not None:
        return missing
    reach = claims.reach()
    if reserve.locations is not None or reach is None:
        return tuple(dict.fromkeys(reserve.locations or ()))
    allowed = [each for each in dict.fromkeys((*(reserve.prefer or ()), *house.locations)) if each in reach]
    if not allowed:
        return problem("forbidden", "The token allows no location to take units from.")
    if len(allowed) > LOCATIONS_PER_ORDER_MAX:
        detail = f"The token allows {len(allowed)} locations; name at most {LOCATIONS_PER_ORDER_MAX} in `locations`."
        return problem("too_many", detail, path="$.locations")
    return tuple(allowed)


def _asked(lines: Iterable[AskedLine]) -> tuple[tuple[str, str, int], ...]:
    return tuple((line.sku, line.location or "", line.quantity) for line in lines)


def _step(verb: Verb, change: Change) -> str:
    return content_hash(verb.encode() + encode_canonical((change.id, change.lines)))


def _fact(verb: Verb, id: str, content: bytes, claims: Claims, now_ms: int, asking: Asking, pool: str = "") -> Fact:
    return Fact(
        verb=verb,
        type=TYPES[verb],
        source=claims.source,
        id=id,
        hash=content_hash(content),
        time_ms=now_ms,
        stated_ms=now_ms,
        # Requests are known by the reservation's record, for as long as ids are.
        ledger_checked=True,
        payload=content.decode(),
        pool=pool,
        detail=asking,
    )
