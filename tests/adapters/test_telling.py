"""Quantities, times and limits: exact, or said to be none."""

from datetime import UTC, datetime

import pytest

from adapters.contract import Account, Delivery, Reading
from adapters.discovery import adapter_named
from adapters.telling import Number, Unmapped, alias_of, instant, placed_and_set, sales, segment, told, whole
from protocol.events import Sale
from protocol.limits import LINES_PER_EVENT_MAX

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ACCOUNT = Account("shop-eu", secrets=("a secret",), pool="online")


@pytest.mark.parametrize(
    ("number", "units"), [(1, 1), (1.0, 1), ("1", 1), ("1.00000", 1), ("-2.0", -2), ("+3", 3), ("1000000", 1_000_000)]
)
def test_a_whole_number_is_exact_however_it_is_written(number: Number, units: int) -> None:
    assert whole(number) == units


@pytest.mark.parametrize(
    "number", ["1.5", 1.5, "", "one", "١", "1e3", "1e999999999", "NaN", "1_0", "1000001", 10**30, 1e300]
)
def test_everything_else_is_no_number_of_units(number: Number) -> None:
    with pytest.raises(Unmapped):
        whole(number)


@pytest.mark.parametrize(
    "text",
    ["2026-05-04T14:00:00+02:00", "2026-05-04T12:00:00Z", "2026-05-04T12:00:00.000000999Z", "2026-05-04T12:00:00+0000"],
)
def test_a_time_with_an_offset_is_read_as_vendors_write_it(text: str) -> None:
    assert instant(text, 0) == NOW


def test_a_time_without_an_offset_is_read_only_where_all_are_utc() -> None:
    assert instant("2026-05-04T12:00:00", 0, in_utc=True) == NOW
    with pytest.raises(Unmapped):
        instant("2026-05-04T12:00:00", 0)


def test_what_states_no_time_happened_when_it_arrived() -> None:
    assert instant(None, round(NOW.timestamp() * 1000)) == NOW


def test_more_lines_than_an_event_may_have_become_several_events() -> None:
    units = {f"SKU-{number}": 1 for number in range(2 * LINES_PER_EVENT_MAX + 1)}

    events = [event for event in sales(ACCOUNT, "order:1:sale", NOW, "LON-KNB", units) if isinstance(event, Sale)]

    assert [(event.id, len(event.lines)) for event in events] == [
        ("order:1:sale", 100),
        ("order:1:sale:2", 100),
        ("order:1:sale:3", 1),
    ]


def test_an_order_is_set_as_a_whole_or_not_at_all() -> None:
    units = {f"SKU-{number}": 1 for number in range(LINES_PER_EVENT_MAX + 1)}
    with pytest.raises(Unmapped, match="101 SKUs"):
        placed_and_set(ACCOUNT, 1, NOW, NOW, units)


def test_two_pictures_of_one_second_are_two_and_the_same_picture_is_one() -> None:
    one, same, other = (placed_and_set(ACCOUNT, 1, NOW, NOW, units) for units in ({"A": 1}, {"A": 1}, {"A": 2}))

    assert one == same
    assert one[0].id == other[0].id
    assert one[1].id != other[1].id


@pytest.mark.parametrize(
    ("adapter", "body", "why"),
    [
        (
            "square",
            b'{"type": "order.created", "event_id": 7}',
            "`$.event_id` cannot be read: Expected `str`, got `int`.",
        ),
        ("bigcommerce", b'{"data": {"id": []}}', "`$.data.id` cannot be read: Expected `int | str`, got `array`."),
        ("zettle", b"[]", "It cannot be read: Expected `object`, got `array`."),
        ("zettle", b'{"eventName"', "It cannot be read: Input data was truncated."),
        (
            "standard_webhooks",
            b'[{"type": "receipt", "time": "2026-05-04T12:00:00Z", "location": 7, "lines": []}]',
            "`$[0].location` says what no event can: Expected `str`, got `int`.",
        ),
    ],
)
def test_what_cannot_be_read_names_the_field_and_what_was_expected(adapter: str, body: bytes, why: str) -> None:
    found = adapter_named(adapter)
    assert found is not None

    assert found.translate(Delivery(body=body), ACCOUNT, {}).unmapped == why


def test_what_no_event_can_say_is_set_aside() -> None:
    reading = told(lambda: Reading(events=tuple(sales(ACCOUNT, "1", NOW, "LON-KNB", {"A\nB": 1}))))

    assert reading.unmapped is not None
    assert reading.events == ()


@pytest.mark.parametrize("theirs", ["../orders", "1/2", "", "a b", "x" * 65])
def test_an_id_that_would_lead_elsewhere_is_not_asked_for(theirs: str) -> None:
    with pytest.raises(Unmapped):
        segment(theirs)


def test_two_shops_that_number_alike_have_names_of_their_own() -> None:
    assert alias_of(ACCOUNT, "product", 93) == "shop-eu:product:93"


def test_an_account_shows_no_secret() -> None:
    assert "a secret" not in repr(ACCOUNT)


def test_a_place_that_is_named_is_mapped_by_its_own_id_or_not_at_all() -> None:
    account = Account("shop-eu", locations={"7": "LON-KNB", "*": "DC-LYON"})

    assert [account.place(theirs) for theirs in ("7", None, "", "8")] == ["LON-KNB", "DC-LYON", "DC-LYON", None]
