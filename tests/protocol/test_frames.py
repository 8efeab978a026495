"""What crosses the live WebSocket, message by message as the contract has it."""

import json
from typing import Any

import msgspec
import pytest

from protocol.answers import AvailabilityItem, PositionItem
from protocol.codec import Malformed
from protocol.frames import (
    CLOSE_CODES,
    HEARTBEAT,
    LIVE_ERRORS,
    Auth,
    Authorized,
    CloseCode,
    Heartbeat,
    LiveError,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Update,
    decode_frame,
    decode_message,
    encode_frame,
    encode_item,
    ref_of,
    subscribed_frame,
    update_frame,
)

AT = "2026-11-22T10:00:00.123Z"
ITEM = AvailabilityItem(sku="A", pool="online", available=2, status="low_stock", rev=12884901930, at=AT)
POSITION = PositionItem(
    sku="A", location="L", on_hand=1, free=0, ring_fenced={"vip": 1}, reserved=0, aside={}, deficit=0
)


def message(**fields: Any) -> str:
    return json.dumps(fields)


def refusal(raw: str | bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        decode_message(raw)
    return caught.value


def test_the_messages_of_the_contract_are_read() -> None:
    assert decode_message('{"op": "auth", "token": "abc"}') == Auth(token="abc")
    assert decode_message(b'{"op": "auth", "token": null}') == Auth(token=None)
    assert decode_message(
        '{"op": "subscribe", "ref": 1, "pool": "online", "skus": ["A","B"], "known": {"A": 12884901929}}'
    ) == Subscribe(ref=1, pool="online", skus=("A", "B"), known={"A": 12884901929})
    assert decode_message('{"op": "subscribe", "ref": 4, "location": "LON-KNB"}') == Subscribe(
        ref=4, location="LON-KNB"
    )
    assert decode_message('{"op": "unsubscribe", "ref": 2, "pool": "online", "skus": ["A"]}') == Unsubscribe(
        ref=2, pool="online", skus=("A",)
    )
    assert decode_message('{"op": "unsubscribe", "ref": 5, "location": "L"}') == Unsubscribe(ref=5, location="L")


def test_escapes_and_an_empty_known_are_read() -> None:
    read = decode_message('{"op": "subscribe", "ref": 1, "pool": "p", "skus": ["\\u00e9\\""], "known": {}}')

    assert read == Subscribe(ref=1, pool="p", skus=('é"',))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "hello",
        "[]",
        "null",
        b"\xff",
        "\ud800",
        message(op="shout"),
        message(op="auth"),
        message(op="auth", token=""),
        message(op="auth", token="x" * 8_193),
        message(op="auth", token=7),
        message(op="auth", token="x", extra=1),
        message(op="subscribe", pool="p", skus=["A"]),
        message(op="subscribe", ref=1),
        message(op="subscribe", ref=1, pool="p"),
        message(op="subscribe", ref=1, skus=["A"]),
        message(op="subscribe", ref=1, pool="p", skus=[]),
        message(op="subscribe", ref=1, pool="p", skus=["A"], location="L"),
        message(op="subscribe", ref=1, pool="p", location="L"),
        message(op="subscribe", ref=1, location="L", known={"A": 1}),
        message(op="subscribe", ref=1, pool="p q", skus=["A"]),
        message(op="subscribe", ref=1, pool="p", skus=["A\n"]),
        message(op="subscribe", ref=1, pool="p", skus=["A"] * 10_001),
        message(op="subscribe", ref=1, pool="p", skus=["A"], known={"A": -1}),
        message(op="subscribe", ref=1, pool="p", skus=["A"], known={"A": "1"}),
        message(op="subscribe", ref=1, pool="p", skus=["A"], known={"A": 1.5}),
        message(op="subscribe", ref="1", pool="p", skus=["A"]),
        message(op="subscribe", ref=-1, pool="p", skus=["A"]),
        message(op="subscribe", ref=2**53, pool="p", skus=["A"]),
        message(op="subscribe", ref=True, pool="p", skus=["A"]),
        message(op="unsubscribe", ref=1),
        message(op="unsubscribe", ref=1, pool="p", skus=["A"], known={}),
        '{"op": "subscribe", "ref": 1, "pool": "p", "skus": ["A"], "skus": ["B"]}',
        '{"op": "subscribe", "ref": 1, "pool": "p", "skus": ["A"], "known": {"A": 1, "A": 2}}',
        '{"op": "subscribe", "ref": 1, "pool": "p", "skus": ' + "[" * 30_000 + "]" * 30_000 + "}",
    ],
)
def test_any_other_message_is_refused_with_a_sentence(raw: str | bytes) -> None:
    assert refusal(raw).detail.endswith(".")


@pytest.mark.parametrize(
    ("raw", "ref"),
    [
        (message(op="subscribe", ref=3, pool="p"), 3),
        (message(op="shout", ref=0), 0),
        (rb'{"op": "subscribe", "ref": 3, "pool": "p", "skus": ["\ud800"]}', 3),
        (b'{"op": "subscribe", "ref": 3, "pool": "p", "skus": ["\xff"]}', 3),
        ('{"op": "subscribe", "ref": 3, "pool": "p", "skus": ["a\x01"]}', 3),
        ("[3]", None),
        (message(op="subscribe", ref=True), None),
        (message(op="subscribe", ref=2**53), None),
        (message(op="subscribe", ref="3"), None),
        (message(op="subscribe"), None),
        ("hello", None),
        ("\ud800", None),
        (b"\xff", None),
        ('{"a": ' + "[" * 60_000, None),
    ],
)
def test_the_ref_of_an_unreadable_message_is_found_where_there_is_one(raw: str | bytes, ref: int | None) -> None:
    assert ref_of(raw) == ref


