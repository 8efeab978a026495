"""The words of the command line."""

from datetime import UTC
from pathlib import Path

import pytest

from hub.faults import SettingsInvalid
from hub.replay.options import ReplayOptions, parse_columns, parse_speed, parse_timezone


def test_columns_are_read_as_roles() -> None:
    columns = parse_columns("id=Ticket, sku=Article,quantity=Pieces,time=When,location=Boutique")

    assert columns == {
        "id": "Ticket",
        "sku": "Article",
        "quantity": "Pieces",
        "time": "When",
        "location": "Boutique",
    }


def test_id_and_location_may_be_left_out() -> None:
    assert parse_columns("sku=A,quantity=B,time=C") == {"sku": "A", "quantity": "B", "time": "C"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sku=A,quantity=B", "time"),
        ("sku=A,quantity=B,time=C,price=D", "price=D"),
        ("sku=A,sku=B,quantity=C,time=D", "sku is named twice"),
        ("sku=,quantity=C,time=D", "sku="),
        ("", "ROLE=COLUMN"),
    ],
)
def test_a_wrong_mapping_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(SettingsInvalid, match=named):
        parse_columns(text)


@pytest.mark.parametrize(("text", "speed"), [("1000x", 1000.0), ("0.5x", 0.5), ("60", 60.0), ("MAX", None)])
def test_a_speed_is_a_factor_or_max(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["", "0x", "-1x", "nan", "inf", "fast", "1000xx"])
def test_another_speed_is_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="--speed"):
        parse_speed(text)


def test_utc_needs_no_database_and_an_unknown_zone_is_refused() -> None:
    assert parse_timezone("utc") is UTC
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(SettingsInvalid, match="--timezone"):
            parse_timezone(name)


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, 'a"b'])
def test_a_location_or_pool_that_is_no_id_is_refused(name: str) -> None:
    with pytest.raises(SettingsInvalid, match="--location"):
        ReplayOptions(file=Path("f.csv"), location=name)
    with pytest.raises(SettingsInvalid, match="--pool"):
        ReplayOptions(file=Path("f.csv"), pool=name)


def test_the_token_is_not_in_the_options_repr() -> None:
    assert "geheim" not in repr(ReplayOptions(file=Path("f.csv"), token="geheim"))
