"""Whether each `[[rule]]` can have an effect: what it names exists, and what it sets can be set there."""

from hub.domain.catalogue import HouseSettings, PoolSettings, RuleSettings, group_locations, pool_locations
from hub.settings.house_checks import check_known
from hub.settings.problems import Problems, did_you_mean

# One number for a pool as a whole; a part of it has none.
_PER_POOL = ("low", "cap", "sell", "preorder_limit")
# One number for a pool or a group, over all their locations.
_PER_TOTAL = ("safety", "threshold")
_KEYS = ("buffer", *_PER_TOTAL, *_PER_POOL)


def check_rules(house: HouseSettings, problems: Problems) -> None:
    """Note every rule that names something unknown, or mixes what cannot be mixed."""
    pools = {pool.id: [group.id for group in pool.group] for pool in house.pools}
    locations = [location.id for location in house.locations]
    for place, rule in enumerate(house.rules):
        path = f"rule[{place}]"
        check_known("pool of the house", rule.pool, pools, f"{path}.pool", problems)
        check_known("location of the house", rule.location, locations, f"{path}.location", problems)
        _check_group(rule, path, pools, problems)
        _check_keys(rule, path, problems)
        if rule.from_ is not None and rule.until is not None and rule.from_ >= rule.until:
            problems.add(f"{path}.until", "must be later than from")


def check_effects(house: HouseSettings, warnings: Problems) -> None:
    """Note every rule for a location that no pool it is for sees: it is no mistake in itself, but changes nothing."""
    locations = {location.id for location in house.locations}
    for place, rule in enumerate(house.rules):
        pools = [pool for pool in house.pools if rule.pool in (None, pool.id)]
        # Names that are unknown are problems of their own.
        if rule.location not in locations or not pools:
            continue
        if any(rule.location in _seen(pool, rule, house) for pool in pools):
            continue
        who = f'the pool "{rule.pool}" does not see' if rule.pool is not None else "no pool sees"
        where = f' in a group "{rule.group}"' if rule.group is not None else ""
        warnings.add(f"rule[{place}].location", f'the rule has no effect: {who} "{rule.location}"{where}')


def _seen(pool: PoolSettings, rule: RuleSettings, house: HouseSettings) -> tuple[str, ...]:
    """The locations that the pool sees, or has in the rule's group."""
    if rule.group is None:
        return pool_locations(pool, house.locations)
    groups = [group for group in pool.group if group.id == rule.group]
    return tuple(name for group in groups for name in group_locations(group, pool, house.locations))


def _check_group(rule: RuleSettings, path: str, pools: dict[str, list[str]], problems: Problems) -> None:
    # An unknown pool is a problem of its own.
    if rule.group is None or (rule.pool is not None and rule.pool not in pools):
        return
    where = f'pool "{rule.pool}" has' if rule.pool is not None else "any pool has"
    known = pools[rule.pool] if rule.pool is not None else [group for groups in pools.values() for group in groups]
    if rule.group not in known:
        problems.add(f"{path}.group", f'"{rule.group}" is no group that {where}{did_you_mean(rule.group, known)}')


def _check_keys(rule: RuleSettings, path: str, problems: Problems) -> None:
    given = [key for key in _KEYS if getattr(rule, key) is not None]
    if not given and not problems.inside(path):
        problems.add(path, f"sets nothing; give it one of {', '.join(_KEYS)}")
    for key in given:
        if key in _PER_POOL and (rule.group is not None or rule.location is not None):
            problems.add(f"{path}.{key}", f"{key} holds for a whole pool: the rule must not name group or location")
        if key in _PER_TOTAL and rule.location is not None:
            problems.add(f"{path}.{key}", f"{key} holds for a total: the rule must not name a location (buffer may)")