@pytest.mark.parametrize("sku", [r"\ud800", r"\uD83Dx", r"\udc00", r"\ud800\u0041", r"\ude00\ud83d"])
def test_half_a_character_is_called_so_and_not_a_message_that_is_cut_off(sku: str) -> None:
    said = refusal(f'{{"op": "subscribe", "ref": 1, "pool": "p", "skus": ["{sku}"]}}')

    assert "half of a surrogate pair" in said.detail


@pytest.mark.parametrize("sku", [r"\ud83d\ude00", r"\\ud800"])
def test_a_whole_character_and_a_backslash_are_no_half(sku: str) -> None:
    start = f'{{"op": "subscribe", "ref": 1, "pool": "p", "skus": ["{sku}"]'

    assert decode_message(start + "}")
    assert "surrogate" not in refusal(start + ', "known": {"A": NaN}}').detail
    assert "surrogate" not in refusal(start).detail


def test_an_operation_that_stands_twice_is_not_called_unknown() -> None:
    assert "stands twice" in refusal('{"op": "subscribe", "op": "auth", "token": null}').detail
    assert "it is one of auth, subscribe" in refusal('{"op": "shout"}').detail


def test_a_token_is_in_no_repr() -> None:
    assert "geheim" not in repr(Auth(token="geheim"))
    assert "None" in repr(Auth(token=None))


@pytest.mark.parametrize(
    ("frame", "sent"),
    [
        (
            Authorized(pools=("online", "vip"), exp=1795341600),
            {"op": "authorized", "pools": ["online", "vip"], "exp": 1795341600},
        ),
        (Authorized(pools=(), exp=None), {"op": "authorized", "pools": [], "exp": None}),
        (Unsubscribed(ref=2), {"op": "unsubscribed", "ref": 2}),
        (
            LiveError(ref=3, code="unknown_pool", detail="…"),
            {"op": "error", "ref": 3, "code": "unknown_pool", "detail": "…"},
        ),
        (
            LiveError(code="malformed", detail="…"),
            {"op": "error", "code": "malformed", "detail": "…"},
        ),
        (Heartbeat(), {"op": "heartbeat"}),
    ],
)
def test_the_frames_of_the_contract_are_written_and_read(frame: Any, sent: dict[str, Any]) -> None:
    assert json.loads(encode_frame(frame)) == sent
    assert decode_frame(encode_frame(frame)) == frame


def test_an_update_is_glued_from_items_that_were_encoded_once() -> None:
    frame = update_frame([encode_item(ITEM), encode_item(POSITION)])

    assert json.loads(frame) == {
        "op": "update",
        "items": [msgspec.to_builtins(ITEM), msgspec.to_builtins(POSITION)],
    }
    assert decode_frame(frame) == Update(items=[msgspec.Raw(encode_item(ITEM)), msgspec.Raw(encode_item(POSITION))])


def test_a_subscribed_is_glued_the_same_way_and_may_be_empty() -> None:
    assert decode_frame(subscribed_frame(7, [encode_item(ITEM)])) == Subscribed(
        ref=7, items=[msgspec.Raw(encode_item(ITEM))]
    )
    assert json.loads(subscribed_frame(2**53 - 1, [])) == {
        "op": "subscribed",
        "ref": 2**53 - 1,
        "items": [],
    }


def test_a_glued_frame_is_what_the_encoder_would_write() -> None:
    items = [encode_item(ITEM)]
    raws = [msgspec.Raw(item) for item in items]

    assert update_frame(items) == encode_frame(Update(items=raws))
    assert subscribed_frame(1, items) == encode_frame(Subscribed(ref=1, items=raws))


def test_a_client_ignores_fields_it_does_not_know() -> None:
    assert decode_frame(b'{"op": "unsubscribed", "ref": 1, "new": true}') == Unsubscribed(ref=1)


def test_the_heartbeat_is_made_once() -> None:
    assert decode_frame(HEARTBEAT) == Heartbeat()


def test_every_close_code_says_why_and_what_next() -> None:
    assert {int(code) for code in CLOSE_CODES} == {1001, 1002, 1008, 1009, 1011, 1013, 4401, 4408}
    assert set(CLOSE_CODES) == set(CloseCode)
    # The reason of a close frame has room for 123 bytes.
    assert all(0 < len(ending.reason.encode()) <= 123 for ending in CLOSE_CODES.values())


def test_a_client_comes_back_only_where_that_can_help() -> None:
    assert CLOSE_CODES[CloseCode.GOING_AWAY].reconnect == "with jitter"
    assert CLOSE_CODES[CloseCode.TRY_LATER].reconnect == "with jitter"
    assert CLOSE_CODES[CloseCode.TOKEN_ENDED].reconnect == "with a new token"
    assert CLOSE_CODES[CloseCode.POLICY_VIOLATED].reconnect == "no"


def test_every_error_code_has_a_meaning() -> None:
    assert "unknown_pool" in LIVE_ERRORS
    assert all(meaning.endswith(".") for meaning in LIVE_ERRORS.values())
