"""The conversation of one connection, decided without a socket or a loop."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from hub.access import Claims, Unauthenticated
from hub.live.limits import LiveLimits
from hub.live.session import TOKEN_ENDED, Close, Forget, Say, Session, Show, ShowShelf, Terms

NOW = 1_795_000_000.0
TOKENS = {
    "vip": Claims(sub="p", source="p", pools=frozenset({"vip"}), exp=NOW + 60),
    "store": Claims(sub="p", source="p", pools=frozenset({"store"})),
    "over": Claims(sub="p", source="p", pools=frozenset({"vip"}), exp=NOW - 1),
    "till": Claims(
        sub="p",
        source="p",
        scope=frozenset({"positions:read"}),
        pools=frozenset({"*"}),
        locations=frozenset({"LON-KNB", "NOWHERE"}),
    ),
}


class Credentials:
    def __init__(self):
        self.granted = {token: msgspec.structs.replace(claims, voucher=token) for token, claims in TOKENS.items()}

    def authenticate_token(self, token, now):
        try:
            return self.granted[token]
        except KeyError:
            raise Unauthenticated("Nobody knows this token.") from None

    def still(self, claims):
        return self.granted.get(claims.voucher) if claims.voucher else claims


def _house():
    pools = [
        SimpleNamespace(id=name, public=name == "online", show_status=False) for name in ("online", "vip", "store")
    ]
    return SimpleNamespace(
        pools=pools,
        pool_index={pool.id: index for index, pool in enumerate(pools)},
        locations={"LON-KNB": None, "PAR-FSH": None},
        sku=lambda name: {"360": "BAG"}.get(name, name),
    )


@pytest.fixture
def access():
    return Credentials()


@pytest.fixture
def make_session(access):
    def made(**limits):
        return Session(Terms(_house, access, LiveLimits(**limits)), NOW)

    return made


@pytest.fixture
def session(make_session):
    return make_session()


def _tell(session, now=NOW, **message):
    return session.receive(json.dumps(message).encode(), now)


def _subscribe(session, pool, *skus, **more):
    return _tell(session, op="subscribe", ref=1, pool=pool, skus=skus, **more)


def _code(decisions):
    (said,) = decisions
    assert isinstance(said, Say)
    return said.message.code


def test_a_public_pool_needs_no_token(session):
    (show,) = _subscribe(session, "online", "A", "B", "A")

    assert show == Show(1, "online", (("online", "A"), ("online", "B")), {})
    assert session.topics == {("online", "A"), ("online", "B")}


def test_aliases_and_spellings_become_the_houses_sku_also_in_known(session):
    (show,) = _subscribe(session, "online", "360", "BAG", "cafe\u0301", known={"360": 7})

    assert show.keys == (("online", "BAG"), ("online", "caf\u00e9"))
    assert show.known == {"BAG": 7}


@pytest.mark.parametrize("pool", ["vip", "nope"])
def test_forbidden_and_unknown_pools_are_both_unknown_and_not_watched(session, pool):
    assert _code(_subscribe(session, pool, "A")) == "unknown_pool"
    assert not session.topics


def test_a_token_widens(session):
    forget, said = _tell(session, op="auth", token="vip")

    assert forget == Forget()
    assert (said.message.pools, said.message.exp) == (("online", "vip"), NOW + 60)
    assert isinstance(_subscribe(session, "vip", "A")[0], Show)


@pytest.mark.parametrize("token", [None, "store"])
def test_a_narrower_token_or_none_drops_what_it_may_not_see(session, token):
    _tell(session, op="auth", token="vip")
    _subscribe(session, "vip", "A")
    _subscribe(session, "online", "A")

    forget, _ = _tell(session, op="auth", token=token)

    assert forget == Forget((("vip", "A"),))
    assert session.topics == {("online", "A")}


def test_a_token_that_is_not_accepted_ends_the_connection_and_grants_nothing(session):
    said, close = _tell(session, op="auth", token="forged")

    assert said.message.code == "unauthenticated"
    assert close == TOKEN_ENDED
    assert session.claims.pools == frozenset()


def test_a_token_that_comes_within_its_leeway_ends_with_the_leeway(session):
    _tell(session, op="auth", token="over")

    assert session.claims.pools == frozenset({"vip"})
    assert not session.expired(NOW + 58)
    assert session.expired(NOW + 59)


def test_a_message_after_the_token_ended_is_not_answered(session):
    _tell(session, op="auth", token="vip")

    assert _tell(session, now=NOW + 60, op="subscribe", ref=1, pool="online", skus=["A"]) == [TOKEN_ENDED]


def test_positions_need_the_scope_and_a_location_that_is_both_granted_and_real(session):
    assert _code(_tell(session, op="subscribe", ref=1, location="LON-KNB")) == "forbidden"
    _tell(session, op="auth", token="till")

    assert _code(_tell(session, op="subscribe", ref=1, location="PAR-FSH")) == "unknown_location"
    assert _code(_tell(session, op="subscribe", ref=1, location="NOWHERE")) == "unknown_location"
    assert _tell(session, op="subscribe", ref=1, location="LON-KNB") == [ShowShelf(1, "LON-KNB")]
    assert _tell(session, op="auth", token=None)[0] == Forget((), ("LON-KNB",))


def test_the_limit_counts_each_sku_once_and_refuses_the_whole_message(make_session):
    session = make_session(skus_max=3)
    _subscribe(session, "online", "A", "B")

    assert isinstance(_subscribe(session, "online", "A", "C")[0], Show)
    assert _code(_subscribe(session, "online", "C", "D")) == "too_many"
    assert len(session.topics) == 3
    _tell(session, op="unsubscribe", ref=1, pool="online", skus=["A"])
    assert isinstance(_subscribe(session, "online", "D")[0], Show)


def test_unsubscribing_what_was_not_watched_is_answered_all_the_same(session):
    forget, said = _tell(session, op="unsubscribe", ref=9, pool="online", skus=["360"])

    assert forget == Forget((("online", "BAG"),))
    assert said.message.ref == 9


@pytest.mark.parametrize(
    ("raw", "ref"),
    [
        (b"", None),
        (b"\xff\xfe", None),
        (b"[" * 50_000, None),
        (b'{"op":"subscribe","ref":3,"pool":"online","skus":[]}', 3),
        (b'{"op":"subscribe","ref":3,"pool":"online","skus":["A"],"location":"X"}', 3),
        (b'{"op":"subscribe","ref":3,"pool":"online","skus":["a\\u0000"]}', 3),
        (b'{"op":"subscribe","ref":3,"pool":"online","skus":["A"],"sku":"B"}', 3),
        (b'{"op":"subscribe","ref":3,"ref":4,"pool":"online","skus":["A"]}', None),
        (b'{"op":"auth","token":7}', None),
    ],
)
def test_what_cannot_be_read_is_named_with_its_ref(session, raw, ref):
    (said,) = session.receive(raw, NOW)

    assert said.message.code == "malformed"
    assert ref is None or said.message.ref == ref


def test_too_much_that_cannot_be_read_closes(make_session):
    session = make_session(malformed_max=1)

    assert len(session.receive(b"?", NOW)) == 1
    assert isinstance(session.receive(b"?", NOW)[-1], Close)


def test_messages_beyond_the_allowance_are_read_later(make_session):
    session = make_session(messages_per_second=10, messages_at_once=3)

    waits = [session.wait_seconds(NOW) for _ in range(5)]

    assert waits == pytest.approx([0, 0, 0, 0.1, 0.1], abs=1e-5)
    assert session.wait_seconds(NOW + 60) == 0


def test_a_message_is_charged_by_what_it_asks_for(make_session):
    session = make_session(messages_per_second=10, messages_at_once=3, skus_charged=100)
    skus = [f"S-{number}" for number in range(200)]
    waits = []
    for _ in range(3):
        _subscribe(session, "online", *skus)
        waits.append(session.wait_seconds(NOW))
        _tell(session, op="unsubscribe", ref=2, pool="online", skus=skus)
        waits.append(session.wait_seconds(NOW))

    assert waits == pytest.approx([0, 0.3, 0.3, 0.3, 0.3, 0.3], abs=1e-5)
    _tell(session, op="auth", token=None)
    assert session.wait_seconds(NOW) == pytest.approx(0.1, abs=1e-5)


def test_a_screen_may_ask_for_all_it_may_watch_at_once(session):
    waits = []
    for part in range(10):
        _subscribe(session, "online", *[f"S-{part}-{number}" for number in range(1_000)])
        waits.append(session.wait_seconds(NOW))

    assert waits == [0] * 10


def test_a_wall_clock_set_back_does_not_silence_a_client(make_session):
    session = make_session(messages_per_second=10, messages_at_once=3)
    session.wait_seconds(NOW)

    assert session.wait_seconds(NOW - 3_600) <= 0.11


def test_a_revoked_key_closes_and_a_narrowed_one_forgets_what_it_may_not(session, access):
    _tell(session, op="auth", token="till")
    _tell(session, op="subscribe", ref=1, pool="online", skus=["BAG"])
    _tell(session, op="subscribe", ref=2, pool="vip", skus=["BAG"])
    _tell(session, op="subscribe", ref=3, location="LON-KNB")
    assert session.recheck_claims() == []

    access.granted["till"] = msgspec.structs.replace(access.granted["till"], pools=frozenset())
    forgotten, said = session.recheck_claims()

    assert forgotten == Forget((("vip", "BAG"),))
    assert (said.message.code, session.locations) == ("unknown_pool", {"LON-KNB"})
    assert session.topics == {("online", "BAG")}
    del access.granted["till"]
    assert session.recheck_claims() == [TOKEN_ENDED]


def test_who_never_showed_a_token_does_not_mind_which_keys_there_are(session, access):
    _tell(session, op="subscribe", ref=1, pool="online", skus=["BAG"])
    access.granted.clear()

    assert session.recheck_claims() == []
