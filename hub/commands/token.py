"""`hub token`: make a token or an opaque key from the configuration."""

import json
import re
from collections.abc import Sequence

from hub.access import ALL, mint
from hub.claims import granted
from hub.credentials import new_opaque_key, signing_key, with_a_key
from hub.faults import SettingsInvalid
from hub.settings import Settings

_TTL = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def ttl_seconds(text: str) -> int:
    """Read `90s`, `30m`, `8h`, `7d`.

    Raises:
        SettingsInvalid: it is none of these.
    """
    found = _TTL.fullmatch(text)
    if not found:
        raise SettingsInvalid(f"--ttl {text}: write a number and s, m, h or d, like 8h")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


def make_token(  # noqa: PLR0913 - one keyword for each option of the command
    settings: Settings,
    *,
    sub: str,
    source: str | None,
    scope: Sequence[str],
    pool: Sequence[str],
    location: Sequence[str],
    ttl: str,
    now: float,
) -> str:
    """A JWT that the hub with these settings accepts; no pool or location given means all of them.

    Raises:
        SettingsInvalid: no key can sign, or a claim is wrong.
    """
    keys = with_a_key(settings.access, settings.hub.data_dir)
    key = signing_key(keys)
    if key is None:
        raise SettingsInvalid("no configured [[jwt]] key can sign; give one its secret, or its private key")
    return mint(
        key,
        sub=sub,
        source=source,
        scope=tuple(scope),
        pools=tuple(pool) or (ALL,),
        locations=tuple(location) or (ALL,),
        ttl_seconds=ttl_seconds(ttl),
        now=now,
    )


def make_key(
    *, sub: str, source: str | None, scope: Sequence[str], pool: Sequence[str], location: Sequence[str]
) -> tuple[str, str]:
    """An opaque key's text, to be shown once, and the `[[key]]` table that lets a hub know it by its hash.

    Raises:
        SettingsInvalid: a claim is wrong; the hub would not start with such a key.
    """
    granted("the key", sub, source, scope, pool, location)
    text, hashed = new_opaque_key()
    entries: dict[str, object] = {
        "id": sub,
        "hash": hashed,
        "sub": sub,
        "source": source or sub,
        "scope": list(scope),
        "pools": list(pool) or [ALL],
        "locations": list(location) or [ALL],
    }
    # TOML reads JSON's strings and arrays of strings as its own.
    table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in entries.items())
    return text, f"# Put this into hub.toml; the key itself is shown only now.\n[[key]]\n{table}"
