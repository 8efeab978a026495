"""What a sender may do, touch and see.

A missing claim grants nothing; `*` among pools or locations grants all of them.
"""

from collections.abc import Collection, Iterable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hub.faults import SettingsInvalid
from protocol.identifiers import Name
from protocol.limits import NAME_CHARS_MAX, TOKEN_LEEWAY_SECONDS

SCOPES: Final = frozenset(
    {
        "events:write",
        "reservations:write",
        "reservations:any",
        "positions:read",
        "feed:read",
        "tokens:write",
        "admin",
    }
)
# Among pools or locations: all of them.
ALL: Final = "*"

# A union of two texts would keep only the first one's pattern.
_NameOrAll = Annotated[str, Meta(pattern=rf"^(\*|[A-Za-z0-9._-]{{1,{NAME_CHARS_MAX}}})(?!\n)$")]


class Claims(msgspec.Struct, frozen=True):
    """Who acts, for which system, and what it may touch and see."""

    # Who acts.
    sub: str
    # Which system sends: the space of event ids.
    source: str
    scope: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    locations: frozenset[str] = frozenset()
    # When it ends, seconds since 1970; None: never.
    exp: float | None = None
    # By which key of this process it was granted; empty where no key was asked.
    voucher: str = ""

    def may(self, scope: str) -> bool:
        """Whether the scope was granted."""
        return scope in self.scope

    def may_pool(self, pool: str) -> bool:
        """Whether the pool may be touched and seen."""
        return pool in self.pools or ALL in self.pools

    def may_location(self, location: str) -> bool:
        """Whether the location may be touched and seen."""
        return location in self.locations or ALL in self.locations

    def pool_reach(self) -> frozenset[str] | None:
        """The pools that may be touched and seen; None: all."""
        return None if ALL in self.pools else self.pools

    def pools_seen(self, public: Iterable[str]) -> frozenset[str] | None:
        """The pools that may be seen, with those that anyone may; None: all."""
        return None if ALL in self.pools else self.pools.union(public)

    def reach(self) -> frozenset[str] | None:
        """The locations that may be touched and seen; None: all."""
        return None if ALL in self.locations else self.locations


def ending_of(claims: Claims, now: float) -> float | None:
    """When a connection with these claims ends, seconds since 1970; None: never by itself.

    The leeway is for clocks that differ, so only a token that came late has it.
    """
    if claims.exp is None or claims.exp > now:
        return claims.exp
    return claims.exp + TOKEN_LEEWAY_SECONDS


# Someone without credentials: only what is public.
ANONYMOUS: Final = Claims(sub="", source="")


def narrower(caller: Claims, wanted: Claims) -> Claims | None:
    """What a token made by `caller` may carry: the wanted claims, or None when one of them is wider.

    It sends for the caller's source, whatever was wanted, and ends no later than the caller's own.
    """
    within = (
        wanted.scope <= caller.scope
        and (wanted.pools <= caller.pools or ALL in caller.pools)
        and (wanted.locations <= caller.locations or ALL in caller.locations)
    )
    if not within:
        return None
    ends = [exp for exp in (caller.exp, wanted.exp) if exp is not None]
    return msgspec.structs.replace(wanted, source=caller.source, exp=min(ends, default=None))


def granted(
    what: str,
    sub: str,
    source: str | None,
    scope: Collection[str],
    pools: Collection[str],
    locations: Collection[str],
) -> Claims:
    """Make claims the hub itself grants; a typing error is told, where in a sent token it grants nothing.

    `what` they are granted to stands before the error.

    Raises:
        SettingsInvalid: a name or scope is none.
    """
    try:
        named = {"sub": sub, "source": source or sub, "pools": tuple(pools), "locations": tuple(locations)}
        grant = msgspec.convert(named, _Grant)
    except msgspec.ValidationError as error:
        raise SettingsInvalid(f"{what}: {error}") from error
    if unknown := set(scope) - SCOPES:
        raise SettingsInvalid(f"{what}: there is no scope {min(unknown)}; there are {', '.join(sorted(SCOPES))}")
    return Claims(sub, grant.source, frozenset(scope), frozenset(pools), frozenset(locations))


class _Grant(msgspec.Struct, frozen=True):
    """What the hub itself grants, checked for typing errors."""

    sub: Name
    source: Name
    pools: tuple[_NameOrAll, ...]
    locations: tuple[_NameOrAll, ...]
