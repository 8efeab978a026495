"""What a setting's type asks for, in words a person can act on: `a whole number from 0 to 1000000`."""

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    Path: "a path in quotes",
}


def wanted(shape: Any) -> str:
    """Say what a value of this type looks like."""
    origin = get_origin(shape)
    if origin is Annotated:
        return _annotated(shape)
    if origin in (Union, types.UnionType):
        return " or ".join(wanted(part) for part in get_args(shape) if part is not type(None))
    if origin is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(shape))
    if origin is tuple:
        return f"a list [...], each {wanted(get_args(shape)[0])}"
    if origin is dict:
        return "a table { theirs = ours }"
    return _WORDS.get(shape, "a table")


def plain(shape: Any) -> Any:
    """The type without its constraints, and without `None`, which a file cannot say."""
    if get_origin(shape) is Annotated:
        return plain(get_args(shape)[0])
    if get_origin(shape) in (Union, types.UnionType):
        return next(plain(part) for part in get_args(shape) if part is not type(None))
    return shape


def to_path(kind: type, value: Any) -> Any:
    """Teach msgspec the one type it does not know."""
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value)
    raise ValueError("must be a path")


def _annotated(shape: Any) -> str:
    inner, *notes = get_args(shape)
    meta = next((note for note in notes if isinstance(note, msgspec.Meta)), msgspec.Meta())
    if meta.description:
        return meta.description
    words = wanted(inner)
    if meta.ge is not None:
        words += f" from {meta.ge}"
    if meta.gt is not None:
        words += f" above {meta.gt}"
    if meta.le is not None:
        words += f" to {meta.le}" if meta.ge is not None else f" and at most {meta.le}"
    if meta.max_length is not None:
        words += f", at most {meta.max_length} long"
    return words
