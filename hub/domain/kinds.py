"""Kinds of reservation: the built-in ones, and what the house says of its own."""

from collections.abc import Iterable

from hub.domain.catalogue import KindSettings

_DAY_SECONDS = 86_400

BUILT_IN_KINDS = (
    KindSettings("cart", default_seconds=900, longest_seconds=3_600),
    KindSettings("checkout", default_seconds=900, longest_seconds=3_600),
    KindSettings("fraud_hold", default_seconds=_DAY_SECONDS, longest_seconds=7 * _DAY_SECONDS),
    KindSettings("appointment", default_seconds=3 * _DAY_SECONDS, longest_seconds=30 * _DAY_SECONDS),
)
# What every built-in kind allows at least, whatever a house says.
LONGEST_SECONDS_MIN = 600


def kind_named(name: str, of_house: Iterable[KindSettings]) -> KindSettings | None:
    """The kind, the house's own before a built-in one; None when there is none."""
    return next((kind for kind in (*of_house, *BUILT_IN_KINDS) if kind.id == name), None)
