"""Raw TOML → frozen structs, noting every problem instead of stopping at the first.

msgspec decodes and stops at the first mistake; so whatever it refuses is taken apart and decoded piece by piece.
A piece that is wrong is replaced by its default (a required text: by what was written), only so that the checks
of what refers to it still make sense. Nothing built with problems is ever handed out.
"""

import re
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from hub.settings.problems import Problems, did_you_mean
from hub.settings.wanted import plain, to_path, wanted

_BAD: Any = object()
# A value is quoted back at most this far.
_QUOTED_CHARS_MAX = 60
# Tables whose values may be secrets by mistake: what was written there is never quoted back.
_DISCREET = re.compile(r"^((redis|ledger|jwt|key|hook)\b|source\[\d+\]\.(url|api_url|secret|token))")
_SECRET_WORDS = re.compile(r"secret|password|token|private|^key$", re.IGNORECASE)

Shape = TypeVar("Shape", bound=msgspec.Struct)


def decode_table(raw: dict[str, Any], shape: type[Shape], problems: Problems) -> Shape:
    """Decode a whole file."""
    decoded: Shape = _decode(raw, shape, "", problems)
    return decoded


def _decode(raw: Any, shape: Any, path: str, problems: Problems) -> Any:
    try:
        return msgspec.convert(raw, shape, dec_hook=to_path)
    except msgspec.ValidationError:
        known = len(problems)
        taken_apart = _take_apart(raw, plain(shape), path, problems)
        if len(problems) == known:
            problems.add(path, _mismatch(raw, shape, path))
        return taken_apart


def _take_apart(raw: Any, shape: Any, path: str, problems: Problems) -> Any:
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        return _struct(raw, shape, path, problems) if isinstance(raw, dict) else _BAD
    if get_origin(shape) is tuple and isinstance(raw, list):
        element = get_args(shape)[0]
        items = [_decode(item, element, f"{path}[{place}]", problems) for place, item in enumerate(raw)]
        return tuple(item for item in items if item is not _BAD)
    if get_origin(shape) is dict and isinstance(raw, dict):
        element = get_args(shape)[1]
        pairs = {key: _decode(item, element, f"{path}.{key}", problems) for key, item in raw.items()}
        return {key: item for key, item in pairs.items() if item is not _BAD}
    return _BAD


def _struct(raw: dict[str, Any], shape: type[msgspec.Struct], path: str, problems: Problems) -> Any:
    fields = _fields(shape)
    values: dict[str, Any] = {}
    for key in raw:
        if key not in fields:
            problems.add(_join(path, key), _unknown(key, sorted(fields)))
    for key, field in fields.items():
        if key in raw:
            value = _decode(raw[key], field.type, _join(path, key), problems)
            if value is not _BAD:
                values[field.name] = value
        elif field.required:
            problems.add(_join(path, key), f"is missing; give it {wanted(field.type)}")
        if field.required and field.name not in values:
            values[field.name] = raw[key] if isinstance(raw.get(key), str) else ""
    return shape(**values)


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(shape)}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _mismatch(raw: Any, shape: Any, path: str) -> str:
    bare = plain(shape)
    if get_origin(bare) is tuple and _is_table(get_args(bare)[0]) and isinstance(raw, dict):
        return f"there can be several of these: write [[{_header(path)}]]"
    if _is_table(bare):
        return f"there is one of these: write [{_header(path)}]"
    text = f"must be {wanted(shape)}"
    if isinstance(raw, (list, dict)) or _DISCREET.match(path):
        return text
    return f"{text}, not {_quoted(raw)}"


def _quoted(raw: Any) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    text = f'"{raw}"' if isinstance(raw, str) else str(raw)
    return text if len(text) <= _QUOTED_CHARS_MAX else f"{text[:_QUOTED_CHARS_MAX]}..."


def _is_table(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


def _header(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


def _unknown(key: str, known: list[str]) -> str:
    if _SECRET_WORDS.search(key) and "secret_env" in known:
        return "a secret never stands in the file: name its variable or its file (secret_env, secret_file)"
    return f"is not a key the hub knows{did_you_mean(key, known) or '; known here: ' + ', '.join(known)}"
