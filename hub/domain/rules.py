"""What holds for one SKU in each pool: the house's rules, resolved.

Each key resolves by itself; which rule wins is `hub.domain.precedence`'s.

Which rules may set what (`hub check` refuses the others, here they are without effect):

    buffer                          any rule; resolved per pool, location and SKU
    safety, threshold of a group    the group, and rules that name the group and no location
    safety, threshold of a pool     the pool, and rules that name neither group nor location
    low, cap, sell, preorder_limit  the pool, and rules that name neither group nor location
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from hub.domain.articles import Article, Catalogue, catalogue_of
from hub.domain.catalogue import (
    BUILT_IN_STATUSES,
    HouseSettings,
    LocationSettings,
    PoolSettings,
    RuleSettings,
    group_locations,
    pool_locations,
)
from hub.domain.document import HouseDocument, document_of, instant, whole_ms
from hub.domain.precedence import anonymous, by_target, first_set, strongest_first

# Per pool: the 1-based index of the group the location is in (0: not seen), and the buffer there.
Sight = tuple[tuple[int, int], ...]
# Per location, per pool: that index.
_GroupsOf = dict[str, tuple[int, ...]]


class Group(msgspec.Struct, frozen=True):
    """Locations of a pool that share a rule."""

    id: str
    locations: tuple[str, ...]


class Pool(msgspec.Struct, frozen=True):
    """A pool, the locations it sees already resolved."""

    id: str
    public: bool
    per_location: bool
    show_status: bool
    locations: tuple[str, ...]
    groups: tuple[Group, ...]


class PoolTerms(msgspec.Struct, array_like=True, frozen=True):
    """What one pool does with the units of a SKU, but for the buffers."""

    pool: str
    # 0 shows nothing at all.
    sell: int
    threshold: int
    safety: int
    # At or under it the status is `low_stock`.
    low: int
    # The most that is shown; -1 is no cap.
    cap: int
    # 1 shows no number.
    show_status: int
    # (threshold, safety) per group: first the locations in no group, which have none, then the pool's groups.
    groups: tuple[tuple[int, int], ...]
    # The most units that are sold before they arrive.
    preorder_limit: int = 0


class Profile:
    """How the rules treat a SKU; all SKUs they treat alike share one."""

    __slots__ = ("_blind", "_groups", "_pools", "_rules", "_sights", "terms")

    def __init__(self, pools: tuple[Pool, ...], rules: tuple[RuleSettings, ...], groups: _GroupsOf) -> None:
        self.terms = tuple(_terms(pool, rules) for pool in pools)
        self._pools = pools
        # Strongest first, only those that are for this SKU.
        self._rules = rules
        self._groups = groups
        # At most one entry per location of the house.
        self._sights: dict[str, Sight] = {}
        self._blind: Sight = ((0, 0),) * len(pools)

    def sight(self, location: str) -> Sight:
        """How each pool, in configuration order, sees the SKU at a location: (1-based index into its groups, buffer).

        (0, 0) where a pool does not see the location; a location the house does not have is seen by none.
        """
        sight = self._sights.get(location)
        if sight is not None:
            return sight
        groups = self._groups.get(location)
        if groups is None:
            return self._blind
        sight = tuple(
            (index, _buffer(pool, index, location, self._rules)) if index else (0, 0)
            for pool, index in zip(self._pools, groups, strict=True)
        )
        self._sights[location] = sight
        return sight


class House:
    """The configured house as it is at one moment: a pure function of its document and the catalogue.

    Nothing in it changes but what the catalogue knows of a SKU, and each such change has its own revision.
    """

    def __init__(
        self,
        settings: HouseSettings,
        active_at: datetime,
        stale_sources: Iterable[str] = (),
        catalogue: Catalogue | None = None,
    ) -> None:
        """Resolve the house with the rules in force at `active_at`; `settings` must have passed its checks.

        Without a catalogue the SKUs of the settings are all that is known.
        """
        self.document = document_of(settings, whole_ms(active_at), tuple(stale_sources))
        self.catalogue = catalogue_of(settings.skus) if catalogue is None else catalogue
        self.locations: dict[str, LocationSettings] = {location.id: location for location in settings.locations}
        self.pools = tuple(_pool(pool, settings.locations) for pool in settings.pools)
        self.pool_index = {pool.id: index for index, pool in enumerate(self.pools)}
        # Sources that somebody said how long they may be silent.
        self.silent_seconds = {
            source.id: source.silent_seconds for source in settings.sources if source.silent_seconds is not None
        }
        self.statuses = (*BUILT_IN_STATUSES, *(status.id for status in settings.statuses))
        stale = self.document.stale_sources
        self._rules = strongest_first(settings, instant(self.document.active_at_ms), stale)
        # Whether any pool may promise any SKU before it arrives.
        self.promises = any(rule.preorder_limit for rule in self._rules)
        self.digest = self._digest()
        indexes = [_group_indexes(pool) for pool in self.pools]
        self._groups_of = {id: tuple(of_pool.get(id, 0) for of_pool in indexes) for id in self.locations}
        self._written_for, self._for_category = by_target(self._rules)
        self._ruled_categories = {rule.category for rule in self._rules if rule.category is not None}
        # Which SKUs the rules name, by the house's names of `_names_version`.
        self._for_sku: dict[str, list[int]] = {}
        self._names_version = -1
        self._unnamed = self._resolve(())
        # At most one for each set of rules that name a SKU or category: the file is the bound.
        self._profiles: dict[tuple[tuple[int, ...], str | None], Profile] = {}
        self._shared: dict[tuple[RuleSettings, ...], Profile] = {}

    @classmethod
    def of(cls, document: HouseDocument, catalogue: Catalogue) -> "House":
        """The house that a partition's document says."""
        return cls(document.settings, instant(document.active_at_ms), document.stale_sources, catalogue)

    def sku(self, name: str) -> str:
        """The house's own name of a SKU given by any of its names; a name nobody knows is its own (in NFC)."""
        return self.catalogue.sku(name)

    def revision(self, sku: str) -> int:
        """How often the SKU, given by the house's name, was described; 0 is never."""
        return self.catalogue.revision(sku)

    def category(self, sku: str) -> str | None:
        """The category of a SKU, given by the house's name; None when it has none."""
        return self.catalogue.category(sku)

    def profile(self, sku: str) -> Profile:
        """How the rules treat a SKU, given by the house's name."""
        return self._profile(self._rules_naming(sku), self.catalogue.category(sku))

    def profile_as(self, sku: str, article: Article) -> Profile:
        """How the rules would treat a SKU that is described so."""
        own = [index for name in (sku, *article.aliases) for index in self._written_for.get(name, ())]
        return self._profile(own, article.category)

    def _profile(self, own: Sequence[int], category: str | None) -> Profile:
        if category not in self._ruled_categories:
            category = None
        if not own and category is None:
            return self._unnamed
        target = (tuple(index for index in own if self._rules[index].category in (None, category)), category)
        profile = self._profiles.get(target)
        if profile is None:
            profile = self._profiles[target] = self._shared_profile(*target)
        return profile

    def _rules_naming(self, sku: str) -> Sequence[int]:
        if self._names_version != self.catalogue.names_version:
            self._for_sku = {}
            for name, indexes in self._written_for.items():
                self._for_sku.setdefault(self.catalogue.sku(name), []).extend(indexes)
            self._names_version = self.catalogue.names_version
        return self._for_sku.get(sku, ())

    def _shared_profile(self, own: tuple[int, ...], category: str | None) -> Profile:
        of_category = [] if category is None else self._for_category.get(category, [])
        chosen = sorted({*own, *of_category})
        key = tuple(anonymous(self._rules[index]) for index in chosen)
        if not key:
            return self._unnamed
        profile = self._shared.get(key)
        if profile is None:
            profile = self._shared[key] = self._resolve(tuple(chosen))
        return profile

    def _resolve(self, chosen: tuple[int, ...]) -> Profile:
        rules = tuple(
            rule
            for index, rule in enumerate(self._rules)
            if index in chosen or (rule.sku is None and rule.category is None)
        )
        return Profile(self.pools, rules, self._groups_of)

    def _digest(self) -> str:
        parts: list[Any] = [
            sorted(self.locations),
            [(pool.id, pool.show_status, pool.locations, pool.groups) for pool in self.pools],
            self.statuses,
            self._rules,
        ]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def _pool(pool: PoolSettings, locations: tuple[LocationSettings, ...]) -> Pool:
    groups = tuple(Group(group.id, group_locations(group, pool, locations)) for group in pool.group)
    return Pool(
        id=pool.id,
        public=pool.public,
        per_location=pool.per_location,
        show_status=pool.show == "status",
        locations=pool_locations(pool, locations),
        groups=groups,
    )


