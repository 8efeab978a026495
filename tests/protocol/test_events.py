"""Every event type of the wire is decoded, with its fields and its bounds."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from protocol import events
from protocol.codec import Malformed, decode_event

TIME = "2026-11-22T10:00:00+00:00"
LINE = {"sku": "BAG", "quantity": 1}
ORDER_LINE = {**LINE, "location": "LON-KNB"}

# type -> (its struct, required fields, optional fields with a value that is not the default)
CASES: dict[str, tuple[type, dict[str, Any], dict[str, Any]]] = {
    "sale": (
        events.Sale,
        {"location": "L", "pool": "store", "lines": [LINE]},
        {"reservation": "r", "order": "o"},
    ),
    "sale.voided": (events.SaleVoided, {"sale": "s-1"}, {"lines": [LINE]}),
    "return": (
        events.Return,
        {"location": "L", "lines": [{**LINE, "to": "inspection"}]},
        {"order": "o", "sale": "s"},
    ),
    "receipt": (events.Receipt, {"location": "L", "lines": [LINE]}, {"purchase_order": "po"}),
    "moved": (events.Moved, {"location": "L", "lines": [{**LINE, "from": "free", "to": "written_off"}]}, {}),
    "transfer.dispatched": (
        events.TransferDispatched,
        {"transfer": "t", "from": "A", "to": "B", "lines": [LINE]},
        {"order": "o"},
    ),
    "transfer.received": (events.TransferReceived, {"transfer": "t", "lines": [LINE]}, {}),
    "count": (
        events.Count,
        {"location": "L", "counted_at": TIME, "lines": [{"sku": "BAG", "quantity": 0}]},
        {"complete": True, "kind": "system"},
    ),
    "adjustment": (
        events.Adjustment,
        {"location": "L", "reason": "found", "lines": [{"sku": "BAG", "quantity": -2, "bucket": "damaged"}]},
        {},
    ),
    "ring_fence": (
        events.RingFence,
        {"location": "L", "pool": "vip", "lines": [{"sku": "BAG", "quantity": 0}]},
        {"standing": True},
    ),
    "expected": (
        events.Expected,
        {"purchase_order": "po", "location": "L", "eta": TIME, "lines": [{"sku": "BAG", "quantity": 0}]},
        {},
    ),
    "order.placed": (
        events.OrderPlaced,
        {"order": "o", "pool": "online", "lines": [ORDER_LINE]},
        {"reservation": "r", "owner": "me", "locations": ["A"], "prefer": ["B", "C"]},
    ),
    "order.changed": (events.OrderChanged, {"order": "o", "lines": [ORDER_LINE]}, {}),
    "order.cancelled": (events.OrderCancelled, {"order": "o"}, {"lines": [LINE]}),
    "order.fulfilled": (events.OrderFulfilled, {"order": "o"}, {"location": "L", "lines": [LINE]}),
}
TYPES = sorted(CASES)


def event(type_: str, **changes: Any) -> dict[str, Any]:
    return {"id": "e-1", "type": type_, "time": TIME, **CASES[type_][1], **changes}


def decode(document: dict[str, Any]) -> Any:
    return decode_event(msgspec.json.encode(document)).event


def refusal(document: dict[str, Any]) -> Malformed:
    with pytest.raises(Malformed) as caught:
        decode(document)
    return caught.value


def test_the_cases_are_all_types_of_the_wire() -> None:
    members = events.Event.__args__

    assert {member.__struct_config__.tag for member in members} == set(TYPES)
    assert {case[0] for case in CASES.values()} == set(members)


@pytest.mark.parametrize("type_", TYPES)
def test_an_event_of_required_fields_only_is_read(type_: str) -> None:
    read = decode(event(type_))

    assert type(read) is CASES[type_][0]
    assert read.id == "e-1"
    assert read.time == datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize("type_", TYPES)
def test_an_event_with_every_optional_field_comes_back_whole(type_: str) -> None:
    full = event(type_, **CASES[type_][2], meta={"till": "7"}, tags=["a", "b"])

    again = msgspec.to_builtins(decode(full))

    expected = {**full, "time": "2026-11-22T10:00:00Z"}
    for field in ("counted_at", "eta"):
        if field in expected:
            expected[field] = "2026-11-22T10:00:00Z"
    assert msgspec.json.decode(msgspec.json.encode(again)) == expected


@pytest.mark.parametrize("type_", TYPES)
def test_each_required_field_is_missed(type_: str) -> None:
    for field in event(type_):
        document = event(type_)
        del document[field]

        assert f"`{field}`" in refusal(document).detail


@pytest.mark.parametrize("type_", TYPES)
def test_an_unknown_field_is_refused_by_name(type_: str) -> None:
    error = refusal(event(type_, quantitty=1))

    assert "`quantitty`" in error.detail
    assert error.id == "e-1"


@pytest.mark.parametrize("type_", [name for name in TYPES if "lines" in CASES[name][1]])
@pytest.mark.parametrize("count", [0, 101])
def test_an_event_has_one_to_a_hundred_lines(type_: str, count: int) -> None:
    line = CASES[type_][1]["lines"][0]
    # The last arrival of a transfer may bring nothing.
    others = {"final": False} if type_ == "transfer.received" else {}

    assert refusal(event(type_, lines=[line] * count, **others)).path == "$.lines"
    assert len(decode(event(type_, lines=[line] * 100)).lines) == 100


@pytest.mark.parametrize("type_", [name for name in TYPES if "lines" in CASES[name][1]])
def test_an_unknown_field_of_a_line_is_refused(type_: str) -> None:
    line = {**CASES[type_][1]["lines"][0], "qty": 2}

    assert refusal(event(type_, lines=[line])).path == "$.lines[0]"


@pytest.mark.parametrize("type_", ["count", "ring_fence", "expected"])
def test_an_absolute_fact_may_say_zero_but_not_less(type_: str) -> None:
    assert decode(event(type_, lines=[{"sku": "B", "quantity": 0}])).lines[0].quantity == 0
    assert refusal(event(type_, lines=[{"sku": "B", "quantity": -1}])).path == "$.lines[0].quantity"


@pytest.mark.parametrize("quantity", [0, 1_000_001, -1_000_001])
def test_an_adjustment_is_not_zero_and_bounded_on_both_sides(quantity: int) -> None:
    assert refusal(event("adjustment", lines=[{"sku": "B", "quantity": quantity}])).path is not None


@pytest.mark.parametrize("quantity", [1, -1, 1_000_000, -1_000_000])
def test_an_adjustment_takes_either_sign_and_is_of_free_by_default(quantity: int) -> None:
    line = decode(event("adjustment", lines=[{"sku": "B", "quantity": quantity}])).lines[0]

    assert (line.quantity, line.bucket) == (quantity, events.FREE)


def test_a_reason_is_needed() -> None:
    assert refusal(event("adjustment", reason="")).path == "$.reason"


@pytest.mark.parametrize("type_", [name for name in TYPES if "lines" in CASES[name][1]])
def test_a_line_has_at_most_as_many_serials_as_units(type_: str) -> None:
    line = {**CASES[type_][1]["lines"][0]}
    units = abs(line["quantity"])

    good = decode(event(type_, lines=[{**line, "serials": [f"s{n}" for n in range(units)]}]))
    bad = refusal(event(type_, lines=[{**line, "serials": [f"s{n}" for n in range(units + 1)]}]))

    assert len(good.lines[0].serials) == units
    assert "serials" in bad.detail
    assert bad.path == "$.lines[0]"


def test_a_piece_stands_once_in_an_event() -> None:
    lines = [{"sku": "B", "quantity": 2, "serials": ["s1", "s2"]}, {"sku": "W", "quantity": 1, "serials": ["s1"]}]
    assert decode(event("sale", lines=lines))

    twice = [*lines, {"sku": "B", "quantity": 3, "serials": ["s3", "s2"]}]

    assert refusal(event("sale", lines=twice)).path == "$.lines[2].serials[1]"


def test_an_event_names_at_most_a_thousand_pieces() -> None:
    line = {"sku": "B", "quantity": 1_000, "serials": [f"s{n}" for n in range(1_000)]}
    assert decode(event("sale", lines=[line]))

    more = refusal(event("sale", lines=[line, {"sku": "W", "quantity": 1, "serials": ["s1"]}]))

    assert (more.problem, more.path) == ("too_many", "$.lines")


@pytest.mark.parametrize(
    "changes",
    [
        {"meta": {f"k{n}": "v" for n in range(9)}},
        {"meta": {"k": 1}},
        {"meta": {"k": "x" * 201}},
        {"meta": ["k"]},
        {"tags": ["t"] * 17},
        {"tags": [1]},
        {"tags": "vip"},
    ],
)
def test_meta_and_tags_are_bounded(changes: dict[str, Any]) -> None:
    assert refusal(event("sale", **changes)).path is not None


def test_meta_and_tags_may_be_full() -> None:
    read = decode(event("sale", meta={f"k{n}": "v" for n in range(8)}, tags=["t"] * 16))

    assert len(read.meta) == 8
    assert len(read.tags) == 16


@pytest.mark.parametrize(
    ("type_", "field"),
    [(name, field) for name in TYPES for field, value in CASES[name][2].items() if not isinstance(value, bool)],
)
def test_null_is_the_same_as_left_out_for_ids_and_lists(type_: str, field: str) -> None:
    if field == "kind":
        assert refusal(event(type_, kind=None)).path == "$.kind"
        return

    left_out = decode_event(msgspec.json.encode(event(type_)))
    null = decode_event(msgspec.json.encode(event(type_, **{field: None})))

    assert null.hash == left_out.hash


@pytest.mark.parametrize("flag", [1, 0, "true", None])
def test_a_flag_is_true_or_false_only(flag: object) -> None:
    assert refusal(event("ring_fence", standing=flag)).path == "$.standing"


@pytest.mark.parametrize(
    ("type_", "fields", "path"),
    [
        ("return", {"to": "written_off"}, "$.lines[1].to"),
        ("return", {"to": "reserved"}, "$.lines[1].to"),
        ("moved", {"from": "written_off", "to": "free"}, "$.lines[1].from"),
        ("moved", {"from": "reserved", "to": "free"}, "$.lines[1].from"),
        ("moved", {"from": "free", "to": "reserved"}, "$.lines[1].to"),
        ("moved", {"from": "damaged", "to": "damaged"}, "$.lines[1].to"),
        ("adjustment", {"bucket": "written_off"}, "$.lines[1].bucket"),
        ("adjustment", {"bucket": "reserved"}, "$.lines[1].bucket"),
    ],
)
def test_units_that_go_nowhere_or_where_no_house_can_have_a_status_are_refused(
    type_: str, fields: dict[str, Any], path: str
) -> None:
    good = CASES[type_][1]["lines"][0]

    error = refusal(event(type_, lines=[good, {**good, **fields}]))

    assert (error.path, error.id) == (path, "e-1")


def test_a_transfer_goes_to_another_location() -> None:
    assert refusal(event("transfer.dispatched", to="A")).path == "$.to"


def test_only_a_final_arrival_may_bring_nothing_and_must_say_so() -> None:
    nothing = event("transfer.received", lines=[])

    assert decode(nothing).lines == ()
    assert refusal({**nothing, "final": False}).path == "$.lines"
    forgotten = {name: value for name, value in nothing.items() if name != "lines"}
    assert "lines" in refusal(forgotten).detail
