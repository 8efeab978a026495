"""The page as a file, and the words; what a browser makes of it is in tests/browser."""

import re

import pytest

from hub.load.charts import linear, logarithmic, percentiles
from hub.load.options import LoadOptions
from hub.load.report import report_html
from hub.load.telling import Second
from hub.load.words import live_line, summary, what_is_done
from tests.load.results import result


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = report_html(result())

    assert not re.search(r"<script|<link|<img|@import|url\(", page)
    # The hub's own address is text.
    assert set(re.findall(r"https?://[^\s<]+", page)) == {"http://127.0.0.1:8080"}


def test_what_comes_from_outside_is_text_on_the_page() -> None:
    page = report_html(result(is_clean=False, url='http://127.0.0.1:8080/"><script>alert(1)</script>'))

    assert "<script" not in page
    assert "&lt;b&gt;99&lt;/b&gt; &amp; not 100" in page
    assert "it was told to stop" in page


@pytest.mark.parametrize("seconds", [1, 2, 600])
def test_short_and_long_loads_have_a_page(seconds: int) -> None:
    page = report_html(result(seconds=seconds))

    assert page.count("<figure>") == (1 if seconds == 1 else 4)
    assert "nan" not in page
    assert not re.search(r'points="[^"]*-\d', page)


@pytest.mark.parametrize("highest", [0.0001, 0.7, 1.0, 3.0, 99.0, 100.0, 12_345.0])
def test_an_axis_holds_its_highest_value_and_starts_at_nothing(highest: float) -> None:
    axis = linear("ms", highest)

    assert axis.place(0.0) == 0.0
    assert 0.5 <= axis.place(highest) <= 1.0
    assert 2 <= len(axis.ticks) <= 7
    assert axis.ticks[0][0] == 0.0
    assert all(0.0 <= axis.place(value) <= 1.0 + 1e-9 for value, _ in axis.ticks)


def test_each_tenfold_and_each_nine_is_as_wide() -> None:
    tenfold = logarithmic("ms", 0.5, 400.0)
    assert [tenfold.place(value) for value in (0.1, 1.0, 10.0, 1_000.0)] == pytest.approx([0.0, 0.25, 0.5, 1.0])
    nines = percentiles("percent", 99.9)
    assert [nines.place(value) for value in (0.0, 90.0, 99.0, 99.9)] == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0])
    assert [text for _, text in nines.ticks] == ["0", "50", "90", "99", "99.9"]


def test_the_end_says_whether_it_is_clean() -> None:
    assert summary(result()).splitlines()[-1].startswith("Clean: the stock of 100 SKUs")
    said = summary(result(is_clean=False))
    assert said.startswith("Ended early: it was told to stop.")
    assert said.endswith("NOT CLEAN:\n  stock: LOAD-00001: <b>99</b> & not 100")
    assert "3 503; 3 settled by asking again, 0 not" in said


def test_a_line_tells_what_was_asked_and_what_came() -> None:
    options = LoadOptions(rate=100.0, sockets=5, warmup_seconds=2)

    line = live_line(
        Second(1, asked=100, answered=90, errors={"503": 3, "409 conflict": 2}, waiting=10, current=4), options
    )

    for said in (
        "2 s",
        "100 asked",
        "90 answered",
        "3 × 503",
        "2 × 409 conflict",
        "10 waiting",
        "4/5 sockets",
        "warm-up",
    ):
        assert said in line
    quiet = live_line(Second(2), options)
    assert "warm-up" not in quiet
    assert "no errors" in quiet


def test_what_is_done_is_said_before_it_is_done() -> None:
    said = what_is_done(LoadOptions(rate=500.0, array=10, reserve=0.25, sockets=7, watch=3, skew="hot"))

    assert said == (
        "500 requests/s (poisson) over 64 connections · 10 s · 100 SKUs (hot) · 10 events in each request · "
        "25% about reservations · 7 sockets on 3 SKUs each"
    )
    assert what_is_done(LoadOptions()).startswith("as fast as 64 connections are answered")
