"""`hub adapters new`: a module to fill in, an example of a recording, and elsewhere than here a package around them."""

import keyword
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

import click

from adapters.discovery import names
from hub.commands.recorded import RECORDINGS
from hub.faults import SettingsInvalid

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_EXAMPLE = "sale.json"


def run_new(name: str, into: Path | None) -> int:
    """Write the files and say what to do next; the answer is the exit code.

    Raises:
        SettingsInvalid: there can be no such adapter, a file is there already, or it cannot be written.
    """
    folder = into or Path()
    is_here = (folder / "adapters" / "contract.py").exists()
    folder = folder if is_here or into is not None else Path(f"{name.replace('_', '-')}-hub")
    _check_name(name, is_here=is_here)
    module = name if is_here else f"{name}_hub"
    words = {
        "name": name,
        # As headers have it.
        "dashed": name.replace("_", "-"),
        "module": module,
        "project": module.replace("_", "-"),
        "title": name.replace("_", " ").title(),
        "class_name": name.replace("_", " ").title().replace(" ", ""),
    }
    texts = {place: _text(template, words) for place, template in _places(name, module, is_here=is_here).items()}
    _write(folder, texts)
    for place in texts:
        click.echo(f"wrote {folder / place}")
    inside = "" if is_here else f" --in {folder}"
    click.echo(f"Next: `hub adapters check {name}{inside}` says what to do, and again until it is green.")
    return 0


def _places(name: str, module: str, *, is_here: bool) -> dict[str, str]:
    """Where each file goes, and its template."""
    if is_here:
        return {f"adapters/{name}.py": "module", f"adapters/{RECORDINGS}/{name}/{_EXAMPLE}": "recording"}
    return {
        "pyproject.toml": "pyproject",
        f"{module}/__init__.py": "module",
        f"{module}/{RECORDINGS}/{_EXAMPLE}": "recording",
        f"tests/test_{name}.py": "test",
    }


def _check_name(name: str, *, is_here: bool) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise SettingsInvalid(f"{name} cannot be an adapter's name: use a-z, 0-9 and `_`, like acme")
    if name in names():
        raise SettingsInvalid(f"there is an adapter {name} already; see `hub adapters`")
    if is_here and find_spec(f"adapters.{name}") is not None:
        raise SettingsInvalid(f"adapters/{name} is something else already; give the adapter another name")


def _text(template: str, words: dict[str, str]) -> str:
    raw = files("hub.commands").joinpath("scaffold", f"{template}.txt").read_text("utf-8")
    return Template(raw).substitute(words)


def _write(folder: Path, texts: dict[str, str]) -> None:
    there = [place for place in texts if (folder / place).exists()]
    if there:
        raise SettingsInvalid(f"{folder / there[0]} is there already; nothing was written")
    try:
        for place, text in texts.items():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(text, "utf-8")
    except OSError as error:
        raise SettingsInvalid(f"{error.filename} cannot be written: {error.strerror}") from error
