"""Bytes to events: what is read, what is the same, and what is refused with which words."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from protocol.codec import Malformed, decode_body, decode_event, split_array
from protocol.events import Sale
from protocol.problems import PROBLEM_TYPES

SALE = (
    b'{"id": "till-7-000123", "type": "sale", "time": "2026-11-22T10:00:00+00:00",'
    b' "location": "LON-KNB", "pool": "store", "lines": [{"sku": "BAG-NOIR", "quantity": 1}]}'
)
CANONICAL = (
    b'{"id":"till-7-000123","lines":[{"quantity":1,"sku":"BAG-NOIR"}],"location":"LON-KNB",'
    b'"pool":"store","time":"2026-11-22T10:00:00Z","type":"sale"}'
)


def refusal(raw: bytes) -> Malformed:
    with pytest.raises(Malformed) as caught:
        decode_event(raw)
    assert caught.value.problem in PROBLEM_TYPES
    return caught.value


def with_quantity(text: bytes) -> bytes:
    return SALE.replace(b'"quantity": 1', b'"quantity": ' + text)


def test_the_sale_of_the_contract_is_read() -> None:
    decoded = decode_event(SALE)

    assert isinstance(decoded.event, Sale)
    assert decoded.event.time == datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert decoded.canonical == CANONICAL


def test_the_hash_is_the_first_96_bits_of_sha256_in_base64url() -> None:
    expected = base64.urlsafe_b64encode(hashlib.sha256(CANONICAL).digest())[:16].decode()

    assert decode_event(SALE).hash == expected


def test_an_item_of_an_array_is_read_like_an_event_alone() -> None:
    items = split_array(b"[" + SALE + b"]")

    assert items is not None
    assert decode_event(items[0]) == decode_event(SALE)


def test_the_same_event_written_another_way_has_the_same_hash() -> None:
    anew = json.dumps(
        {
            "lines": [{"quantity": 1, "serials": [], "sku": "BAG-NOIR"}],
            "reservation": None,
            "tags": [],
            "meta": {},
            "pool": "store",
            "location": "LON-KNB",
            "time": "2026-11-22T11:30:00.000+01:30",
            "type": "sale",
            "id": "till-7-000123",
        },
        indent=2,
    ).encode()

    assert decode_event(anew).hash == decode_event(SALE).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"quantity": 1', b'"quantity": 2'),
        (b"BAG-NOIR", b"BAG-noir"),
        (b"10:00:00+00:00", b"10:00:00+01:00"),
        (b"10:00:00+00:00", b"10:00:00.001+00:00"),
        (b'"pool"', b'"tags": ["x"], "pool"'),
    ],
)
def test_another_content_has_another_hash(old: bytes, new: bytes) -> None:
    assert decode_event(SALE.replace(old, new)).hash != decode_event(SALE).hash


def test_an_alias_and_its_normal_form_stay_as_sent() -> None:
    decomposed = "Herme\u0300s".encode()

    assert decomposed in decode_event(SALE.replace(b"BAG-NOIR", decomposed)).canonical


def test_a_time_is_handed_on_in_utc() -> None:
    event = decode_event(SALE.replace(b"+00:00", b"-05:00")).event

    assert event.time.tzinfo is UTC
    assert event.time.hour == 15


@pytest.mark.parametrize(
    "quantity",
    [
        b"0",
        b"-5",
        b"-0",
        b"1e3",
        b"1.0",
        b"9007199254740993",
        b"1000001",
        b"true",
        b"null",
        b'"1"',
        b"[1]",
        b"9" * 5_000,
        b"1" + b"0" * 400 + b".5",
        b"1e999",
    ],
)
def test_a_hostile_quantity_is_refused_at_its_path(quantity: bytes) -> None:
    error = refusal(with_quantity(quantity))

    assert error.path == "$.lines[0].quantity"
    assert error.id == "till-7-000123"
    assert error.problem == "malformed"


@pytest.mark.parametrize("quantity", [b"NaN", b"Infinity", b"01", b"+1", b"1_000", b""])
def test_a_quantity_that_is_not_json_is_refused(quantity: bytes) -> None:
    error = refusal(with_quantity(quantity))

    assert "JSON" in error.detail
    assert error.id is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"not json",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'""',
        b"{}",
        b"\x00",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf" + SALE,
        SALE + b"x",
        SALE + SALE,
        SALE[:-1],
        SALE.replace(b"BAG-NOIR", b"\xff"),
        SALE.replace(b"BAG-NOIR", b"\xed\xa0\x80"),
        SALE.replace(b"BAG-NOIR", b"\\ud800"),
        SALE.replace(b"BAG-NOIR", b"\\u0000"),
        SALE.replace(b"BAG-NOIR", b"a\nb"),
        SALE.replace(b": 1}", b": 0x10}"),
        SALE.replace(b'"sale"', b'"sell"'),
        SALE.replace(b'"sale"', b"7"),
        SALE.replace(b"+00:00", b""),
        SALE.replace(b"2026-11-22", b"2026-02-30"),
        SALE.replace(b'"2026-11-22T10:00:00+00:00"', b"1795341600"),
        SALE.replace(b"2026-11-22T10:00:00+00:00", b"0001-01-01T00:00:00+10:00"),
        SALE.replace(b"2026-11-22T10:00:00+00:00", b"9999-12-31T23:59:59-10:00"),
        SALE.replace(b"till-7-000123", b"x" * 201),
    ],
)
def test_what_is_no_event_is_refused_with_a_sentence(raw: bytes) -> None:
    error = refusal(raw)

    assert error.detail.endswith(".")
    assert error.as_problem().status == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 200_000,
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 200_000,
        b'{"id": "a", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b', "type": "sale"}',
        with_quantity(b"[" * 200_000 + b"]" * 200_000),
        SALE.replace(b'"pool"', b'"meta": {"a": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001 + b', "pool"'),
    ],
)
def test_deep_nesting_is_refused(raw: bytes) -> None:
    assert refusal(raw).as_problem().status == 400


def test_a_hundred_and_one_lines_are_refused() -> None:
    line = b'{"sku": "BAG-NOIR", "quantity": 1}'
    raw = SALE.replace(line, b",".join([line] * 101))

    assert refusal(raw).path == "$.lines"


def test_an_unknown_field_is_named() -> None:
    error = refusal(SALE.replace(b'"pool"', b'"pol": "x", "pool"'))

    assert error.detail == "Object contains unknown field `pol`."
    assert error.id == "till-7-000123"


def test_a_pattern_is_told_in_words() -> None:
    error = refusal(SALE.replace(b"LON-KNB", b"LON KNB"))

    assert error.detail == "Expected `str` of 1 to 64 letters A-Z a-z, digits, `.`, `_` or `-`."
    assert error.path == "$.location"


def test_what_is_told_does_not_repeat_all_that_was_sent() -> None:
    error = refusal(SALE.replace(b'"pool"', b'"' + b"p" * 900_000 + b'"'))

    assert len(error.as_problem().detail) == 300


@pytest.mark.parametrize("id", [b'"' + b"x" * 201 + b'"', b"7", b"null", b'"a\\n"'])
def test_an_id_that_is_none_is_not_repeated(id: bytes) -> None:
    assert refusal(SALE.replace(b'"till-7-000123"', id)).id is None


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b'"pool": "store"', b'"pool": "store", "pool": "vip"', "$"),
        (b'"pool": "store"', b'"pool": "store", "pool": "store"', "$"),
        (b'"quantity": 1', b'"quantity": 1, "quantity": 2', "$.lines[0]"),
        (b'"id"', b'"id": "first", "id"', "$"),
        (b'"pool"', b'"lines": [{"sku": "X", "quantity": 9}], "pool"', "$"),
        (b'"type": "sale"', b'"type": "sale", "type": "sale"', "$"),
        (b'"pool"', b'"meta": {"a": "1", "a": "2"}, "pool"', "$.meta"),
        (b'"pool"', b'"meta": {"a": "1", "\\u0061": "2"}, "pool"', "$.meta"),
        (b'"pool"', b'"p\\u006fol": "vip", "pool"', "$"),
        (b'"pool"', b'"order": null, "order": null, "pool"', "$"),
        (b'"sku": "BAG-NOIR"', b'"sku": "\\"\\"", "sku": "BAG-NOIR"', "$.lines[0]"),
    ],
)
def test_a_key_that_stands_twice_is_refused(old: bytes, new: bytes, path: str) -> None:
    """A decoder keeps the last one without a word, and half of what the sender said would be lost."""
    error = refusal(SALE.replace(old, new, 1))

    assert "twice" in error.detail
    assert error.path == path


def test_an_escaped_quote_does_not_hide_a_key_that_stands_twice() -> None:
    """The canonical form has a quote where the text has none (`\\u0022`): as many as the second key brings."""
    raw = with_quantity(b'1, "quantity": 1').replace(b"BAG-NOIR", b"\\u0022\\u0022")

    assert "twice" in refusal(raw).detail


@pytest.mark.parametrize("sku", [b'\\"\\"', b"\\u0022quoted\\u0022", b"a\\\\b", b"a\\/b", "naïve".encode(), b"\\u00e9"])
def test_quotes_and_escapes_in_a_text_are_no_duplicate(sku: bytes) -> None:
    event = decode_event(SALE.replace(b"BAG-NOIR", sku)).event

    assert isinstance(event, Sale)
    assert event.lines[0].sku == json.loads(b'"' + sku + b'"')


@pytest.mark.parametrize("body", [b"[]", b" \n\t\r[ ]"])
def test_an_empty_array_is_an_array(body: bytes) -> None:
    assert split_array(body) == []


@pytest.mark.parametrize("body", [SALE, b"", b" ", b"null", b"x[", b"\xef\xbb\xbf[]"])
def test_what_does_not_begin_like_an_array_is_none(body: bytes) -> None:
    assert split_array(body) is None


def test_a_bad_item_spoils_only_itself() -> None:
    items = split_array(b"[" + SALE + b', 7, {"id": 1}, "\xff", ' + SALE + b"]")

    assert items is not None
    assert len(items) == 5
    assert decode_event(items[4]).canonical == CANONICAL
    for item in items[1:4]:
        with pytest.raises(Malformed):
            decode_event(item)


@pytest.mark.parametrize("body", [b"[", b"[1,]", b"[NaN]", b"[1] x", b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000])
def test_an_array_that_cannot_be_read_is_malformed_as_a_whole(body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        split_array(body)

    assert caught.value.problem == "malformed"


def test_an_array_has_at_most_a_thousand_items() -> None:
    thousand = split_array(b"[" + b",".join([b"1"] * 1_000) + b"]")

    with pytest.raises(Malformed) as caught:
        split_array(b"[" + b",".join([b"1"] * 1_001) + b"]")

    assert thousand is not None
    assert len(thousand) == 1_000
    assert caught.value.as_problem().name == "too_many"


class Question(msgspec.Struct, forbid_unknown_fields=True):
    pool: str
    ratio: float = 0.0


QUESTION: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Question)


def test_any_other_request_is_read_the_same_way() -> None:
    assert decode_body(QUESTION, b'{"pool": "online"}') == Question("online")


@pytest.mark.parametrize(
    "body",
    [
        b'{"pool": "a", "pool": "b"}',
        b'{"pool": 1}',
        b'{"pools": "a"}',
        b'{"pool": "a", "ratio": NaN}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_any_other_request_is_refused_the_same_way(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode_body(QUESTION, body)


def test_a_sku_is_as_long_as_its_normal_form() -> None:
    note = "\U0001d160".encode()  # Three characters in normal form C.

    error = refusal(SALE.replace(b"BAG-NOIR", note * 100))

    assert (error.problem, error.path) == ("malformed", "$.lines[0].sku")
    assert "128" in error.detail
    assert error.id == "till-7-000123"
    assert refusal(SALE.replace(b"BAG-NOIR", note * 43)).path == "$.lines[0].sku"
    assert isinstance(decode_event(SALE.replace(b"BAG-NOIR", note * 42)).event, Sale)


@pytest.mark.parametrize(
    ("field", "value", "known"), [("type", "Sale", "sale, sale.voided"), ("kind", "erp", "physical, system")]
)
def test_a_word_that_is_none_of_a_few_is_told_which_there_are(field: str, value: str, known: str) -> None:
    event = {"id": "1", "type": "count", "time": "2026-11-22T10:00:00Z", "location": "L", "lines": [], field: value}
    event |= {"counted_at": "2026-11-22T10:00:00Z", "complete": True}

    with pytest.raises(Malformed) as told:
        decode_event(msgspec.json.encode(event))

    assert told.value.path == f"$.{field}"
    assert f"{value}'; it is one of {known}" in told.value.detail
    assert len(told.value.detail) < 300
