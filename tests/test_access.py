"""Who may do what: a valid token or key becomes claims, everything else is refused with one sentence."""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hub import access as access_module
from hub.access import Access, Unauthenticated, mint
from hub.claims import Claims
from hub.credentials import AccessSettings, JwtKey, OpaqueKey, Secret, new_opaque_key
from hub.faults import SettingsInvalid

NOW = 1_795_341_600.0
SHARED_TEXT = "0123456789abcdef0123456789abcdef"
SHARED = JwtKey("shared", "HS256", Secret(SHARED_TEXT))
_PRIVATE = Ed25519PrivateKey.generate()
PRIVATE_PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
PAIR = JwtKey("pair", "EdDSA", Secret(PRIVATE_PEM), PUBLIC_PEM)
KEY_TEXT, KEY_HASH = new_opaque_key()
TILL = OpaqueKey("till", KEY_HASH, "pos-1", "till-7", ("events:write",), ("store",), ("LON-KNB",))
PAYLOAD: dict[str, Any] = {"sub": "pos-1", "exp": NOW + 100}


@pytest.fixture
def access() -> Access:
    return Access(AccessSettings((SHARED, PAIR), (TILL,)))


def token(key: JwtKey = SHARED, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    assert key.secret is not None
    payload = {name: value for name, value in {**PAYLOAD, **changes}.items() if value is not None}
    return jwt.encode(payload, key.secret.reveal(), algorithm=key.algorithm, headers=headers or {"kid": key.kid})


def minted(key: JwtKey = SHARED, **changes: Any) -> str:
    wanted: dict[str, Any] = {
        "sub": "pos-1",
        "scope": ("events:write",),
        "pools": ("store",),
        "locations": ("LON-KNB",),
        "ttl_seconds": 3_600,
        "now": NOW,
        **changes,
    }
    return mint(key, **wanted)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def signed(header: object, payload: object, secret: str) -> str:
    """A token by HS256 that the library would not make."""
    text = f"{segment(header)}.{segment(payload)}"
    digest = hmac.new(secret.encode(), text.encode(), sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def refusal(access: Access, given: str, now: float = NOW) -> str:
    with pytest.raises(Unauthenticated) as caught:
        access.authenticate_token(given, now)
    if len(given) > 3:
        assert given not in str(caught.value)
    # Nothing of the library's own error, which could hold a part of the token, is printed beside it.
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("key", [SHARED, PAIR])
def test_a_minted_token_is_accepted_with_its_claims(access: Access, key: JwtKey) -> None:
    claims = access.authenticate(f"Bearer {minted(key, source='till-7')}", NOW)

    assert claims == Claims(
        sub="pos-1",
        source="till-7",
        scope=frozenset({"events:write"}),
        pools=frozenset({"store"}),
        locations=frozenset({"LON-KNB"}),
        exp=NOW + 3_600,
        voucher=f"{key.kid} 1",
    )


def test_claims_that_are_left_out_grant_nothing_and_the_source_is_the_sub(access: Access) -> None:
    claims = access.authenticate_token(token(), NOW)

    assert claims == Claims(sub="pos-1", source="pos-1", exp=NOW + 100, voucher="shared 1")


@pytest.mark.parametrize("scope", ["events:write  feed:read", ["events:write", "feed:read"]])
def test_a_scope_is_a_text_with_spaces_or_a_list(access: Access, scope: object) -> None:
    claims = access.authenticate_token(token(scope=scope), NOW)

    assert claims.scope == {"events:write", "feed:read"}


def test_an_opaque_key_is_accepted_and_never_ends(access: Access) -> None:
    claims = access.authenticate(f"bearer  {KEY_TEXT} ", NOW * 10)

    assert (claims.sub, claims.source, claims.exp) == ("pos-1", "till-7", None)
    assert claims.may("events:write")
    assert claims.may_pool("store")
    assert not claims.may_location("PAR-HON")


def test_a_key_that_is_taken_out_is_revoked() -> None:
    access = Access(AccessSettings(opaque_keys=(TILL,)))
    claims = access.authenticate_token(KEY_TEXT, NOW)
    assert access.still(claims) == claims

    access.take(AccessSettings())

    assert refusal(access, KEY_TEXT)
    assert access.still(claims) is None


def test_a_key_that_may_do_less_does_less_from_then_on(access: Access) -> None:
    claims = access.authenticate_token(KEY_TEXT, NOW)

    access.take(AccessSettings((SHARED, PAIR), (msgspec.structs.replace(TILL, pools=()),)))

    narrowed = access.still(claims)
    assert narrowed is not None
    assert not narrowed.pools
    assert narrowed.may_location("LON-KNB")
    assert access.authenticate_token(KEY_TEXT, NOW) == narrowed


def test_what_a_key_signed_ends_with_it_and_not_with_another(access: Access) -> None:
    by_shared, by_pair = (access.authenticate_token(token(key), NOW) for key in (SHARED, PAIR))
    other = msgspec.structs.replace(SHARED, secret=Secret(SHARED_TEXT[::-1]))

    access.take(AccessSettings((other, PAIR)))

    assert access.still(by_shared) is None
    assert access.still(by_pair) == by_pair
    assert refusal(access, token(SHARED)) == "The token's signature is not right."
    # The old one back is a key like any other: what it signs holds, what was granted before stays taken.
    access.take(AccessSettings((SHARED, PAIR)))
    assert access.authenticate_token(token(SHARED), NOW)
    assert access.still(by_shared) is None


def test_keys_that_are_none_are_refused_and_the_old_ones_stay(access: Access) -> None:
    claims = access.authenticate_token(KEY_TEXT, NOW)

    with pytest.raises(SettingsInvalid):
        access.take(AccessSettings((SHARED, SHARED)))

    assert access.authenticate_token(KEY_TEXT, NOW) == access.still(claims) == claims


@pytest.mark.parametrize("given", ["hash", "changed", "prefix"])
def test_what_is_not_the_text_of_a_key_is_refused(access: Access, given: str) -> None:
    texts = {"hash": KEY_HASH, "changed": KEY_TEXT[:-1] + "~", "prefix": KEY_TEXT[:-1]}

    assert refusal(access, texts[given]) == "This is neither a token nor a key that the hub knows."


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "Token abc", pytest.param(KEY_TEXT, id="key")]
)
def test_a_header_without_a_bearer_token_is_refused(access: Access, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        access.authenticate(header, NOW)


def test_a_token_is_good_until_a_minute_after_its_end(access: Access) -> None:
    given = token(exp=NOW)

    assert access.authenticate_token(given, NOW + 59.9).exp == NOW
    assert "expired" in refusal(access, given, NOW + 60)


def test_a_remembered_token_still_ends(access: Access) -> None:
    given = token(exp=NOW + 10)

    assert access.authenticate_token(given, NOW) is access.authenticate_token(given, NOW + 69)
    assert "expired" in refusal(access, given, NOW + 70)
    assert "expired" in refusal(access, given, NOW + 71)


def test_a_token_begins_a_minute_before_its_time(access: Access) -> None:
    given = token(nbf=NOW + 61)

    assert "not valid yet" in refusal(access, given)
    assert access.authenticate_token(given, NOW + 1).sub == "pos-1"


def test_a_clock_that_is_ahead_when_issuing_does_no_harm(access: Access) -> None:
    assert access.authenticate_token(token(iat=NOW + 3_000), NOW).sub == "pos-1"


def other(key: JwtKey) -> JwtKey:
    if key.algorithm == "HS256":
        return JwtKey(key.kid, "HS256", Secret("f" * 32))
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return JwtKey(key.kid, "EdDSA", Secret(pem.decode()))


@pytest.mark.parametrize("key", [SHARED, PAIR])
def test_a_signature_by_another_key_is_refused(access: Access, key: JwtKey) -> None:
    assert "signature" in refusal(access, token(other(key)))


@pytest.mark.parametrize("key", [SHARED, PAIR])
def test_changed_claims_are_refused(access: Access, key: JwtKey) -> None:
    head, _, signature = token(key).split(".")

    assert "signature" in refusal(access, ".".join([head, segment({**PAYLOAD, "scope": "admin"}), signature]))


@pytest.mark.parametrize("headers", [{"kid": "unknown"}, {"kid": ""}, {"typ": "JWT"}])
def test_a_key_nobody_knows_is_refused(access: Access, headers: dict[str, Any]) -> None:
    assert "kid" in refusal(access, token(headers=headers))


@pytest.mark.parametrize("kid", [7, ["shared"], None, {"a": 1}])
def test_a_kid_that_is_no_text_is_refused(access: Access, kid: object) -> None:
    head = segment({"alg": "HS256", "kid": kid})

    assert refusal(access, f"{head}.{segment(PAYLOAD)}.AAAA")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "EdDSA", "RS256", "ES256"])
