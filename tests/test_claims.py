"""What a sender may do: nothing that was not granted."""

import pytest

from hub.claims import ANONYMOUS, SCOPES, Claims, granted, narrower
from hub.faults import SettingsInvalid

CALLER = Claims(
    sub="shop",
    source="shop",
    scope=frozenset({"tokens:write", "reservations:write"}),
    pools=frozenset({"online", "vip"}),
    locations=frozenset({"*"}),
    exp=2_000.0,
)


def wanted(**changes: object) -> Claims:
    fields: dict[str, object] = {
        "sub": "page",
        "source": "page",
        "scope": frozenset({"reservations:write"}),
        "pools": frozenset({"online"}),
        "locations": frozenset({"LON-KNB"}),
        "exp": 1_500.0,
        **changes,
    }
    return Claims(**fields)  # type: ignore[arg-type]


def test_a_missing_claim_grants_nothing() -> None:
    bare = Claims(sub="a", source="a")

    for nobody in (bare, ANONYMOUS):
        assert not any(nobody.may(scope) for scope in SCOPES)
        assert not nobody.may_pool("online")
        assert not nobody.may_location("LON-KNB")


def test_a_name_grants_itself_and_a_star_grants_all() -> None:
    assert CALLER.may("tokens:write")
    assert not CALLER.may("admin")
    assert CALLER.may_pool("vip")
    assert not CALLER.may_pool("store")
    assert not CALLER.may_pool("*")
    assert CALLER.may_location("anywhere")


def test_the_admin_scope_is_no_other_scope() -> None:
    assert not Claims(sub="a", source="a", scope=frozenset({"admin"})).may("events:write")


def test_a_narrower_token_sends_for_its_maker_and_keeps_the_rest() -> None:
    made = narrower(CALLER, wanted())

    assert made == wanted(source="shop")


@pytest.mark.parametrize(
    "changes",
    [
        {"scope": frozenset({"reservations:write", "events:write"})},
        {"scope": frozenset({"admin"})},
        {"pools": frozenset({"online", "store"})},
        {"pools": frozenset({"*"})},
    ],
)
def test_a_wider_token_is_refused(changes: dict[str, object]) -> None:
    assert narrower(CALLER, wanted(**changes)) is None


def test_who_may_everything_may_hand_on_everything() -> None:
    assert narrower(CALLER, wanted(locations=frozenset({"*"}))) is not None


def test_a_star_of_locations_is_needed_to_hand_it_on() -> None:
    bound = Claims(sub="a", source="a", locations=frozenset({"LON-KNB"}))
    nothing = Claims(sub="b", source="b")

    assert narrower(bound, Claims(sub="b", source="b", locations=frozenset({"*"}))) is None
    assert narrower(bound, Claims(sub="b", source="b", locations=frozenset({"PAR-HON"}))) is None
    assert narrower(nothing, bound) is None


@pytest.mark.parametrize(
    ("callers", "asked", "expected"),
    [(2_000.0, 1_500.0, 1_500.0), (2_000.0, 9_999.0, 2_000.0), (None, 9_999.0, 9_999.0), (2_000.0, None, 2_000.0)],
)
def test_a_token_ends_no_later_than_its_maker(callers: float | None, asked: float | None, expected: float) -> None:
    caller = Claims(sub="a", source="a", exp=callers)

    made = narrower(caller, Claims(sub="b", source="b", exp=asked))

    assert made is not None
    assert made.exp == expected


def test_what_the_hub_grants_has_the_sub_as_its_source_by_default() -> None:
    assert granted("x", "pos-1", None, (), (), ()).source == "pos-1"
    assert granted("x", "pos-1", "till-7", (), (), ()).source == "till-7"


def test_the_hub_grants_names_and_the_star() -> None:
    all_ = granted("x", "pos-1", None, ["events:write"], ["*"], ["*", "LON-KNB"])

    assert all_.may("events:write")
    assert all_.may_pool("any")
    assert all_.locations == {"*", "LON-KNB"}


@pytest.mark.parametrize(
    ("sub", "source", "scope", "pools", "locations"),
    [
        ("", None, (), (), ()),
        ("a b", None, (), (), ()),
        ("a", "b/c", (), (), ()),
        ("a", None, ("event:write",), (), ()),
        ("a", None, (), ("on line",), ()),
        ("a", None, (), (), ("**",)),
        ("a", None, (), ("*\n",), ()),
        ("a", None, (), (), ("x" * 65,)),
    ],
)
def test_a_typing_error_in_what_the_hub_grants_is_told(
    sub: str, source: str | None, scope: tuple[str, ...], pools: tuple[str, ...], locations: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsInvalid, match="the till"):
        granted("the till", sub, source, scope, pools, locations)
