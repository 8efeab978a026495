"""One row's fields."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hub.replay.layout import layout_of
from hub.replay.rows import RowUnreadable, location_name, read_quantity, read_row, read_time

EAST = timezone(timedelta(hours=4))
LAYOUT = layout_of("n,sku,q,t", {"id": "n", "sku": "sku", "quantity": "q", "time": "t"})


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("6", 6),
        ("-24", -24),
        ("+3", 3),
        (" 7 ", 7),
        ("6.0", 6),
        ("-6.00", -6),
        ("0", 0),
        ("-0", 0),
        ("007", 7),
    ],
)
def test_whole_numbers_are_read_with_their_sign(text: str, quantity: int) -> None:
    assert read_quantity(text) == quantity


@pytest.mark.parametrize("text", ["", "one", "1.5", "1e3", "nan", "0x10", "1,000", "--1", "٣", "6.0.0", "-"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(RowUnreadable, match="quantity"):
        read_quantity(text)


def test_a_monstrous_number_is_read_without_harm() -> None:
    assert read_quantity("-" + "9" * 100_000) == -(10**18)
    assert read_quantity("0" * 5_000 + "12") == 12


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-03T10:15:00",
        "2025-11-03 10:15",
        "2025-11-03T06:15:00Z",
        "2025-11-03T08:15:00+02:00",
        " 2025-11-03 10:15:00.000 ",
    ],
)
def test_a_time_is_read_with_its_offset_or_in_the_zone(text: str) -> None:
    assert read_time(text, EAST) == datetime(2025, 11, 3, 6, 15, tzinfo=UTC)


def test_a_date_is_its_midnight() -> None:
    assert read_time("2025-11-03", UTC) == datetime(2025, 11, 3, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "12/1/2010 8:26", "yesterday", "2025-13-01", "0001-01-01", "1700000000"])
def test_another_time_is_refused(text: str) -> None:
    with pytest.raises(RowUnreadable, match="ISO 8601"):
        read_time(text, EAST)


def test_a_location_that_is_an_id_stays_itself() -> None:
    assert location_name("LON-KNB") == "LON-KNB"
    assert location_name("319", "store-") == "store-319"


def test_another_location_becomes_an_id_of_its_own() -> None:
    names = [
        "Dubai Mall",
        "Dubai  Mall",
        "Dubai Mall ",
        "Dubai/Mall",
        "ドバイ",
        "x" * 65,
        "x" * 66,
        "--- ---",
    ]

    ids = [location_name(name) for name in names]

    assert len(set(ids)) == len(names)
    assert ids[0].startswith("Dubai-Mall-")
    for made in ids:
        assert 1 <= len(made) <= 64
        assert location_name(made) == made


def test_no_location_is_refused() -> None:
    with pytest.raises(RowUnreadable, match="location"):
        location_name("  ", "store-")


def test_a_sku_is_kept_to_the_letter() -> None:
    row = read_row(2, ["1", " Étui n°5 ", "1", "2025-11-03"], LAYOUT, zone=UTC, location="WEB")

    assert (row.sku, row.location, row.number) == (" Étui n°5 ", "WEB", 2)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (["1", "", "1", "2025-11-03"], "SKU"),
        (["1", "x" * 129, "1", "2025-11-03"], "SKU"),
        (["1", "a\x00b", "1", "2025-11-03"], "control character"),
        (["1", "caf\udce9", "1", "2025-11-03"], "not UTF-8"),
        (["1\n2", "a", "1", "2025-11-03"], "invoice"),
        (["1", "a", "1"], "it has 3 fields, the header has 4"),
        (["1", "a", "1", "2025-11-03", "more"], "it has 5 fields"),
    ],
)
def test_a_row_that_is_not_its_layout_says_why(fields: list[str], why: str) -> None:
    with pytest.raises(RowUnreadable, match=why):
        read_row(2, fields, LAYOUT, zone=UTC, location="WEB")
