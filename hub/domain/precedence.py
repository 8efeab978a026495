"""Which rule wins: all rules of a house in one order, so that the first one that sets a key decides it.

A rule that names the SKU beats one that does not; between two that both do, or both do not, location decides,
then group, category and pool; between two that name the same, the later in the file. What stands in a pool's or a
group's own table counts as a rule that names it and stands before all rules. Times and a silent source decide whether a
rule is in force, never which of two wins.
"""

from collections.abc import Container, Iterator, Sequence
from datetime import datetime

import msgspec

from hub.domain.catalogue import HouseSettings, PoolSettings, RuleSettings
from protocol.identifiers import nfc

# What holds where nobody says anything.
DEFAULTS = {"buffer": 0, "safety": 0, "threshold": 0, "low": 0, "cap": -1, "sell": 1, "preorder_limit": 0}


def strongest_first(
    settings: HouseSettings, active_at: datetime, stale_sources: Container[str]
) -> tuple[RuleSettings, ...]:
    """The rules in force at `active_at`, tables included, so that the first one that sets a key wins.

    A SKU stands in them as it was written (in NFC): which one an alias means may change while the rules stay.
    """
    rules = [rule for pool in settings.pools for rule in _tables(pool)]
    for rule in settings.rules:
        if rule.holds_at(active_at, stale_sources):
            named = {} if rule.sku is None else {"sku": nfc(rule.sku)}
            # These decide only whether a rule is in force, so they are no part of what the house is.
            rules.append(msgspec.structs.replace(rule, from_=None, until=None, stale_source=None, **named))
    # Turned round first, because sorting keeps the order of equals and among equals the last wins.
    rules.reverse()
    return tuple(sorted(rules, key=_strength, reverse=True))


def by_target(rules: tuple[RuleSettings, ...]) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Indexes of the rules that name a SKU, by SKU, and of those that name only a category, by category."""
    for_sku: dict[str, list[int]] = {}
    for_category: dict[str, list[int]] = {}
    for index, rule in enumerate(rules):
        if rule.sku is not None:
            for_sku.setdefault(rule.sku, []).append(index)
        elif rule.category is not None:
            for_category.setdefault(rule.category, []).append(index)
    return for_sku, for_category


def anonymous(rule: RuleSettings) -> RuleSettings:
    """The rule without whom it is for, but with what kind of whom: that decides which rule beats which."""
    return msgspec.structs.replace(
        rule, sku=None if rule.sku is None else "*", category=None if rule.category is None else "*"
    )


def first_set(key: str, rules: Sequence[RuleSettings]) -> int:
    """The value of a key: what the first rule that sets it says, else what holds where nobody says anything."""
    for rule in rules:
        value: int | None = getattr(rule, key)
        if value is not None:
            return value
    return DEFAULTS[key]


def _tables(pool: PoolSettings) -> Iterator[RuleSettings]:
    yield RuleSettings(
        pool=pool.id,
        buffer=pool.buffer,
        safety=pool.safety,
        threshold=pool.threshold,
        low=pool.low,
        cap=pool.cap,
        sell=pool.sell,
        preorder_limit=pool.preorder_limit,
    )
    for group in pool.group:
        yield RuleSettings(pool=pool.id, group=group.id, safety=group.safety, threshold=group.threshold)


def _strength(rule: RuleSettings) -> tuple[bool, ...]:
    selectors = (rule.sku, rule.location, rule.group, rule.category, rule.pool)
    return tuple(selector is not None for selector in selectors)
