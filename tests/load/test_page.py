"""docs/load.md says what the result has and what the limits are."""

import re
from typing import get_args, get_type_hints

import click
import msgspec

from hub.__main__ import main
from hub.load.result import Result
from tests.docs.pages import ROOT, table_under

PAGE = ROOT / "docs" / "load.md"


def names(cell: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", cell)


def inner_fields(hint: object) -> list[str]:
    structs = [each for each in (hint, *get_args(hint)) if isinstance(each, type) and issubclass(each, msgspec.Struct)]
    return list(structs[0].__struct_fields__) if structs else []


def test_each_field_of_the_result_is_told_in_order() -> None:
    _, _, *rows = table_under(PAGE, "load result")
    told = [(names(cells[1]), names(cells[2])) for cells in (row.split("|") for row in rows)]

    hints = get_type_hints(Result)
    assert told == [([name], inner_fields(hints[name])) for name in Result.__struct_fields__]


def test_the_limits_are_those_of_the_command_line() -> None:
    _, _, *rows = table_under(PAGE, "load limits")
    told = {names(row)[0]: float(row.split("|")[2].replace(",", "")) for row in rows}
    options = {option.opts[0]: option.type for option in main.commands["load"].params}

    assert told.keys() >= {"--rate", "--sockets", "--duration"}
    for name, most in told.items():
        kind = options[name]
        assert isinstance(kind, click.IntRange | click.FloatRange)
        assert kind.max == most
