"""The page on adapters says what the adapters and the kit say."""

import json

import msgspec

from adapters.discovery import adapter_named, names
from adapters.kit.conformance import CHECKS
from adapters.kit.recordings import recording_from
from adapters.offering import Offering
from tests.docs.pages import ROOT, fences, table, table_under

PAGE = ROOT / "docs" / "adapters.md"
LINES_MAX = 200


def test_the_table_of_adapters_is_that_of_the_code() -> None:
    rows = []
    for name in names():
        adapter = adapter_named(name)
        assert adapter is not None
        topics = "any event" if "*" in adapter.topics else str(len(adapter.topics))
        tells = "yes" if isinstance(adapter, Offering) else "no"
        rows.append((f"`{name}`", adapter.maturity, topics, tells, f"<{adapter.documentation}>"))
    columns = ("`adapter`", "how far it was tried", "topics", "tells availability", "documents")
    assert table_under(PAGE, "adapters") == table(columns, rows)


def test_the_promises_are_those_of_the_kit() -> None:
    rows = [(check.__name__.replace("_", " "), (check.__doc__ or "").strip()) for check in CHECKS]
    assert table_under(PAGE, "promises") == table(("promise", "why"), rows)


def test_the_recording_on_the_page_is_one() -> None:
    shown = next(block.text for block in fences(PAGE) if block.info == "json")
    recording = recording_from(shown.encode(), "acme")
    assert json.loads(recording.delivery.body)["id"] == 4711
    assert recording.of_account.place("7") == "LON-KNB"
    assert msgspec.json.decode(shown)["expected"] == recording.expected


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text("utf-8").splitlines()) <= LINES_MAX
