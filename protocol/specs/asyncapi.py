"""The live door in AsyncAPI 3.0, made from its messages and frames."""

from typing import Any, Final, get_args

from protocol.frames import (
    CLOSE_CODES,
    ITEM_TYPES,
    LIVE_ERRORS,
    PATH,
    SUBPROTOCOL,
    TARGETS,
    Auth,
    Authorized,
    Frame,
    Heartbeat,
    LiveError,
    Message,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Update,
)
from protocol.limits import FIRST_MESSAGE_SECONDS, HEARTBEAT_SECONDS, MESSAGE_BYTES_MAX, STALLED_SECONDS
from protocol.specs.openapi import LICENSE, VERSION
from protocol.specs.operation import JSON
from protocol.specs.schemas import Schemas

# What a screen says -> what it is answered.
ANSWERS: Final[dict[type[Any], tuple[type[Any], ...]]] = {
    Auth: (Authorized, LiveError),
    Subscribe: (Subscribed, LiveError),
    Unsubscribe: (Unsubscribed, LiveError),
}
# What the hub says by itself.
SAID: Final[tuple[type[Any], ...]] = (Update, Heartbeat, LiveError)

_EXAMPLES: Final[dict[type[Any], dict[str, Any]]] = {
    Auth: {"op": "auth", "token": None},
    Subscribe: {"op": "subscribe", "ref": 1, "pool": "online", "skus": ["BAG-NOIR"], "known": {"BAG-NOIR": 4294967297}},
    Unsubscribe: {"op": "unsubscribe", "ref": 2, "pool": "online", "skus": ["BAG-NOIR"]},
    Unsubscribed: {"op": "unsubscribed", "ref": 2},
    LiveError: {"op": "error", "ref": 2, "code": "unknown_pool", "detail": "There is no pool vip for you."},
    Heartbeat: {"op": "heartbeat"},
}
# What both sides number, so that an answer finds its question.
_NUMBERED: Final = (Subscribe, Unsubscribe, Subscribed, Unsubscribed, LiveError)


def asyncapi() -> dict[str, Any]:
    """The document, as JSON has it."""
    schemas = Schemas()
    for item in ITEM_TYPES:
        schemas.of(item)
    messages = {of.__name__: _message(of, schemas) for of in get_args(Message) + get_args(Frame)}
    components = schemas.components()
    for of, either in TARGETS.items():
        components[of.__name__]["oneOf"] = either
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Inventory Sync Hub, live",
            "version": VERSION,
            "description": (
                "State, not history: the newest value wins. A screen keeps the item with the higher `rev` and holds the"
                " truth. Fields may be added to what the hub says; a screen ignores what it does not know."
            ),
            "license": {"name": LICENSE["name"]},
        },
        "defaultContentType": JSON,
        "servers": {
            "live": {
                "host": "127.0.0.1:8081",
                "protocol": "ws",
                "description": "The live door, unless another address is configured.",
            }
        },
        "channels": {"live": _channel(list(messages))},
        "operations": _operations(),
        "components": {"messages": messages, "schemas": components},
    }


def _channel(messages: list[str]) -> dict[str, Any]:
    closes = [
        {"code": int(code), "reason": end.reason, "reconnect": end.reconnect} for code, end in CLOSE_CODES.items()
    ]
    rows = [f"| {each['code']} | {each['reason']} | {each['reconnect']} |" for each in closes]
    table = "\n".join(["| close code | why | connect again? |", "| --- | --- | --- |", *rows])
    return {
        "address": PATH,
        "title": "Live availability",
        "description": (
            f"Subprotocol `{SUBPROTOCOL}` (required); every message is JSON in a text frame of at most"
            f" {MESSAGE_BYTES_MAX} bytes from the screen. The first comes within {FIRST_MESSAGE_SECONDS} seconds of the"
            f" handshake; a screen that takes nothing for {STALLED_SECONDS} seconds is closed.\n\n{table}"
        ),
        "servers": [{"$ref": "#/servers/live"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "required": ["Sec-WebSocket-Protocol"],
                    "properties": {
                        "Sec-WebSocket-Protocol": {"type": "string", "const": SUBPROTOCOL},
                        "Origin": {"type": "string", "description": "Of a browser: one of the configured origins."},
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
        "x-close-codes": closes,
    }


def _operations() -> dict[str, Any]:
    channel = {"$ref": "#/channels/live"}
    heard = {
        of.__name__[0].lower() + of.__name__[1:]: {
            "action": "receive",
            "channel": channel,
            "summary": _first_line(of),
            "messages": [_of_channel(of)],
            "reply": {"channel": channel, "messages": [_of_channel(answer) for answer in answers]},
        }
        for of, answers in ANSWERS.items()
    }
    said = {
        "say": {
            "action": "send",
            "channel": channel,
            "summary": f"What the hub says unasked; a heartbeat every {HEARTBEAT_SECONDS} seconds.",
            "messages": [_of_channel(of) for of in SAID],
        }
    }
    return heard | said


def _message(of: type[Any], schemas: Schemas) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": str(of.__struct_config__.tag),
        "title": of.__name__,
        "summary": _first_line(of),
        "contentType": JSON,
        "payload": schemas.of(of),
    }
    if of is LiveError:
        told["description"] = "\n".join(f"- `{code}`: {meaning}" for code, meaning in LIVE_ERRORS.items())
    if of in _NUMBERED:
        told["correlationId"] = {"location": "$message.payload#/ref"}
    if of in _EXAMPLES:
        told["examples"] = [{"name": "example", "payload": _EXAMPLES[of]}]
    return told


def _of_channel(of: type[Any]) -> dict[str, str]:
    return {"$ref": f"#/channels/live/messages/{of.__name__}"}


def _first_line(of: type[Any]) -> str:
    return (of.__doc__ or "").partition("\n")[0]
