"""What another house would show of a SKU, against what this one does."""

from collections.abc import Mapping

import msgspec

from hub.domain.pools import Shown, parts_of, shown
from hub.domain.position import Position
from hub.domain.rules import House


class Difference(msgspec.Struct, frozen=True):
    """One pool that would show a SKU otherwise; None where there is no such pool, which shows it as sold out does."""

    pool: str
    before: Shown | None
    after: Shown | None


def differences(positions: Mapping[str, Position], sku: str, before: House, after: House) -> list[Difference]:
    """Every pool that would show the SKU otherwise, in the order of the new house, then those that would be gone."""
    was, will_be = _all_shown(positions, sku, before), _all_shown(positions, sku, after)
    found = [Difference(pool, was.get(pool), will_be.get(pool)) for pool in dict.fromkeys([*will_be, *was])]
    return [each for each in found if each.before != each.after and not _is_nothing(each)]


def _is_nothing(found: Difference) -> bool:
    """Whether a pool that comes or goes shows the SKU as sold out."""
    sold_out = (Shown(), Shown(available=-1))
    return found.before in sold_out if found.after is None else found.before is None and found.after in sold_out


def _all_shown(positions: Mapping[str, Position], sku: str, house: House) -> dict[str, Shown]:
    profile = house.profile(sku)
    return {
        terms.pool: shown(terms, parts_of(positions, profile, number)) for number, terms in enumerate(profile.terms)
    }
