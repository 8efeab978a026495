"""The HTTP door in OpenAPI 3.1, made from the table of its operations."""

from typing import Any, Final

from msgspec import to_builtins

from protocol.problems import PROBLEM_TYPES, problem, problem_type
from protocol.specs.channels import CHANNELS
from protocol.specs.delivering import DELIVERING
from protocol.specs.following import FOLLOWING
from protocol.specs.holding import HOLDING
from protocol.specs.living import LIVING
from protocol.specs.operation import HEADERS, PROBLEM, PROBLEM_HEADERS, Answer, Operation, Parameter
from protocol.specs.reading import READING
from protocol.specs.schemas import Schemas
from protocol.specs.writing import WRITING

# Every operation of the door.
OPERATIONS: Final = (*WRITING, *DELIVERING, *CHANNELS, *READING, *FOLLOWING, *HOLDING, *LIVING)
VERSION: Final = "1"
LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
TAGS: Final = {
    "events": "What happened.",
    "webhooks": "What third parties deliver in their own words.",
    "channels": "Whom the hub tells what a pool has.",
    "imports": "Absolute books, as of one time.",
    "skus": "What is known of SKUs.",
    "parked": "What waits because nobody knows what it names, or for room.",
    "alerts": "What the hub noticed by itself.",
    "availability": "What pools show, and why.",
    "positions": "What lies where, and how right that is.",
    "supply": "What is expected and under way.",
    "reservations": "Units held for somebody.",
    "orders": "What was sold and is to be sent.",
    "live": "What pools show, as it changes.",
    "feed": "Everything that happened, once and in order.",
    "tokens": "Credentials for pages.",
    "hub": "The hub itself.",
}
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A JWT (HS256 or EdDSA, its key named by `kid`) or an opaque key. Beside it stands a scope.",
}


def openapi() -> dict[str, Any]:
    """The document, as JSON has it."""
    schemas = Schemas()
    refusals: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        told = _operation(operation, schemas)
        told["responses"] |= _refusals(operation, schemas, refusals)
        paths.setdefault(operation.path, {})[operation.method] = told
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Inventory Sync Hub",
            "version": VERSION,
            "summary": "Events in, availability out.",
            "description": (
                "Fields and values may be added; clients ignore what they do not know. Unknown fields and keys that"
                " stand twice are refused. Bodies may be compressed with gzip."
            ),
            "license": LICENSE,
        },
        "servers": [{"url": "/", "description": "The HTTP door, 127.0.0.1:8080 unless configured."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas.components(),
            "responses": dict(sorted(refusals.items())),
            "securitySchemes": {"bearer": _BEARER},
            "headers": {name: {"description": text, "schema": schema} for name, (text, schema) in HEADERS.items()},
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": operation.id, "tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        told["description"] = operation.description
    told["security"] = _security(operation.scopes)
    if operation.parameters:
        told["parameters"] = [_parameter(each, schemas) for each in operation.parameters]
    if operation.body is not None:
        content = {}
        for media, of in operation.body.content.items():
            content[media] = {"schema": schemas.of(of)}
            if media in operation.body.examples:
                named = operation.body.examples[media].items()
                content[media]["examples"] = {name.replace(" ", "_"): {"value": value} for name, value in named}
        told["requestBody"] = {"required": operation.body.is_required, "content": content}
    told["responses"] = {str(answer.status): _answer(answer, schemas) for answer in operation.answers}
    return told


def _security(scopes: tuple[str, ...] | None) -> list[dict[str, list[str]]]:
    if scopes is None:
        return []
    return [{"bearer": [scope]} for scope in scopes] or [{}, {"bearer": []}]


def _parameter(parameter: Parameter, schemas: Schemas) -> dict[str, Any]:
    told = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": schemas.of(parameter.type),
    }
    return told if parameter.example is None else {**told, "example": parameter.example}


def _answer(answer: Answer, schemas: Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        told["headers"] = _headers(answer.headers)
    if answer.type is not None:
        told["content"] = {answer.media: {"schema": schemas.of(answer.type)}}
    return told


def _refusals(operation: Operation, schemas: Schemas, known: dict[str, Any]) -> dict[str, Any]:
    """What is answered with problems, by status; each combination of them is described once, in `known`."""
    answers = {}
    for status, names in operation.problems_by_status.items():
        types = operation.refusals_with(names)
        key = ".".join([*names, *(each.__name__ for each in types[1:])])
        if key not in known:
            known[key] = _problems(types, status, names, schemas)
        answers[str(status)] = {"$ref": f"#/components/responses/{key}"}
    return answers


def _problems(types: list[Any], status: int, names: list[str], schemas: Schemas) -> dict[str, Any]:
    of_these = {"properties": {"type": {"enum": [problem_type(name) for name in names]}}}
    said = [f"- `{name}`: {PROBLEM_TYPES[name].title}. {PROBLEM_TYPES[name].remedy}" for name in names]
    told: dict[str, Any] = {"description": "\n".join(said)}
    if status in PROBLEM_HEADERS:
        told["headers"] = _headers(PROBLEM_HEADERS[status])
    told_by = [schemas.of(each) for each in types]
    content: dict[str, Any] = {"schema": {"allOf": [{"anyOf": told_by} if len(told_by) > 1 else told_by[0], of_these]}}
    if len(told_by) == 1:
        content["examples"] = {
            name: {"value": to_builtins(problem(name, PROBLEM_TYPES[name].remedy))} for name in names
        }
    told["content"] = {PROBLEM: content}
    return told


def _headers(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