def _group_indexes(pool: Pool) -> dict[str, int]:
    """Location -> 1-based index of its group; 1 is the group of locations in no group."""
    indexes = dict.fromkeys(pool.locations, 1)
    for index, group in enumerate(pool.groups, start=2):
        indexes.update(dict.fromkeys(group.locations, index))
    return indexes


def _terms(pool: Pool, rules: tuple[RuleSettings, ...]) -> PoolTerms:
    own = [rule for rule in rules if rule.pool in (None, pool.id) and rule.location is None]
    of_pool = [rule for rule in own if rule.group is None]
    groups = []
    for group in pool.groups:
        of_group = [rule for rule in own if rule.group == group.id]
        groups.append((first_set("threshold", of_group), first_set("safety", of_group)))
    return PoolTerms(
        pool=pool.id,
        sell=int(first_set("sell", of_pool)),
        threshold=first_set("threshold", of_pool),
        safety=first_set("safety", of_pool),
        low=first_set("low", of_pool),
        cap=first_set("cap", of_pool),
        show_status=int(pool.show_status),
        groups=((0, 0), *groups),
        preorder_limit=first_set("preorder_limit", of_pool),
    )


def _buffer(pool: Pool, group_index: int, location: str, rules: tuple[RuleSettings, ...]) -> int:
    group = pool.groups[group_index - 2].id if group_index > 1 else None
    here = [
        rule
        for rule in rules
        if rule.pool in (None, pool.id) and rule.group in (None, group) and rule.location in (None, location)
    ]
    return first_set("buffer", here)
