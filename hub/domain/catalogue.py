"""The house as it is written down: its locations, pools, rules, SKUs and sources.

These structs are the shapes of hub.toml's tables; `hub.domain.rules.House` is what follows from them. A field
that is left out has the default below; `None` means "not said here", so that a weaker rule may say it.
"""

from collections.abc import Container
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from protocol.identifiers import Name, QuantityOrNone, Sku
from protocol.limits import QUANTITY_MAX

# The statuses every house has, in the order a minus takes from them; the house's own come after them.
BUILT_IN_STATUSES = ("inspection", "damaged")

# Of one SKU.
ATTRIBUTES_MAX = 32
ALIASES_MAX = 32

# -1 lifts a cap that a weaker rule or the pool sets.
Cap = Annotated[int, msgspec.Meta(ge=-1, le=QUANTITY_MAX)]
# Units of a SKU that a pool may promise; a delivery serves all holds in one step, at some 0.3 ms of Redis for each.
PREORDER_LIMIT_MAX = 1_000
PreorderLimit = Annotated[int, msgspec.Meta(ge=0, le=PREORDER_LIMIT_MAX)]
Country = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Z]{2}(?!\n)$", description='a country in two capitals (ISO 3166-1), like "GB"')
]
Label = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]*(?!\n)$",
        description="a text of 1 to 128 characters without control characters",
    ),
]
Instant = Annotated[
    datetime, msgspec.Meta(tz=True, description="a time with its offset, like 2026-11-22T10:00:00+00:00")
]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=366 * 86_400)]
# Between two times at which a third party is asked what happened; vendors allow some requests a second.
AskingSeconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]
RECONCILE_SECONDS = 3_600
# What an attribute says; it may have several lines.
Value = Annotated[str, msgspec.Meta(max_length=500)]
WebAddress = Annotated[
    str,
    msgspec.Meta(
        max_length=500,
        pattern=r"^https?://[^/\s@?#]+(/[^\s#]*)?(?!\n)$",
        description='an address without credentials, like "https://shop.example/api"',
    ),
]
LocationKind = Literal["store", "warehouse", "concession", "supplier"]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One table of the file; an unknown key is an error, for a typo must not change what is sold."""


class LocationSettings(Table, frozen=True):
    """`[[location]]`: a place that holds stock."""

    id: Name
    kind: LocationKind
    country: Country | None = None
    # What people call it; the id is shown where it is empty.
    name: Label | None = None


class GroupSettings(Table, frozen=True):
    """`[[pool.group]]`: locations of the pool that share a rule; its filters look only at the pool's own."""

    id: Name
    locations: tuple[Name, ...] = ()
    kinds: tuple[LocationKind, ...] = ()
    countries: tuple[Country, ...] = ()
    safety: QuantityOrNone | None = None
    threshold: QuantityOrNone | None = None


class PoolSettings(Table, frozen=True):
    """`[[pool]]`: what one audience may buy; without locations, kinds and countries it sees only its fences."""

    id: Name
    # Exactly these locations, or else all that have one of the kinds and lie in one of the countries.
    locations: tuple[Name, ...] = ()
    kinds: tuple[LocationKind, ...] = ()
    countries: tuple[Country, ...] = ()
    # Anyone may read what the pool shows.
    public: bool = False
    # Its readers may also see in which locations the units are.
    per_location: bool = False
    # `status` shows no number at all.
    show: Literal["number", "status"] = "number"
    buffer: QuantityOrNone | None = None
    safety: QuantityOrNone | None = None
    threshold: QuantityOrNone | None = None
    low: QuantityOrNone | None = None
    cap: Cap | None = None
    sell: bool | None = None
    preorder_limit: PreorderLimit | None = None
    group: Annotated[tuple[GroupSettings, ...], msgspec.Meta(max_length=100)] = ()


class RuleSettings(Table, frozen=True):
    """`[[rule]]`: what holds for the pools, groups, SKUs, categories and locations it names."""

    # Which it is for; each one left out stands for all.
    pool: Name | None = None
    group: Name | None = None
    sku: Sku | None = None
    category: Label | None = None
    location: Name | None = None
    # It holds only while this source has been silent for too long.
    stale_source: Name | None = None
    # What it sets; at least one.
    buffer: QuantityOrNone | None = None
    safety: QuantityOrNone | None = None
    threshold: QuantityOrNone | None = None
    low: QuantityOrNone | None = None
    cap: Cap | None = None
    sell: bool | None = None
    preorder_limit: PreorderLimit | None = None
    # It holds from `from` on and no longer at `until`.
    from_: Instant | None = msgspec.field(default=None, name="from")
    until: Instant | None = None

    def holds_at(self, now: datetime, stale_sources: Container[str] = ()) -> bool:
        """Whether the rule is in force at `now`, while these sources are silent."""
        if self.stale_source is not None and self.stale_source not in stale_sources:
            return False
        return (self.from_ is None or self.from_ <= now) and (self.until is None or now < self.until)


