"""Making tokens, and the keys that are fit for it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hub.access import Access, Unauthenticated, mint, sign
from hub.claims import Claims
from hub.credentials import AccessSettings, JwtKey, OpaqueKey, Secret, new_opaque_key
from hub.faults import SettingsInvalid

NOW = 1_795_341_600.0
SHARED = JwtKey("shared", "HS256", Secret("0123456789abcdef0123456789abcdef"))
_PRIVATE = Ed25519PrivateKey.generate()
PRIVATE_PEM = _PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = _PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
KEY_TEXT, KEY_HASH = new_opaque_key()
TILL = OpaqueKey("till", KEY_HASH, "pos-1")


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


def pem_of_another_curve() -> str:
    key = generate_private_key(SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


UnfitSettings = Callable[[], AccessSettings]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: AccessSettings((JwtKey("k", "HS256"),)), "at least 32 bytes"),
        (lambda: AccessSettings((JwtKey("k", "HS256", Secret("x" * 31)),)), "at least 32 bytes"),
        (lambda: AccessSettings((JwtKey("k", "EdDSA"),)), "public key in PEM"),
        (lambda: AccessSettings((JwtKey("k", "EdDSA", public_key="x"),)), "public key in PEM"),
        (lambda: AccessSettings((JwtKey("k", "EdDSA", public_key=PRIVATE_PEM),)), "public key in PEM"),
        (lambda: AccessSettings((JwtKey("k", "EdDSA", public_key=pem_of_another_curve()),)), "Ed25519"),
        (lambda: AccessSettings((SHARED, SHARED)), "same kid"),
        (lambda: AccessSettings(opaque_keys=(TILL, TILL)), "same hash"),
        (lambda: AccessSettings(opaque_keys=(OpaqueKey("till", KEY_TEXT, "a"),)), "`hash`"),
        (lambda: AccessSettings(opaque_keys=(OpaqueKey("till", KEY_HASH.upper(), "a"),)), "`hash`"),
        (lambda: AccessSettings(opaque_keys=(OpaqueKey("till", KEY_HASH, "a b"),)), "till"),
        (lambda: AccessSettings(opaque_keys=(OpaqueKey("till", KEY_HASH, "a", scope=("x",)),)), "scope x"),
    ],
)
def test_a_key_that_is_not_fit_for_use_is_refused_at_the_start(make: UnfitSettings, told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told) as caught:
        Access(make())

    assert PRIVATE_PEM not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": ""},
        {"sub": "a b"},
        {"scope": ("event:write",)},
        {"scope": "events:write"},
        {"pools": ("a/b",)},
        {"ttl_seconds": 0},
        {"ttl_seconds": -1},
        {"ttl_seconds": float("inf")},
        {"ttl_seconds": float("nan")},
        {"locations": tuple(f"LOC-{n}" for n in range(2_000))},
    ],
)
def test_a_token_that_would_not_be_accepted_is_not_minted(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsInvalid):
        minted(**changes)


def test_a_key_that_only_verifies_mints_nothing() -> None:
    with pytest.raises(SettingsInvalid, match="only verifies"):
        minted(JwtKey("pair", "EdDSA", public_key=PUBLIC_PEM))


def test_an_unreadable_private_key_is_told_without_showing_it() -> None:
    with pytest.raises(SettingsInvalid, match="cannot be read") as caught:
        minted(JwtKey("pair", "EdDSA", Secret("geheim")))

    assert "geheim" not in str(caught.value)


def test_claims_are_signed_as_they_are() -> None:
    claims = Claims(sub="page", source="shop", pools=frozenset({"*"}), exp=NOW + 5)

    read = Access(AccessSettings((SHARED,))).authenticate_token(sign(SHARED, claims, now=NOW), NOW)
    assert msgspec.structs.replace(read, voucher="") == claims


def test_a_token_without_an_end_is_refused_by_the_hub_itself() -> None:
    endless = sign(SHARED, Claims(sub="page", source="shop"), now=NOW)

    with pytest.raises(Unauthenticated, match="exp"):
        Access(AccessSettings((SHARED,))).authenticate_token(endless, NOW)