def test_another_algorithm_than_the_one_of_the_key_is_refused(access: Access, algorithm: str) -> None:
    head = segment({"alg": algorithm, "kid": "shared"})

    assert "algorithm" in refusal(access, f"{head}.{segment(PAYLOAD)}.")


def test_a_public_key_is_not_taken_for_a_shared_secret(access: Access) -> None:
    """The oldest attack on JWTs: sign by HS256 with the public key's text, under the public key's kid."""
    assert "algorithm" in refusal(access, signed({"alg": "HS256", "kid": "pair"}, PAYLOAD, PUBLIC_PEM))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": str(NOW)},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": 10**400},
        {"nbf": "x"},
        {"sub": None},
        {"sub": ""},
        {"sub": "a b"},
        {"sub": "a\n"},
        {"sub": "x" * 65},
        {"source": "a/b"},
        {"source": 7},
        {"scope": 7},
        {"scope": {"a": 1}},
        {"pools": "store"},
        {"pools": [1]},
        {"locations": {"a": 1}},
        {"aud": "another-service"},
        {"aud": ["another-service"]},
    ],
)
def test_claims_that_cannot_be_read_are_refused(access: Access, changes: dict[str, Any]) -> None:
    assert refusal(access, token(**changes))


def test_a_number_for_a_sub_is_refused(access: Access) -> None:
    payload = {"sub": 7, "exp": NOW + 100}

    assert refusal(access, signed({"alg": "HS256", "kid": "shared"}, payload, SHARED_TEXT))