class StatusSettings(Table, frozen=True):
    """`[[status]]`: a reason of the house's own why units on the shelf are not for sale (`repair`)."""

    id: Name


class KindSettings(Table, frozen=True):
    """`[[kind]]`: a kind of reservation, new or in place of a built-in one."""

    id: Name
    default_seconds: Seconds = 900
    longest_seconds: Seconds = 3_600


class SourceSettings(Table, frozen=True):
    """`[[source]]`: one account of a third party that sends its own payloads, or a till that should be heard of."""

    id: Name
    # Which dialect it speaks; None: events of the hub's own.
    adapter: Name | None = None
    # How long it may be silent before it is stale; None: what is usual for it.
    silent_seconds: Seconds | None = None
    # The environment variable that holds the secret its signatures are checked with, or several, separated by spaces,
    # the newest first; or the file that does.
    secret_env: Label | None = None
    secret_file: Label | None = None
    # The address that the vendor was given for its deliveries; some sign it.
    url: WebAddress | None = None
    # The pool its sales and orders belong to.
    pool: Name | None = None
    # Their id of a place -> ours; `*` stands for a vendor that names none.
    locations: dict[str, Name] = {}
    # Where goods go that customers give back: `free`, or a status.
    returns_to: Name = "inspection"
    # What its stock levels do: they are compared, they master the location, or nothing.
    levels: Literal["drift", "count", "ignore"] = "drift"
    # The vendor's API, where deliveries only name what is to be fetched, and the variable or file of its token.
    api_url: WebAddress | None = None
    token_env: Label | None = None
    token_file: Label | None = None
    # How often its API is asked for what its deliveries missed, 0 being never; None: every hour where it can be.
    reconcile_seconds: AskingSeconds | None = None
    # How often it is asked where it delivers nothing; it needs no secret then.
    poll_seconds: Seconds | None = None
    # How long a stock level of its own may differ from ours before an alert tells it.
    drift_seconds: Seconds = 900

    @property
    def asked_every_seconds(self) -> int:
        """How often it is asked what happened, where it can be; 0: never."""
        if self.api_url is None or not (self.token_env or self.token_file):
            return 0
        every = self.reconcile_seconds if self.poll_seconds is None else self.poll_seconds
        return RECONCILE_SECONDS if every is None else every


class SkuSettings(Table, frozen=True):
    """`[[sku]]`: what is known of an article beforehand; an article not listed is made by its first fact."""

    id: Sku
    category: Label | None = None
    brand: Label | None = None
    attributes: Annotated[dict[Label, Value], msgspec.Meta(max_length=ATTRIBUTES_MAX)] = {}
    # Other names for it: a GTIN, a vendor's own id.
    aliases: Annotated[tuple[Sku, ...], msgspec.Meta(max_length=ALIASES_MAX)] = ()


class HouseSettings(msgspec.Struct, frozen=True):
    """Everything that is configured about stock."""

    locations: tuple[LocationSettings, ...] = ()
    # In configuration order: arrivals serve the fences of earlier pools first.
    pools: tuple[PoolSettings, ...] = ()
    # In the order of the file: among equals the last wins.
    rules: tuple[RuleSettings, ...] = ()
    skus: tuple[SkuSettings, ...] = ()
    statuses: tuple[StatusSettings, ...] = ()
    kinds: tuple[KindSettings, ...] = ()
    sources: tuple[SourceSettings, ...] = ()


def members(
    kinds: tuple[str, ...], countries: tuple[str, ...], locations: tuple[LocationSettings, ...]
) -> tuple[str, ...]:
    """The ids of the locations a filter picks: any of the kinds and any of the countries, where it names some."""
    if not kinds and not countries:
        return ()
    return tuple(
        location.id
        for location in locations
        if (not kinds or location.kind in kinds) and (not countries or location.country in countries)
    )


def pool_locations(pool: PoolSettings, locations: tuple[LocationSettings, ...]) -> tuple[str, ...]:
    """The ids of the locations the pool sees, as listed or in the order of the house."""
    return pool.locations or members(pool.kinds, pool.countries, locations)


def group_locations(
    group: GroupSettings, pool: PoolSettings, locations: tuple[LocationSettings, ...]
) -> tuple[str, ...]:
    """The ids of the pool's locations that are in the group; others are never in it."""
    seen = pool_locations(pool, locations)
    chosen = group.locations or members(group.kinds, group.countries, locations)
    return tuple(id for id in seen if id in chosen)
