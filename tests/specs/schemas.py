"""What crosses the doors in tests, held to the documents that describe them.

The documents let the hub add fields, for clients pass over what they do not know; here nothing may be said that is not
described.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator

from protocol.specs.asyncapi import ANSWERS, SAID, asyncapi
from protocol.specs.openapi import openapi


def check_heard(frame: Any) -> None:
    """Fail where the hub said what the live door's description does not know."""
    _frames(says_hub=True)[frame["op"]].validate(frame)


def check_said(message: Any) -> None:
    """Fail where a screen says what the live door's description does not allow."""
    _frames(says_hub=False)[message["op"]].validate(message)


@cache
def _frames(*, says_hub: bool) -> dict[str, Draft202012Validator]:
    document = asyncapi()
    answers = {answer for answers in ANSWERS.values() for answer in answers}
    names = {of.__name__ for of in (answers | set(SAID) if says_hub else set(ANSWERS))}
    messages = [message for name, message in document["components"]["messages"].items() if name in names]
    return {message["name"]: validator(message["payload"], document) for message in messages}


def validator(schema: dict[str, Any], document: dict[str, Any]) -> Draft202012Validator:
    """One schema of a document, compiled, and closed to what it does not name."""
    components = {name: closed(each) for name, each in document["components"]["schemas"].items()}
    return Draft202012Validator({**closed(schema), "components": {"schemas": components}})


def closed(schema: Any) -> Any:
    """The same schema, with no other properties in an object than it names."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: closed(each) for name, each in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        told.setdefault("additionalProperties", False)
    return told


class Operations:
    """The answers of every operation of the HTTP door."""

    def __init__(self) -> None:
        self._document = openapi()
        self._validators: dict[tuple[str, str, int], tuple[str | None, Draft202012Validator | None]] = {}
        self._paths = [(_pieces(path), path) for path in self._document["paths"]]

    def check_answer(self, method: str, path: str, status: int, media: str, body: bytes) -> None:
        """Fail where an answer is not described with its operation; what has no description is passed over."""
        operation = self._described(_pieces(path))
        if operation is None or method.lower() not in self._document["paths"][operation]:
            return
        key = (method.lower(), operation, status)
        if key not in self._validators:
            self._validators[key] = self._validator(*key)
        expected, of = self._validators[key]
        assert expected is None or media == expected, f"{method} {path}: {status} as {media}"
        if of is not None:
            of.validate(msgspec.json.decode(body))

    def _described(self, pieces: list[str]) -> str | None:
        found = [path for named, path in self._paths if _is_like(named, pieces)]
        return min(found, key=lambda path: path.count("{"), default=None)

    def _validator(self, method: str, path: str, status: int) -> tuple[str | None, Draft202012Validator | None]:
        responses = self._document["paths"][path][method]["responses"]
        assert str(status) in responses, f"{method} {path} is not described to answer {status}"
        response = responses[str(status)]
        if "$ref" in response:
            response = self._document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        if "content" not in response:
            return None, None
        [(media, content)] = response["content"].items()
        if not media.endswith("json"):
            return media, None
        return media, validator(content["schema"], self._document)


@cache
def described() -> Operations:
    """The operations, their schemas compiled as they are needed."""
    return Operations()


def _pieces(path: str) -> list[str]:
    return path.strip("/").split("/")


def _is_like(named: Iterable[str], pieces: list[str]) -> bool:
    named = list(named)
    return len(named) == len(pieces) and all(
        name == piece or name.startswith("{") for name, piece in zip(named, pieces, strict=True)
    )
