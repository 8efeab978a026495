"""Limits, shares, and that no load goes where it was not allowed to."""

from typing import Any

import pytest

from hub.faults import SettingsInvalid
from hub.load.options import LoadOptions, check_consent, check_files, is_loopback
from tests.load.answering import TARGET


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1", "https://[::1]:8080", "http://127.9.9.9"]
)
def test_this_machine_needs_no_consent(url: str) -> None:
    check_consent(url, None)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.7:8080",
        "https://hub.example",
        "http://0.0.0.0:80",
        "http://127.0.0.1.example",
        "http://[fe80::1]",
    ],
)
def test_another_machine_must_be_named_twice(url: str) -> None:
    for consent in (None, "", "yes", url + "/"):
        with pytest.raises(SettingsInvalid, match="--yes-really-load"):
            check_consent(url, consent)

    check_consent(url, url)


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1", "http://", ""])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="is not an address"):
        check_consent(url, url)


def test_a_name_is_not_looked_up() -> None:
    assert is_loopback("LOCALHOST")
    assert not is_loopback("localhost.example")


@pytest.mark.parametrize("processes", [1, 3, 7])
def test_the_shares_are_all_of_it(processes: int) -> None:
    options = LoadOptions(rate=100.0, connections=64, sockets=10, processes=processes)

    shares = [options.share(number) for number in range(processes)]

    assert sum(share.rate or 0 for share in shares) == pytest.approx(100.0)
    assert sum(share.connections for share in shares) == 64
    assert sum(share.sockets for share in shares) == 10
    assert {share.skus for share in shares} == {options.skus}
    assert LoadOptions(connections=9, processes=3).share(1).rate is None


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"name": "A B"}, "--name"),
        ({"name": ""}, "--name"),
        ({"warmup_seconds": 10}, "--warmup"),
        ({"sockets": 1, "watch": 101}, "--watch"),
        ({"connections": 2, "processes": 3}, "--processes"),
    ],
)
def test_options_that_do_not_fit_are_told(options: dict[str, Any], about: str) -> None:
    with pytest.raises(SettingsInvalid, match=about):
        LoadOptions(**options).check()


def test_more_sockets_than_files_may_be_open_are_told_with_what_helps() -> None:
    options = LoadOptions(connections=100, sockets=1_000, processes=2)

    check_files(options, 614)
    with pytest.raises(SettingsInvalid, match=r"614 open files .* allows 613: raise `ulimit -n`, or add --processes"):
        check_files(options, 613)


def test_a_token_is_in_no_text() -> None:
    assert "secret" not in repr(TARGET)
