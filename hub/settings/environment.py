"""HUB_* variables: each overrides one key of hub.toml; one that overrides nothing is an error.

`[hub]` keys are HUB_HTTP, HUB_DATA_DIR, ...; the others name their table: HUB_REDIS_URL, HUB_LIMITS_BODY_BYTES_MAX.
"""

import re
from collections.abc import Mapping
from typing import Any, get_origin

import msgspec

from hub.settings.problems import Problems, did_you_mean
from hub.settings.tree import HubSettings, LedgerSettings, LimitsSettings, RedisSettings
from hub.settings.wanted import plain, to_path, wanted

# Table -> its struct.
_TABLES: dict[str, type[msgspec.Struct]] = {
    "hub": HubSettings,
    "redis": RedisSettings,
    "ledger": LedgerSettings,
    "limits": LimitsSettings,
}
# The hub's own variables for other purposes: what the test suite takes.
_TEST_PREFIX = "HUB_TEST_"
# Kubernetes sets these in every pod next to a Service named `hub` or `hub-...`; they are not meant for the hub.
_KUBERNETES = re.compile(r"HUB_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)")


def variables() -> dict[str, tuple[str, msgspec.structs.FieldInfo]]:
    """Every variable -> (the table, the field) it overrides."""
    return {
        _variable(table, field.name): (table, field)
        for table, shape in _TABLES.items()
        for field in msgspec.structs.fields(shape)
    }


def overrides(
    environ: Mapping[str, str], secret_names: frozenset[str], problems: Problems
) -> dict[str, dict[str, Any]]:
    """Table -> field -> value, as the environment has it; `secret_names` are the variables the file asks for."""
    known = variables()
    found: dict[str, dict[str, Any]] = {table: {} for table in _TABLES}
    for name, text in sorted(environ.items()):
        if name in known:
            table, field = known[name]
            problems.overridden[f"{table}.{field.encode_name}"] = name
            try:
                found[table][field.name] = _decode(text, field.type)
            except msgspec.ValidationError:
                problems.add_elsewhere(name, f"must be {_wanted(field.type)}; unset it for the default")
        elif name.startswith("HUB_") and not _is_foreign(name) and name not in secret_names:
            problems.add_elsewhere(name, f"is not a variable the hub knows{did_you_mean(name, known)}")
    return found


def _variable(table: str, field: str) -> str:
    return f"HUB_{field}".upper() if table == "hub" else f"HUB_{table}_{field}".upper()


def _is_foreign(name: str) -> bool:
    return name.startswith(_TEST_PREFIX) or _KUBERNETES.fullmatch(name) is not None


def _decode(text: str, shape: Any) -> Any:
    """A list is written with commas; "" is an empty list and nothing else, for a variable left empty is a mistake."""
    value: Any = text.strip()
    if get_origin(plain(shape)) is tuple:
        value = [part.strip() for part in text.split(",") if part.strip()]
    return msgspec.convert(value, shape, strict=False, dec_hook=to_path)


def _wanted(shape: Any) -> str:
    return wanted(shape).replace("a list [...]", "a list with commas")