@pytest.mark.parametrize(
    "given",
    [
        "a",
        "a.b",
        "a.b.c",
        "..",
        "....",
        "é.é.é",
        "\x00",
        "x" * 8_193,
        "=.=.=",
        f"{segment([])}.{segment(PAYLOAD)}.AAAA",
        f"{segment('x')}.{segment(PAYLOAD)}.AAAA",
        f"{segment({'alg': 'HS256', 'kid': 'shared', 'crit': ['x']})}.{segment(PAYLOAD)}.AAAA",
        f"{segment({'alg': 'HS256', 'kid': 'shared', 'b64': False})}..AAAA",
        base64.urlsafe_b64encode(b"[" * 5_000).decode() + ".AAAA.AAAA",
        base64.urlsafe_b64encode(b'{"a":' + b"9" * 5_000 + b"}").decode() + ".AAAA.AAAA",
    ],
)
def test_anything_else_is_refused_and_nothing_breaks(access: Access, given: str) -> None:
    assert refusal(access, given)


def test_a_signed_payload_that_is_no_object_is_refused(access: Access) -> None:
    assert SHARED.secret is not None
    for payload in (b"[]", b"[" * 5_000, b"\xff", b'"x"'):
        given = jwt.api_jws.encode(payload, SHARED.secret.reveal(), algorithm="HS256", headers={"kid": "shared"})

        assert refusal(access, given)


def test_only_so_many_tokens_are_remembered(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "_REMEMBERED_MAX", 3)
    tokens = [token(sub=f"pos-{n}") for n in range(5)]

    seen = [access.authenticate_token(given, NOW) for given in tokens]

    assert len(access._remembered) == 3
    assert access.authenticate_token(tokens[4], NOW) is seen[4]
    assert access.authenticate_token(tokens[0], NOW) == seen[0]
    assert access.authenticate_token(tokens[0], NOW) is not seen[0]
    assert len(access._remembered) == 3


def test_a_refused_token_is_not_remembered(access: Access) -> None:
    refusal(access, token(other(SHARED)))
    refusal(access, token(exp=NOW - 1_000))

    assert not access._remembered


def test_no_token_and_no_key_is_kept_as_it_was_sent(access: Access) -> None:
    given = token()
    access.authenticate_token(given, NOW)
    access.authenticate_token(KEY_TEXT, NOW)

    held = repr(vars(access))

    assert given not in held
    assert KEY_TEXT not in held
