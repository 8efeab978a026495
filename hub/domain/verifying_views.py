"""What pools show of one SKU, checked: against its positions, the rules and what was shown before.

Views that were computed by older rules are left alone: they are recomputed when they are touched or swept.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from hub.domain.pools import Profile, Shown, Terms, View, parts_of, shown
from hub.domain.verifying import Finding, Sku

# Of a partition whose house never changed; a view that concerns nothing cannot be left over from other rules there.
_FIRST_RULES = 1


class House(Protocol):
    """The resolved configuration; `hub.domain.rules.House` is one."""

    @property
    def digest(self) -> str:
        """A hash of everything that changes what is resolved."""

    @property
    def pool_index(self) -> Mapping[str, int]:
        """Each pool's place in the configuration."""

    def profile(self, sku: str) -> Profile:
        """Resolve all rules for a SKU."""


class Rules(msgspec.Struct, frozen=True):
    """The partition's rules at one moment."""

    version: int
    # None when the house at hand is not the partition's: what it shows cannot be computed then.
    house: House | None


def check_views(sku: Sku, rules: Rules, last_changes: Mapping[str, int]) -> list[Finding]:
    """Compare what the pools show with what they must; `last_changes` is the ledger's newest count by pool."""
    found = _gone_back(sku, last_changes)
    if sku.rules is None:
        return found
    if sku.rules > rules.version:
        detail = f"computed by the rules {sku.rules}, but the partition has {rules.version}"
        found.append(Finding("rules_ahead", detail, sku.name))
    if sku.rules != rules.version or rules.house is None or sku.unreadable:
        return found
    profile, told = rules.house.profile(sku.name), {finding.pool for finding in found}
    for number, terms in enumerate(profile.terms):
        if terms.pool not in sku.views and terms.pool in told:
            continue
        found += _check_view(sku, profile, number, terms, is_first=rules.version == _FIRST_RULES)
    if rules.version == _FIRST_RULES:
        for pool in sku.views.keys() - rules.house.pool_index.keys():
            found.append(Finding("view_foreign", "the house has no such pool", sku.name, pool=pool))
    return found


def _gone_back(sku: Sku, last_changes: Mapping[str, int]) -> list[Finding]:
    """A rev that falls would be ignored by every screen that saw the higher one."""
    found: list[Finding] = []
    for pool, changes in last_changes.items():
        view = sku.views.get(pool)
        if view is None and pool not in sku.unreadable:
            detail = f"the ledger knows {changes} changes, but Redis has no view"
            found.append(Finding("view_missing", detail, sku.name, pool=pool))
        elif view is not None and view.changes < changes:
            detail = f"the shown value has changed {view.changes} times, but the ledger knows {changes}"
            found.append(Finding("rev_back", detail, sku.name, pool=pool))
    return found


def _check_view(sku: Sku, profile: Profile, number: int, terms: Terms, *, is_first: bool) -> list[Finding]:
    view = sku.views.get(terms.pool)
    concerns = _concerns(sku, profile, number)
    if view is None:
        if not concerns:
            return []
        return [Finding("view_missing", "the pool sees the SKU, but shows nothing of it", sku.name, pool=terms.pool)]
    if is_first and not concerns and not _has_fence(sku, terms.pool):
        detail = "nothing of the SKU concerns the pool, yet it has a view"
        return [Finding("view_foreign", detail, sku.name, pool=terms.pool)]
    return _check_parts(sku, terms, view, parts_of(sku.positions, profile, number)) + _check_shown(sku, terms, view)


def _check_parts(sku: Sku, terms: Terms, view: View, parts: tuple[int, ...]) -> list[Finding]:
    if view.parts == parts:
        return []
    others = sum(
        fence.quantity for position in sku.positions.values() for fence in position.fences if fence.pool != terms.pool
    )
    detail = f"the parts are {list(view.parts)}, but the positions make {list(parts)}"
    if others and sum(view.parts) > sum(parts):
        detail += f"; {others} units are fenced for others, and may be shown here"
        return [Finding("privacy", detail, sku.name, pool=terms.pool)]
    return [Finding("view_parts", detail, sku.name, pool=terms.pool)]


def _check_shown(sku: Sku, terms: Terms, view: View) -> list[Finding]:
    if len(view.parts) != len(terms.groups):
        return []  # told by the parts already
    found: list[Finding] = []
    has, wanted = Shown(view.available, view.capped, view.status, view.eta_ms), shown(terms, view.parts)
    if has != wanted:
        detail = f"it shows {_told(has)}, but its parts and rules make {_told(wanted)}"
        found.append(Finding("view_shown", detail, sku.name, pool=terms.pool))
    if view.changes < 0 or (view.changes == 0 and has != Shown(-1 if terms.show_status else 0)):
        detail = f"it shows {_told(has)}, but has changed {view.changes} times"
        found.append(Finding("changes_missing", detail, sku.name, pool=terms.pool))
    return found


def _told(value: Shown) -> str:
    return f"available {value.available}, capped {value.capped}, status {value.status}, eta {value.eta_ms}"


def _concerns(sku: Sku, profile: Profile, number: int) -> bool:
    """Whether the pool sees a place where the SKU has a position, or has units fenced at one."""
    pool = profile.terms[number].pool
    return any(
        profile.sight(location)[number][0] > 0
        or any(fence.pool == pool and fence.quantity for fence in position.fences)
        for location, position in sku.positions.items()
    )


def _has_fence(sku: Sku, pool: str) -> bool:
    """Whether units may have been fenced for the pool once: the fence stays when it is empty."""
    return any(fence.pool == pool for position in sku.positions.values() for fence in position.fences)
