"""The kernel's functions are defined once and called for ever: nothing that one call notes may be there in the next."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.stock.scripts import KERNEL

FOLDER = Path(__file__).resolve().parents[2] / "hub" / "stock" / "lua"
# It keeps what is called at each start, and the keys.
MECHANISM = "calling"

_DECLARED = re.compile(r"^local (?!function\b)([\w, \n]+?)(?= *=| *--| *\n(?! )|\Z)", re.MULTILINE)
_FRESH = re.compile(r"^per_call\(function\(\)(.*?)\bend\)", re.MULTILINE | re.DOTALL)
_PART = r"(?:\.\w+|\[[^\n=]*?\])*"
_CHANGES = (
    rf"(?:^|\bthen|\bdo|\belse|\)) *((?:\w+{_PART}, *)*\b{{name}}\b{_PART}(?:, *\w+{_PART})* *=)(?!=)",
    rf"\btable\.(?:insert|remove|sort)\(({{name}}\b{_PART})[,)]",
)
_OWN = r"\blocal\b[^\n=]*\b{name}\b|\bfor [^\n]*?\b{name}\b[^\n]*? (?:=|in) |(?:function|\A)[\w.: ]*\([^()]*\b{name}\b"


def statements(text: str) -> Iterator[str]:
    """What stands at the left margin, each with all that is indented below it."""
    lines: list[str] = []
    for line in re.sub(r"--[^\n]*", "", text).splitlines():
        if lines and line[:1] not in ("", " ", "}", ")") and not re.match(r"end\b", line):
            yield "\n".join(lines)
            lines = []
        lines.append(line)
    yield "\n".join(lines)


def names_in(text: str) -> set[str]:
    return {name.strip() for found in _DECLARED.findall(text) for name in found.split(",")} - {""}


def changed_for_good(texts: dict[str, str]) -> list[str]:
    """What functions change that was made at the loading and is not made anew for each call."""
    fresh = " ".join(made for text in texts.values() for made in _FRESH.findall(text))
    made_anew = set(re.findall(r"[\w.]+(?=[\w., ]*=)", fresh))
    everywhere = {name for text in texts.values() for name in names_in(text)} - made_anew
    wrong = []
    for file, text in texts.items():
        for statement in statements(_FRESH.sub("", text)):
            # What stands at the margin happens at the loading.
            _, _, body = statement.partition("function")
            for name in sorted(everywhere & set(re.findall(r"\w+", body))):
                changes = [
                    each
                    for change in _CHANGES
                    for each in re.findall(change.replace("{name}", name), body, re.MULTILINE)
                ]
                changes = [each for each in changes if not any(re.match(rf"{fine}\b", each) for fine in made_anew)]
                if changes and not re.search(_OWN.replace("{name}", name), body):
                    wrong += [f"{file}: {each}" for each in changes]
    return wrong


def test_nothing_that_a_call_notes_outlives_it() -> None:
    texts = {part: (FOLDER / f"{part}.lua").read_text("utf-8") for part in KERNEL if part != MECHANISM}

    assert not changed_for_good(texts)


@pytest.mark.parametrize(
    "body",
    [
        "noted[1] = 7", "noted.part = 7", "noted[#noted + 1] = 7", "table.insert(noted, 7)", "count = count + 1",
        "table.insert(noted[1], 7)", "local x = 1\n  noted.deep[x] = 7", "LIST[1] = 7", "count, x = 1, 2",
    ],
)  # fmt: skip
def test_what_would_outlive_its_call_is_found(body: str) -> None:
    text = f"local noted, count = {{}}, 0\nlocal LIST = {{}}\nlocal function f(x)\n  {body}\nend\n"
    assert changed_for_good({"one": text})


@pytest.mark.parametrize("file", ["one", "other"])
def test_what_is_made_anew_for_each_call_may_change(file: str) -> None:
    texts = {"one": "local noted\nper_call(function() noted = {} end)\n", "other": ""}
    texts[file] += "local function f()\n  noted[1] = 7\nend\n"
    assert not changed_for_good(texts)
