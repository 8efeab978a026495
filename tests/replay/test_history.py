"""Lines become events; sums, ids and the tally."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.faults import SettingsInvalid
from hub.replay.events import HistoryEvent, encode, stem_of
from hub.replay.history import History
from protocol.limits import LINES_PER_EVENT_MAX

DATA = Path(__file__).parent / "data"
HEADER = "ticket,article,pieces,time,shop\n"
COLUMNS = {"id": "ticket", "sku": "article", "quantity": "pieces", "time": "time", "location": "shop"}


def history(lines: Iterable[str], columns: Mapping[str, str] | None = COLUMNS, location: str | None = None) -> History:
    return History(iter(lines), stem="file", columns=columns, zone=UTC, location=location)


def sums(events: Iterable[HistoryEvent]) -> Counter[tuple[str, str]]:
    totals: Counter[tuple[str, str]] = Counter()
    for event in events:
        for sku, quantity in event.lines:
            assert 1 <= quantity <= 1_000_000
            totals[event.location, sku] += -quantity if event.returned else quantity
    return totals


def sample(name: str) -> list[str]:
    return (DATA / name).read_text().splitlines(keepends=True)


def test_boutiques_of_any_csv_become_sales_and_returns() -> None:
    columns = {"id": "Ticket", "sku": "Article", "quantity": "Pieces", "time": "When", "location": "Boutique"}
    subject = history(sample("boutiques.csv"), columns)

    events = list(subject.events())

    dubai = events[1].location
    assert dubai.startswith("Dubai-Mall-")
    assert [(event.id, event.returned, event.location, event.lines) for event in events] == [
        ("file-T-1-2", False, "Knightsbridge", (("BAG-NOIR", 1), ("SCARF-SOIE", 2))),
        ("file-T-2-4", False, dubai, (("BAG-NOIR", 1),)),
        ("file-T-2-5", True, dubai, (("BAG-NOIR", 1),)),
        ("file-T-1-9", False, "Knightsbridge", (("BAG-NOIR", 3),)),
    ]
    assert (subject.tally.rows, subject.tally.zero) == (8, 1)
    assert subject.tally.too_large.first == ["row 7: quantity 1000001 of 'RIBBON'"]
    assert subject.tally.unreadable.first == ["row 8: quantity 'one' is not a whole number"]


def test_a_web_shop_happens_at_the_location_that_is_said() -> None:
    events = list(history(sample("webshop.csv"), None, "WEB").events())

    assert sums(events) == {("WEB", "BELT-38"): 2 - 5 - 1, ("WEB", "belt-38"): 1}
    assert [event.returned for event in events] == [False, True, True]


def test_a_web_shop_without_a_location_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="--location"):
        history(sample("webshop.csv"), None)


def test_till_lines_happen_at_their_stores_unless_another_place_is_said() -> None:
    there = list(history(sample("tills.csv"), None).events())
    here = list(history(sample("tills.csv"), None, "ONE").events())

    assert sums(there) == {("store-7", "8001"): 1, ("store-7", "8002"): 3, ("store-12", "8002"): 2}
    assert {event.location for event in here} == {"ONE"}


def test_a_long_invoice_is_cut_into_events_of_a_hundred_lines() -> None:
    rows = [f"T,sku-{number},1,2025-11-03,LON\n" for number in range(250)]

    events = list(history([HEADER, *rows]).events())

    assert [len(event.lines) for event in events] == [100, 100, 50]
    assert [event.id for event in events] == ["file-T-2", "file-T-102", "file-T-202"]


def test_without_an_invoice_column_rows_of_one_time_and_place_are_one_event() -> None:
    columns = {role: name for role, name in COLUMNS.items() if role != "id"}
    rows = ["1,A,1,2025-11-03,LON\n", "2,B,1,2025-11-03,LON\n", "3,A,1,2025-11-04,LON\n"]

    events = list(history([HEADER, *rows], columns).events())

    assert [event.id for event in events] == ["file-2", "file-4"]


def test_broken_rows_are_reported_with_their_number_and_the_rest_is_read() -> None:
    rows = [
        "T,A,1,2025-11-03,LON\n",
        "\n",
        "T,A,1\n",
        f'T,"{"x" * 200_000}",1,2025-11-03,LON\n',
        "T,A,2,03.11.2025,LON\n",
        "T,A,4,2025-11-03,LON\n",
    ]
    subject = history([HEADER, *rows])

    assert sums(subject.events()) == {("LON", "A"): 5}
    assert subject.tally.rows == 5
    assert subject.tally.unreadable.count == 3
    assert [text.partition(":")[0] for text in subject.tally.unreadable.first] == ["row 4", "row 5", "row 6"]


def test_only_the_first_ten_troubles_are_kept() -> None:
    rows = ["T,A,1,2025-11-03,LON\n", *("T,A,x,2025-11-03,LON\n" for _ in range(500))]
    subject = history([HEADER, *rows])

    assert len(list(subject.events())) == 1
    assert (subject.tally.unreadable.count, len(subject.tally.unreadable.first)) == (500, 10)


@pytest.mark.parametrize("rows", [3, 5_000])
def test_a_mapping_under_which_no_row_can_be_read_is_a_clear_fault(rows: int) -> None:
    drawn = 0

    def lines() -> Iterable[str]:
        nonlocal drawn
        yield HEADER
        for _ in range(rows):
            drawn += 1
            yield "T,A,1,12/1/2010 8:26,LON\n"

    with pytest.raises(SettingsInvalid, match=r"row 2: time '12/1/2010 8:26' is not ISO 8601"):
        list(history(lines()).events())
    assert drawn <= 100


def test_an_empty_file_is_a_clear_fault() -> None:
    with pytest.raises(SettingsInvalid, match="empty"):
        history([])


def test_a_file_with_a_header_only_has_no_events() -> None:
    assert list(history([HEADER]).events()) == []


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz", "sales"])
def test_packing_a_file_does_not_change_its_ids(name: str) -> None:
    assert stem_of(Path("/somewhere") / name) == "sales"


def test_an_event_is_written_as_the_wire_has_it() -> None:
    sold = HistoryEvent("f-1-2", False, datetime(2025, 11, 3, 10, tzinfo=UTC), "LON", (("A", 2),))
    back = HistoryEvent("f-1-3", True, datetime(2025, 11, 3, 10, tzinfo=UTC), "LON", (("A", 2),))

    assert msgspec.json.decode(encode(sold, pool="store")) == {
        "id": "f-1-2",
        "type": "sale",
        "time": "2025-11-03T10:00:00Z",
        "location": "LON",
        "pool": "store",
        "lines": [{"sku": "A", "quantity": 2}],
    }
    assert msgspec.json.decode(encode(back, pool="store")) == {
        "id": "f-1-3",
        "type": "return",
        "time": "2025-11-03T10:00:00Z",
        "location": "LON",
        "lines": [{"sku": "A", "quantity": 2, "to": "free"}],
    }


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["1", "2", "C3", ""]),
        st.sampled_from(["A", "a", " A", "B,;\"'", "É"]),
        st.one_of(st.integers(-5, 5), st.sampled_from([1_000_000, -1_000_000, 1_000_001, -(10**30)])),
        st.sampled_from(["2025-11-03T10:00:00", "2025-11-03 10:01", "2024-01-01"]),
        st.sampled_from(["LON", "Dubai Mall"]),
    ),
    max_size=300,
)


@given(rows=ROWS)
def test_events_hold_every_unit_of_the_rows_under_unique_and_stable_ids(
    rows: list[tuple[str, str, int, str, str]],
) -> None:
    out = io.StringIO(newline="")
    out.write(HEADER)
    csv.writer(out).writerows(rows)
    lines = out.getvalue().splitlines(keepends=True)
    expected: Counter[str] = Counter()
    for _, sku, quantity, _, _ in rows:
        expected[sku] += quantity if abs(quantity) <= 1_000_000 else 0

    first, second = list(history(lines).events()), list(history(lines).events())

    actual: Counter[str] = Counter()
    for (_, sku), quantity in sums(first).items():
        actual[sku] += quantity
    assert {sku: n for sku, n in actual.items() if n} == {sku: n for sku, n in expected.items() if n}
    assert len({event.id for event in first}) == len(first)
    assert all(1 <= len(event.lines) <= LINES_PER_EVENT_MAX for event in first)
    assert [encode(event, pool="p") for event in first] == [encode(event, pool="p") for event in second]
