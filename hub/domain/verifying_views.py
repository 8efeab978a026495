"""What pools show of one SKU, checked: against its positions, the rules and what was shown before.

Views that were computed by older rules are left alone: they are recomputed when they are touched or swept.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from hub.domain.pools import Profile, Shown, Terms, View, concerns, parts_of, shown, was_in_stock
from hub.domain.promising import next_eta_ms
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

    @property
    def promises(self) -> bool:
        """Whether any pool may promise any SKU before it arrives."""

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
    if sku.rules != rules.version or rules.house is None or sku.unreadable or sku.expected is None:
        return found
    profile, told = rules.house.profile(sku.name), {finding.pool for finding in found}
    for number, terms in enumerate(profile.terms):
        if terms.pool not in sku.views and terms.pool in told:
            continue
        found += _check_view(sku, rules, profile, number)
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


def _check_view(sku: Sku, rules: Rules, profile: Profile, number: int) -> list[Finding]:
    terms = profile.terms[number]
    view = sku.views.get(terms.pool)
    eta_ms = next_eta_ms(sku.positions, sku.expected or (), profile, number)
    is_concerned = eta_ms is not None or concerns(sku.positions, profile, number)
    if view is None:
        if not is_concerned:
            return []
        return [Finding("view_missing", "the pool sees the SKU, but shows nothing of it", sku.name, pool=terms.pool)]
    if not is_concerned and _cannot_be_left(sku, rules, terms.pool, view):
        detail = "nothing of the SKU concerns the pool, yet it has a view"
        return [Finding("view_foreign", detail, sku.name, pool=terms.pool)]
    parts = parts_of(sku.positions, profile, number)
    return _check_parts(sku, terms, view, parts) + _check_shown(sku, terms, view, eta_ms)


def _cannot_be_left(sku: Sku, rules: Rules, pool: str, view: View) -> bool:
    """Whether nothing ever concerned the pool: no other rules, no fence, and no purchase order that is over."""
    was_promised = view.changes > 0 and rules.house is not None and rules.house.promises
    return rules.version == _FIRST_RULES and not _has_fence(sku, pool) and not was_promised


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


def _check_shown(sku: Sku, terms: Terms, view: View, eta_ms: int | None) -> list[Finding]:
    if len(view.parts) != len(terms.groups):
        return []  # told by the parts already
    found: list[Finding] = []
    has = Shown(view.available, view.capped, view.status, view.eta_ms)
    # Whether it was in stock once only the view itself knows.
    wanted = shown(terms, view.parts, eta_ms, was_in_stock=was_in_stock(view))
    if has != wanted:
        detail = f"it shows {_told(has)}, but its parts, what comes and the rules make {_told(wanted)}"
        found.append(Finding("view_shown", detail, sku.name, pool=terms.pool))
    if view.changes < 0 or (view.changes == 0 and has != Shown(-1 if terms.show_status else 0)):
        detail = f"it shows {_told(has)}, but has changed {view.changes} times"
        found.append(Finding("changes_missing", detail, sku.name, pool=terms.pool))
    return found


def _told(value: Shown) -> str:
    return f"available {value.available}, capped {value.capped}, status {value.status}, eta {value.eta_ms}"


def _has_fence(sku: Sku, pool: str) -> bool:
    """Whether units may have been fenced for the pool once: the fence stays when it is empty."""
    return any(fence.pool == pool for position in sku.positions.values() for fence in position.fences)
