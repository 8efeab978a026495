"""The canonical form depends on what an event says, never on how it was written; a duplicate is always found."""

import json
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import DecodedEvent, Malformed, decode_event
from protocol.events import Adjustment, Count, Event, OrderPlaced, RingFence, Sale, TransferReceived

names = st.text("ABCxyz09._-", min_size=1, max_size=8)
words = st.text(
    st.one_of(st.sampled_from('"\\/é🎒 {}[]:,'), st.characters(exclude_categories=["Cc", "Cs"])),
    min_size=1,
    max_size=12,
)
instants = st.integers(0, 4_000_000_000_000_000).map(
    lambda microseconds: datetime(1971, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
optional_words = st.none() | words


def objects(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def lines(quantity: st.SearchStrategy[int], **more: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    line = objects({"sku": words, "quantity": quantity}, more)
    return st.lists(line, min_size=1, max_size=4).map(named_once)


def named_once(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """No piece stands twice in one event."""
    for number, line in enumerate(told):
        if "serials" in line:
            line["serials"] = [f"{serial}{number}" for serial in line["serials"]]
    return told


def facts(type_: str, required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return objects(
        {"type": st.just(type_), "id": words, "time": instants, **required},
        {
            "meta": st.dictionaries(names, words, max_size=3),
            "tags": st.lists(words, max_size=3),
            **optional,
        },
    )


units, targets = st.integers(1, 1_000_000), st.integers(0, 1_000_000)
place = {"location": names}
serials = st.lists(words, max_size=1)
documents = st.one_of(
    facts(
        "sale",
        {**place, "pool": names, "lines": lines(units, serials=serials)},
        {"reservation": optional_words, "order": optional_words},
    ),
    facts("ring_fence", {**place, "pool": names, "lines": lines(targets)}, {"standing": st.booleans()}),
    facts(
        "adjustment",
        {
            **place,
            "reason": words,
            "lines": lines(units | units.map(int.__neg__), bucket=st.just("free") | names),
        },
        {},
    ),
    facts(
        "count",
        {**place, "counted_at": instants, "lines": lines(targets)},
        {"complete": st.booleans(), "kind": st.sampled_from(["physical", "system"])},
    ),
    facts("transfer.received", {"transfer": words, "lines": lines(units)}, {"final": st.booleans()}),
    facts(
        "order.placed",
        {"order": words, "pool": names, "lines": lines(units, location=st.none() | names)},
        {"owner": optional_words, "prefer": st.none() | st.lists(names, min_size=1, max_size=3)},
    ),
)

# What each type says by default, for events and for their lines.
DEFAULTS: dict[str, dict[str, Any]] = {
    "sale": {"reservation": None, "order": None},
    "ring_fence": {"standing": False},
    "adjustment": {},
    "count": {"complete": False, "kind": "physical"},
    "transfer.received": {"final": True},
    "order.placed": {"reservation": None, "owner": None, "locations": None, "prefer": None},
}
LINE_DEFAULTS: dict[str, dict[str, Any]] = {"adjustment": {"bucket": "free"}, "order.placed": {"location": None}}


def spell(value: Any, choice: random.Random) -> Any:
    """The same value with its keys in any order and its times in any offset."""
    if isinstance(value, dict):
        keys = choice.sample(sorted(value), len(value))
        return {key: spell(value[key], choice) for key in keys}
    if isinstance(value, list):
        return [spell(member, choice) for member in value]
    if isinstance(value, datetime):
        offset = timezone(timedelta(minutes=choice.randrange(-14 * 60, 14 * 60 + 1)))
        text = value.astimezone(choice.choice([UTC, offset])).isoformat()
        return text.replace("+00:00", choice.choice(["Z", "+00:00", "-00:00"]))
    return value


def write(document: dict[str, Any], seed: int) -> bytes:
    choice = random.Random(seed)
    text = json.dumps(
        spell(document, choice),
        ensure_ascii=choice.random() < 0.5,
        indent=choice.choice([None, 1]),
    )
    return text.encode()


def with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    type_ = document["type"]
    more = LINE_DEFAULTS.get(type_, {})
    written = [{"serials": [], **more, **line} for line in document["lines"]]
    return {"meta": {}, "tags": [], **DEFAULTS[type_], **document, "lines": written}


def plain(document: dict[str, Any]) -> DecodedEvent:
    return decode_event(write(document, seed=0))


@settings(deadline=None)
@given(documents, st.integers())
def test_the_order_of_keys_offsets_and_escapes_do_not_matter(document: dict[str, Any], seed: int) -> None:
    assert decode_event(write(document, seed)) == plain(document)


@settings(deadline=None)
@given(documents, st.integers())
def test_a_default_that_is_written_out_does_not_matter(document: dict[str, Any], seed: int) -> None:
    assert decode_event(write(with_defaults(document), seed)) == plain(document)


@settings(deadline=None)
@given(documents)
def test_the_canonical_form_is_its_own(document: dict[str, Any]) -> None:
    decoded = plain(document)

    assert decode_event(decoded.canonical) == decoded


@settings(deadline=None)
@given(documents)
def test_the_canonical_form_has_sorted_keys_and_says_what_the_event_says(document: dict[str, Any]) -> None:
    canonical = json.loads(plain(document).canonical)

    assert list(canonical) == sorted(canonical)
    assert with_defaults(canonical).keys() == with_defaults(document).keys()
    assert canonical["id"] == document["id"]
    assert [line["sku"] for line in canonical["lines"]] == [line["sku"] for line in document["lines"]]


@settings(deadline=None)
@given(documents, documents)
def test_two_events_share_a_hash_only_when_they_say_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (plain(one).hash == plain(other).hash) == (plain(one).event == plain(other).event)


@settings(deadline=None, max_examples=200)
@given(documents, st.integers(), st.data())
def test_a_key_that_stands_twice_is_always_found(document: dict[str, Any], seed: int, data: Any) -> None:
    text = write(document, seed).decode()
    # Where an object begins outside of a string; one of its members is then said once more at its end.
    decoder = json.JSONDecoder()
    starts = [at for at, sign in enumerate(text) if sign == "{" and not _in_string(text, at)]
    at = data.draw(st.sampled_from(starts))
    members, end = decoder.raw_decode(text, at)
    if not members:
        return
    key = data.draw(st.sampled_from(sorted(members)))
    again = f", {json.dumps(key)}: {json.dumps(members[key])}}}"

    with pytest.raises(Malformed, match="twice"):
        decode_event((text[: end - 1] + again + text[end:]).encode())


def _in_string(text: str, at: int) -> bool:
    inside = escaped = False
    for sign in text[:at]:
        if escaped:
            escaped = False
        elif inside and sign == "\\":
            escaped = True
        elif sign == '"':
            inside = not inside
    return inside


@pytest.mark.parametrize("type_", [Sale, Count, Adjustment, RingFence, TransferReceived, OrderPlaced])
def test_every_event_type_written_here_is_one_of_the_wire(type_: type) -> None:
    assert type_ in Event.__args__
    assert type_.__struct_config__.tag in DEFAULTS


def outcome(raw: bytes) -> DecodedEvent | Malformed:
    """Whatever else is raised fails the test."""
    try:
        return decode_event(raw)
    except Malformed as error:
        return error


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    refused = outcome(raw)

    assert isinstance(refused, Malformed)
    assert refused.as_problem().status == 400


@settings(deadline=None)
@given(documents, st.integers(), st.data())
def test_an_event_with_some_bytes_changed_is_read_or_refused(document: dict[str, Any], seed: int, data: Any) -> None:
    raw = bytearray(write(document, seed))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    found = outcome(bytes(raw))

    if isinstance(found, DecodedEvent):
        assert decode_event(found.canonical) == found
    else:
        assert found.as_problem().status == 400
