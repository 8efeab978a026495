"""Lines of an import: where each ends, and what it says or why that cannot be known."""

import pytest

from hub.imports.lines import CsvLines, JsonLines, Splitter
from protocol.codec import Malformed
from protocol.imports import ImportLine
from protocol.limits import IMPORT_LINE_BYTES_MAX

TEXT = b"\xef\xbb\xbfone\r\n\n  \ntwo\nthree \xc3\xa9"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_are_numbered_as_an_editor_does_however_the_bytes_come(size: int) -> None:
    splitter = Splitter()

    lines = [line for start in range(0, len(TEXT), size) for line in splitter.feed(TEXT[start : start + size])]

    assert lines + splitter.end() == [(1, b"one"), (4, b"two"), (5, "three é".encode())]
    assert splitter.end() == []


def test_a_line_without_an_end_does_not_fill_the_memory_and_is_broken() -> None:
    splitter = Splitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 10_000) == []

    [(number, line)] = splitter.feed(b"\n")

    assert (number, len(line) < 20_000) == (1, True)
    assert JsonLines().read(line) == CsvLines().read(line) == f"it is longer than {IMPORT_LINE_BYTES_MAX} bytes"
    assert splitter.feed(b"short\n") == [(2, b"short")]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        (b"sku,location,quantity", b"BAG,LON,3"),
        (b"Quantity;SKU;Location", b"3;BAG;LON"),
        (b'"sku"\t"quantity"\t"location"', b'BAG\t"3"\tLON'),
        (b" sku , quantity , location ", b" BAG , 3.0 , LON "),
        (b"location,sku,quantity", b'"LON","BAG",+003'),
    ],
)
def test_a_header_says_order_and_separator(header: bytes, line: bytes) -> None:
    reader = CsvLines()

    assert reader.read_header(header)
    assert reader.read(line) == ImportLine("BAG", 3, "LON")


def test_a_quoted_field_may_hold_the_separator_and_quotes() -> None:
    reader = CsvLines()
    reader.read_header(b"sku,quantity")

    assert reader.read(b'"BAG ""NOIR"", large",1') == ImportLine('BAG "NOIR", large', 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"BAG", "1 fields"),
        (b"BAG,1,LON,x", "4 fields"),
        (b",1,LON", "sku: Expected"),
        (b"BAG,,LON", "not a whole number"),
        (b"BAG,-1,LON", "not a whole number"),
        (b"BAG,1.5,LON", "not a whole number"),
        (b"BAG,1e3,LON", "not a whole number"),
        (b"BAG,1000001,LON", "quantity: Expected `int` <= 1000000"),
        (b"BAG,1,LON KNB", "location: Expected"),
        (b"BAG\x07,1,LON", "without control characters"),
        (b'"BAG,1,LON', "quotes"),
        (b"B\xff,1,LON", "not UTF-8"),
        (b"x" * 129 + b",1,LON", "sku: Expected"),
    ],
)
def test_a_broken_line_of_csv_says_why(line: bytes, reason: str) -> None:
    reader = CsvLines()
    reader.read_header(b"sku,quantity,location")

    said = reader.read(line)

    assert isinstance(said, str)
    assert reason in said


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"BAG,1", "JSON is malformed"),
        (b'{"sku": "BAG"}', "quantity"),
        (b'{"sku": "BAG", "quantity": "1"}', "quantity: Expected `int`"),
        (b'{"sku": "BAG", "quantity": 1.5}', "quantity: Expected `int`"),
        (b'{"sku": "BAG", "quantity": 1, "colour": "red"}', "colour"),
        (b'{"sku": "BAG", "quantity": 1, "quantity": 2}', "stands twice"),
        (b'{"sku": "\xff", "quantity": 1}', "UTF-8"),
        (b"[" * 4_000, "Expected `object`"),
    ],
)
def test_a_broken_line_of_json_says_why(line: bytes, reason: str) -> None:
    said = JsonLines().read(line)

    assert isinstance(said, str)
    assert reason in said


@pytest.mark.parametrize("header", [b"sku,quantity,place", b"sku,quantity,quantity", b"3607340000001,1,LON", b"\xff"])
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    with pytest.raises(Malformed):
        CsvLines().read_header(header)
