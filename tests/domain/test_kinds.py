"""Kinds of reservation: the built-in ones, and the house's own in place of them."""

from hub.domain.catalogue import KindSettings
from hub.domain.kinds import BUILT_IN_KINDS, LONGEST_SECONDS_MIN, kind_named


def test_the_built_in_kinds_allow_ten_minutes_and_their_usual_time() -> None:
    assert [kind.id for kind in BUILT_IN_KINDS] == ["cart", "checkout", "fraud_hold", "appointment"]
    assert all(kind.longest_seconds >= max(kind.default_seconds, LONGEST_SECONDS_MIN) for kind in BUILT_IN_KINDS)


def test_a_house_adds_kinds_and_takes_the_place_of_built_in_ones() -> None:
    own = (KindSettings("cart", 60, 600), KindSettings("trunk-show", 7_200, 14_400))

    assert kind_named("cart", own) == own[0]
    assert kind_named("trunk-show", own) == own[1]
    assert kind_named("checkout", own) == BUILT_IN_KINDS[1]
    assert kind_named("trunk-show", ()) is None
