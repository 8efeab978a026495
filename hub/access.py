"""Who may do what: tokens and keys in, claims out.

Rules:
- A missing claim grants nothing; `*` among pools or locations grants all of them.
- Keys may be exchanged while the hub runs; whoever keeps claims for longer than a request asks `still` afterwards.
- One algorithm is bound to each `kid`: what a token says of its own algorithm only has to agree.
- Secrets are compared in constant time, and no error, repr or remembered thing holds one.
"""

import hmac
import math
import re
from collections.abc import Collection
from hashlib import sha256
from typing import Any, Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hub.claims import ALL, ANONYMOUS, SCOPES, Claims, ending_of, granted, narrower
from hub.credentials import (
    AccessSettings,
    JwtKey,
    OpaqueKey,
    Secret,
    SourceSecrets,
    load_or_make_key,
    new_opaque_key,
    signing_key,
    with_a_key,
)
from hub.faults import Fault, SettingsInvalid
from protocol.identifiers import Name
from protocol.limits import TOKEN_CHARS_MAX, TOKEN_LEEWAY_SECONDS

__all__ = [
    "ALL",
    "ANONYMOUS",
    "SCOPES",
    "Access",
    "AccessSettings",
    "Claims",
    "JwtKey",
    "OpaqueKey",
    "Secret",
    "SourceSecrets",
    "Unauthenticated",
    "ending_of",
    "load_or_make_key",
    "mint",
    "narrower",
    "new_opaque_key",
    "sign",
    "signing_key",
    "with_a_key",
]

_KEY_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
# RFC 7518 asks as much of HS256; a shorter secret can be guessed from one token.
_SECRET_BYTES_MIN: Final = 32
# Tokens whose check is remembered; at some 500 bytes each this is 5 MB.
_REMEMBERED_MAX: Final = 10_000


class Unauthenticated(Fault):
    """Nobody vouches for the sender; its text is one sentence without the token."""


class _Payload(msgspec.Struct, frozen=True):
    """The claims of a JWT that the hub reads."""

    sub: Name
    exp: float
    source: Name | None = None
    nbf: float = 0
    scope: str | tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()


class Access:
    """Decides whose a token is; a token once verified is remembered until it ends or room is needed.

    Raises:
        SettingsInvalid: a key is too short, cannot be read, or stands twice.
    """

    def __init__(self, keys: AccessSettings) -> None:
        self.keys = AccessSettings()
        self._turn = 0
        self._voucher_of: dict[str, str] = {}
        self.take(keys)

    @property
    def signing_key(self) -> JwtKey | None:
        """The key that makes tokens; None where the hub can only verify them."""
        return signing_key(self.keys)

    def take(self, keys: AccessSettings) -> None:
        """Accept these keys from now on, and no others.

        Raises:
            SettingsInvalid: as for a new one; nothing has changed then.
        """
        verifiers = {key.kid: (key.algorithm, _verifying_material(key)) for key in keys.jwt_keys}
        opaque = {key.hash: _claims_of_key(key) for key in keys.opaque_keys}
        if len(verifiers) < len(keys.jwt_keys):
            raise SettingsInvalid("two JWT keys have the same kid; give each its own")
        if len(opaque) < len(keys.opaque_keys):
            raise SettingsInvalid("two [[key]] have the same hash; make a new key for one of them")
        before = {key: self._voucher_of[key.kid] for key in self.keys.jwt_keys}
        self._turn += 1
        # A key that takes the place of another under its `kid` vouches for nothing that the other did.
        self._voucher_of = {key.kid: before.get(key, f"{key.kid} {self._turn}") for key in keys.jwt_keys}
        self._vouchers = frozenset(self._voucher_of.values())
        self._verifiers, self._opaque, self.keys = verifiers, opaque, keys
        # SHA-256 of a verified token -> its claims, oldest first.
        self._remembered: dict[bytes, Claims] = {}

    def still(self, claims: Claims) -> Claims | None:
        """What somebody with these claims may do by now; None: the key that granted them is gone or another."""
        if not claims.voucher:
            return claims
        return claims if claims.voucher in self._vouchers else self._opaque.get(claims.voucher)

    def authenticate(self, authorization_header: str | None, now: float) -> Claims:
        """Read an `Authorization` header; `now` is in seconds since 1970.

        Raises:
            Unauthenticated: there is no token in it, or the token is not valid now.
        """
        if authorization_header is None:
            raise Unauthenticated("Send a token or key as `Authorization: Bearer …`.")
        scheme, _, token = authorization_header.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("The `Authorization` header must be `Bearer` and a token or key.")
        return self.authenticate_token(token.strip(), now)

    def authenticate_token(self, token: str, now: float) -> Claims:
        """Check a JWT or an opaque key; `now` is in seconds since 1970.

        Raises:
            Unauthenticated: it is not valid now.
        """
        if not token or len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise Unauthenticated(f"A token has 1 to {TOKEN_CHARS_MAX} ASCII characters.")
        digest = sha256(token.encode()).digest()
        claims = self._remembered.get(digest)
        if claims is None:
            claims = self._claims_of_opaque(digest) or self._claims_of_jwt(token, now)
        if claims.exp is not None and now >= claims.exp + TOKEN_LEEWAY_SECONDS:
            self._remembered.pop(digest, None)
            raise Unauthenticated("The token has expired; get a new one.")
        self._remember(digest, claims)
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        if digest in self._remembered:
            return
        if len(self._remembered) >= _REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = claims

    def _claims_of_opaque(self, digest: bytes) -> Claims | None:
        given = f"sha256:{digest.hex()}"
        found = None
        # All are compared, so that the time does not tell which one matched.
        for hash, claims in self._opaque.items():
            if hmac.compare_digest(given, hash):
                found = claims
        return found

    def _claims_of_jwt(self, token: str, now: float) -> Claims:
        # Errors are raised from None: what a library puts into its own could hold a part of the token.
        try:
            kid = jwt.get_unverified_header(token)["kid"]
            algorithm, material = self._verifiers[kid]
            # The library asks the clock by itself; the hub's own caller says what time it is.
            options: jwt.types.Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
            payload = jwt.decode(token, material, algorithms=[algorithm], options=options)
            return _claims_of_payload(msgspec.convert(payload, _Payload), self._voucher_of[kid], now)
        except jwt.InvalidSignatureError:
            raise Unauthenticated("The token's signature is not right.") from None
        except jwt.InvalidAudienceError:
            raise Unauthenticated("The token is for another audience (`aud`).") from None
        except jwt.InvalidAlgorithmError:
            raise Unauthenticated("The token's algorithm is not the one of its key.") from None
        except KeyError:
            raise Unauthenticated("The token names a key (`kid`) that this hub does not have.") from None
        except msgspec.ValidationError as error:
            raise Unauthenticated(f"The token's claims cannot be read: {error}.") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Unauthenticated("This is neither a token nor a key that the hub knows.") from None


