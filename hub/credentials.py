"""The keys that vouch for a sender: what they are made of, and how the hub makes its own.

Rules:
- A secret comes from the environment, a file or the hub's own making, never from the TOML, and no repr shows it.
- Of an opaque key only the hash is kept: whoever reads the settings cannot use it.
"""

import hmac
import os
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec

from hub.faults import ServerRefused

LOCAL_KEY_FILE: Final = "jwt.key"
LOCAL_KID: Final = "local"

# 256 bits, as RFC 7518 asks of HS256.
_KEY_BYTES: Final = 32
# As base64url without padding they are 43 characters.
_LOCAL_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43,}")
# A key file is one line; more is another file.
_LOCAL_KEY_BYTES_MAX: Final = 1024


class Secret:
    """A text that must not be seen: not in a repr, not in a log."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; use it at once, keep it nowhere."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))


class JwtKey(msgspec.Struct, frozen=True):
    """A key that signs or verifies JWTs."""

    kid: str
    algorithm: Literal["HS256", "EdDSA"]
    # HS256: the shared secret, at least 32 bytes. EdDSA: the private key (PEM), only where tokens are made.
    secret: Secret | None = None
    # EdDSA: the public key (PEM, Ed25519).
    public_key: str | None = None


class OpaqueKey(msgspec.Struct, frozen=True):
    """A key without an end, for senders that are offline for days; taking it out of the settings revokes it."""

    id: str
    # `sha256:<hex>` of the key's text.
    hash: str
    sub: str
    # None: as `sub`.
    source: str | None = None
    scope: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()


class SourceSecrets(msgspec.Struct, frozen=True):
    """What the hub shares with one third party."""

    source: str
    # Its deliveries are signed with one of them; the newest first.
    secrets: tuple[Secret, ...] = ()
    # For its API.
    token: Secret | None = None


class AccessSettings(msgspec.Struct, frozen=True):
    """Every key the hub accepts."""

    jwt_keys: tuple[JwtKey, ...] = ()
    opaque_keys: tuple[OpaqueKey, ...] = ()


def load_or_make_key(data_dir: Path) -> JwtKey:
    """Read the hub's own HS256 key from its data folder; the first time, make it (mode 0600).

    Two that make it at once end up with the same one.

    Raises:
        ServerRefused: the folder cannot be written, or the key in it is damaged or readable by everyone.
    """
    path = data_dir / LOCAL_KEY_FILE
    try:
        if not path.exists():
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_key_file(path)
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LOCAL_KEY_BYTES_MAX).strip()
    except OSError as error:
        raise ServerRefused(f"the key {path} cannot be read or made: {error.strerror}") from error
    if os.name == "posix" and mode & 0o007:
        raise ServerRefused(f"everyone on this machine can read the key {path}; run `chmod 600 {path}`")
    if not _LOCAL_KEY.fullmatch(text):
        raise ServerRefused(f"{path} holds no key; remove it to have a new one made (old tokens end then)")
    return JwtKey(LOCAL_KID, "HS256", Secret(text))


def with_a_key(settings: AccessSettings, data_dir: Path) -> AccessSettings:
    """Add the hub's own key where no JWT key is configured, so that there is one to make tokens with.

    Raises:
        ServerRefused: as `load_or_make_key`.
    """
    if settings.jwt_keys:
        return settings
    return msgspec.structs.replace(settings, jwt_keys=(load_or_make_key(data_dir),))


def signing_key(settings: AccessSettings) -> JwtKey | None:
    """The first JWT key that can make tokens, not only verify them."""
    return next((key for key in settings.jwt_keys if key.secret is not None), None)


def new_opaque_key() -> tuple[str, str]:
    """Make an opaque key: its text, to be shown once, and the hash that goes into `[[key]]`."""
    text = "hub_" + secrets.token_urlsafe(_KEY_BYTES)
    return text, key_hash(text)


def key_hash(text: str) -> str:
    """The hash of an opaque key as `[[key]]` has it."""
    return "sha256:" + sha256(text.encode()).hexdigest()


def _make_key_file(path: Path) -> None:
    # Written whole under a name of its own and then linked: a link is made only where nothing stands, so the
    # first of several makers wins, and no reader ever sees half a key.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass  # Another maker was first; its key is as good.
    finally:
        draft.unlink()
