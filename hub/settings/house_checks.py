"""Whether the tables of the house fit together: ids, references, members, aliases."""

from collections.abc import Iterable, Sequence

from hub.domain.catalogue import (
    BUILT_IN_STATUSES,
    GroupSettings,
    HouseSettings,
    LocationSettings,
    PoolSettings,
    pool_locations,
)
from hub.domain.document import DOCUMENT_BYTES_MAX, document_of, encode_document
from hub.domain.kinds import BUILT_IN_KINDS, LONGEST_SECONDS_MIN
from hub.settings.problems import Problems, did_you_mean
from protocol.identifiers import nfc

# Words that already mean a bucket where an event names a status.
_TAKEN_STATUSES = frozenset({*BUILT_IN_STATUSES, "free", "reserved", "written_off"})
_BUILT_IN_KINDS = frozenset(kind.id for kind in BUILT_IN_KINDS)


def check_house(house: HouseSettings, problems: Problems) -> None:
    """Note everything in which the tables contradict each other; rules and sources have checks of their own."""
    check_once("location", "id", [location.id for location in house.locations], problems)
    check_once("pool", "id", [pool.id for pool in house.pools], problems)
    check_once("status", "id", [status.id for status in house.statuses], problems)
    check_once("kind", "id", [kind.id for kind in house.kinds], problems)
    check_once("source", "id", [source.id for source in house.sources], problems)
    check_once("sku", "id", [nfc(sku.id) for sku in house.skus], problems)
    for place, pool in enumerate(house.pools):
        _check_pool(pool, f"pool[{place}]", house.locations, problems)
    _check_aliases(house, problems)
    _check_words(house, problems)


def check_size(house: HouseSettings, problems: Problems) -> None:
    """Note a house that is larger than what a partition holds."""
    if len(encode_document(document_of(house, 0))) > DOCUMENT_BYTES_MAX:
        problems.add("", f"its tables take more than {DOCUMENT_BYTES_MAX // 2**20} MiB without the SKUs; name fewer")


def check_once(table: str, key: str, names: Sequence[str], problems: Problems) -> None:
    """Note every name that stood before; the empty ones are known to be missing."""
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if name and first.setdefault(name, place) != place:
            problems.add(f"{table}[{place}].{key}", f'"{name}" stands in {table}[{first[name]}] too; it is given once')


def check_known(kind: str, name: str | None, known: Iterable[str], path: str, problems: Problems) -> None:
    """Note a name that no table of that kind has."""
    if name is not None and name not in known:
        problems.add(path, f'"{name}" is no {kind}{did_you_mean(name, known)}')


def _check_pool(pool: PoolSettings, path: str, locations: tuple[LocationSettings, ...], problems: Problems) -> None:
    _check_members(pool, path, [location.id for location in locations], "location of the house", problems)
    seen = pool_locations(pool, locations)
    check_once(f"{path}.group", "id", [group.id for group in pool.group], problems)
    owner: dict[str, str] = {}
    for place, group in enumerate(pool.group):
        group_path = f"{path}.group[{place}]"
        if not (group.locations or group.kinds or group.countries or problems.inside(group_path)):
            problems.add(group_path, "is of no location: give it locations, or kinds and countries")
        _check_members(group, group_path, seen, "location the pool sees", problems)
        _check_overlap(group, group_path, _members(group, seen, locations), owner, problems)


def _check_members(
    table: PoolSettings | GroupSettings, path: str, known: Sequence[str], kind: str, problems: Problems
) -> None:
    if table.locations and (table.kinds or table.countries):
        problems.add(path, "give it locations, or kinds and countries, not both")
    before: set[str] = set()
    for place, name in enumerate(table.locations):
        check_known(kind, name, known, f"{path}.locations[{place}]", problems)
        if name in before:
            problems.add(f"{path}.locations[{place}]", f'"{name}" stands here twice')
        before.add(name)


def _members(group: GroupSettings, seen: tuple[str, ...], locations: tuple[LocationSettings, ...]) -> list[str]:
    if group.locations:
        return [name for name in seen if name in group.locations]
    chosen = pool_locations(PoolSettings("", kinds=group.kinds, countries=group.countries), locations)
    return [name for name in seen if name in chosen]


def _check_overlap(
    group: GroupSettings, path: str, members: list[str], owner: dict[str, str], problems: Problems
) -> None:
    for name in members:
        if name in owner:
            problems.add(path, f'"{name}" is in group "{owner[name]}" too; a pool\'s groups do not overlap')
        owner.setdefault(name, group.id)


def _check_aliases(house: HouseSettings, problems: Problems) -> None:
    owner = {nfc(sku.id): nfc(sku.id) for sku in house.skus}
    for place, sku in enumerate(house.skus):
        for number, alias in enumerate(sku.aliases):
            other = owner.setdefault(nfc(alias), nfc(sku.id))
            if other != nfc(sku.id):
                problems.add(
                    f"sku[{place}].aliases[{number}]",
                    f'"{alias}" is a name of "{other}" already; a name stands for one SKU',
                )


def _check_words(house: HouseSettings, problems: Problems) -> None:
    for place, status in enumerate(house.statuses):
        if status.id in _TAKEN_STATUSES:
            problems.add(f"status[{place}].id", f'"{status.id}" is built in; take another word')
    for place, kind in enumerate(house.kinds):
        if kind.default_seconds > kind.longest_seconds:
            problems.add(f"kind[{place}].default_seconds", "must not be longer than longest_seconds")
        if kind.id in _BUILT_IN_KINDS and kind.longest_seconds < LONGEST_SECONDS_MIN:
            detail = f'"{kind.id}" allows at least {LONGEST_SECONDS_MIN} seconds'
            problems.add(f"kind[{place}].longest_seconds", detail)