def mint(  # noqa: PLR0913 - one keyword for each claim that a token carries
    key: JwtKey,
    *,
    sub: str,
    source: str | None = None,
    scope: Collection[str],
    pools: Collection[str],
    locations: Collection[str],
    ttl_seconds: float,
    now: float,
) -> str:
    """Make a token that lasts `ttl_seconds` from `now` (seconds since 1970).

    Raises:
        SettingsInvalid: the key cannot sign, or a claim is none.
    """
    if not (math.isfinite(ttl_seconds) and ttl_seconds > 0):
        raise SettingsInvalid("a token must last longer than 0 seconds")
    grant = granted("the token", sub, source, scope, pools, locations)
    return sign(key, msgspec.structs.replace(grant, exp=now + ttl_seconds), now=now)


def sign(key: JwtKey, claims: Claims, *, now: float) -> str:
    """Make a token of claims that were checked before; without an `exp` the hub itself would refuse it.

    Raises:
        SettingsInvalid: the key cannot sign, or the token would be too long.
    """
    if key.secret is None:
        raise SettingsInvalid(f"the JWT key {key.kid} only verifies; its private key is not configured")
    payload: dict[str, Any] = {
        "sub": claims.sub,
        "source": claims.source,
        "iat": int(now),
        "exp": None if claims.exp is None else int(claims.exp),
        "scope": " ".join(sorted(claims.scope)),
        "pools": sorted(claims.pools),
        "locations": sorted(claims.locations),
    }
    try:
        token = jwt.encode(payload, key.secret.reveal(), algorithm=key.algorithm, headers={"kid": key.kid})
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsInvalid(f"the private key of the JWT key {key.kid} cannot be read") from None
    if len(token) > TOKEN_CHARS_MAX:
        raise SettingsInvalid(f"the token would exceed {TOKEN_CHARS_MAX} characters; name fewer, or `*`")
    return token


def _claims_of_payload(payload: _Payload, voucher: str, now: float) -> Claims:
    if not (math.isfinite(payload.exp) and math.isfinite(payload.nbf)):
        raise Unauthenticated("The token's times are not numbers.")
    if now < payload.nbf - TOKEN_LEEWAY_SECONDS:
        raise Unauthenticated("The token is not valid yet.")
    scope = payload.scope.split() if isinstance(payload.scope, str) else payload.scope
    return Claims(
        sub=payload.sub,
        source=payload.source or payload.sub,
        scope=frozenset(scope),
        pools=frozenset(payload.pools),
        locations=frozenset(payload.locations),
        exp=payload.exp,
        voucher=voucher,
    )


def _claims_of_key(key: OpaqueKey) -> Claims:
    what = f"[[key]] {key.id}"
    if not _KEY_HASH.fullmatch(key.hash):
        raise SettingsInvalid(f"{what}: `hash` must be `sha256:` and 64 digits 0-9 a-f")
    claims = granted(what, key.sub, key.source, key.scope, key.pools, key.locations)
    return msgspec.structs.replace(claims, voucher=key.hash)


def _verifying_material(key: JwtKey) -> str | Ed25519PublicKey:
    if key.algorithm == "HS256":
        if key.secret is None or len(key.secret.reveal().encode()) < _SECRET_BYTES_MIN:
            raise SettingsInvalid(f"the JWT key {key.kid} needs a secret of at least {_SECRET_BYTES_MIN} bytes")
        return key.secret.reveal()
    try:
        material = load_pem_public_key((key.public_key or "").encode())
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsInvalid(f"the JWT key {key.kid} needs a public key in PEM") from None
    if not isinstance(material, Ed25519PublicKey):
        raise SettingsInvalid(f"the JWT key {key.kid} is not an Ed25519 key, which EdDSA needs here")
    return material
