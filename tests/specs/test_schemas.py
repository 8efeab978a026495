"""What holds frames and answers to the documents does find what is wrong with them."""

import json
from itertools import product
from typing import Any

import pytest
from jsonschema_rs import ValidationError

from protocol.codec import Malformed
from protocol.frames import decode_message
from tests.specs.schemas import check_heard, check_said, described

ITEM = {"sku": "A", "pool": "online", "available": 2, "status": "low_stock", "rev": 1, "at": "2026-11-22T10:00:00Z"}
SUBSCRIBE = {"op": "subscribe", "ref": 1, "pool": "online", "skus": ["A"]}


def test_what_is_described_is_let_pass() -> None:
    check_heard({"op": "update", "items": [ITEM]})
    check_said(SUBSCRIBE)
    described().check_answer("GET", "/healthz", 200, "application/json", b'{"status": "alive"}')


@pytest.mark.parametrize(
    "frame",
    [
        {"op": "update", "items": [{**ITEM, "colour": "red"}]},
        {"op": "update", "items": [{**ITEM, "rev": "1"}]},
        {"op": "subscribed", "items": []},
        {"op": "heartbeat", "at": "noon"},
    ],
)
def test_a_frame_that_is_not_described_is_found(frame: Any) -> None:
    with pytest.raises(ValidationError):
        check_heard(frame)


@pytest.mark.parametrize("message", [{**SUBSCRIBE, "skus": []}, {**SUBSCRIBE, "pol": 1}, {"op": "auth"}])
def test_a_message_that_is_not_described_is_found(message: Any) -> None:
    with pytest.raises(ValidationError):
        check_said(message)


@pytest.mark.parametrize("op", ["subscribe", "unsubscribe"])
def test_the_description_allows_the_targets_that_the_hub_takes_and_no_others(op: str) -> None:
    left_out = object()
    choices = {
        "pool": (left_out, None, "p"),
        "skus": (left_out, None, ["A"]),
        "location": (left_out, None, "L"),
        "known": (left_out, {}, {"A": 1}) if op == "subscribe" else (left_out,),
    }
    for chosen in product(*choices.values()):
        fields = {name: value for name, value in zip(choices, chosen, strict=True) if value is not left_out}
        message = {"op": op, "ref": 1, **fields}
        assert is_described(message) == is_taken(message), message


def is_described(message: Any) -> bool:
    try:
        check_said(message)
    except ValidationError:
        return False
    return True


def is_taken(message: Any) -> bool:
    try:
        decode_message(json.dumps(message))
    except Malformed:
        return False
    return True


def test_an_operation_is_not_said_by_the_other_side() -> None:
    with pytest.raises(KeyError):
        check_heard(SUBSCRIBE)


@pytest.mark.parametrize(
    ("status", "media", "body"),
    [
        (200, "application/json", b'{"status": "alive", "mood": "good"}'),
        (200, "text/plain", b'{"status": "alive"}'),
        (201, "application/json", b'{"status": "alive"}'),
    ],
)
def test_an_answer_that_is_not_described_is_found(status: int, media: str, body: bytes) -> None:
    with pytest.raises((ValidationError, AssertionError)):
        described().check_answer("GET", "/healthz", status, media, body)
