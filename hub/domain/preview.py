"""What another house would show of a SKU, against what this one does."""

from collections.abc import Mapping, Sequence

import msgspec

from hub.domain.expected import ExpectedLine
from hub.domain.pools import Shown, Status, View, parts_of, shown, was_in_stock
from hub.domain.position import Position
from hub.domain.promising import next_eta_ms
from hub.domain.rules import House


class Stored(msgspec.Struct, frozen=True):
    """What is stored of a SKU, and what is shown of it depends on."""

    # By location.
    positions: Mapping[str, Position]
    expected: Sequence[ExpectedLine] = ()
    # By pool; what was in stock once is a backorder and no preorder.
    views: Mapping[str, View] = {}


class Difference(msgspec.Struct, frozen=True):
    """One pool that would show a SKU otherwise; None where there is no such pool, which shows it as sold out does."""

    pool: str
    before: Shown | None
    after: Shown | None


def differences(stored: Stored, sku: str, before: House, after: House) -> list[Difference]:
    """Every pool that would show the SKU otherwise, in the order of the new house, then those that would be gone."""
    was, will_be = _all_shown(stored, sku, before), _all_shown(stored, sku, after)
    found = [Difference(pool, was.get(pool), will_be.get(pool)) for pool in dict.fromkeys([*will_be, *was])]
    return [each for each in found if each.before != each.after and not _is_nothing(each)]


def _is_nothing(found: Difference) -> bool:
    """Whether a pool that comes or goes shows the SKU as sold out."""
    sold_out = [Shown(units, 0, status) for units in (0, -1) for status in (Status.out_of_stock, Status.emptied)]
    return found.after in sold_out if found.before is None else found.after is None and found.before in sold_out


def _all_shown(stored: Stored, sku: str, house: House) -> dict[str, Shown]:
    profile = house.profile(sku)
    return {
        terms.pool: shown(
            terms,
            parts_of(stored.positions, profile, number),
            next_eta_ms(stored.positions, stored.expected, profile, number),
            was_in_stock=was_in_stock(stored.views.get(terms.pool, View())),
        )
        for number, terms in enumerate(profile.terms)
    }
