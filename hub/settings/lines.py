"""Where in hub.toml a key stands: tomllib keeps no line numbers, so the text is scanned for them.

The scan knows headers and keys, not TOML: it only ever runs on text that tomllib has read.
"""

import re

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")
_QUOTES = ('"""', "'''")


class Lines:
    """The line of every table and key; a path is written `pool[1].group[0].threshold`, counted from 0."""

    def __init__(self, text: str) -> None:
        self._line_of: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        table = ""
        open_quotes: str | None = None
        for number, line in enumerate(text.split("\n"), start=1):
            if open_quotes is None:
                if line.lstrip().startswith("#"):
                    continue
                table = self._note(line, number, table)
            open_quotes = _open_after(line, open_quotes)

    def of(self, path: str) -> int:
        """The line of a path, or of the nearest thing around it that has one; 1 when nothing has."""
        while path:
            # A table that is written as one of several stands where the first of them does.
            line = self._line_of.get(path) or self._line_of.get(f"{path}[0]")
            if line is not None:
                return line
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return 1

    def _note(self, line: str, number: int, table: str) -> str:
        if header := _HEADER.match(line):
            table = self._enter(_parts(header[2]), in_array=header[1] == "[[")
            self._line_of.setdefault(table, number)
        elif key := _KEY.match(line):
            path = ".".join(_parts(key[1]))
            self._line_of.setdefault(f"{table}.{path}" if table else path, number)
        return table

    def _enter(self, parts: list[str], *, in_array: bool) -> str:
        """The path of a table, its place among those of its name counted."""
        path = ""
        for part in parts[:-1]:
            path = f"{path}.{part}" if path else part
            if path in self._tables:
                path = f"{path}[{self._tables[path]}]"
        path = f"{path}.{parts[-1]}" if path else parts[-1]
        if not in_array:
            return path
        self._tables[path] = self._tables.get(path, -1) + 1
        return f"{path}[{self._tables[path]}]"


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, dotted)]


def _open_after(line: str, quotes: str | None) -> str | None:
    """The quotes of a text over several lines that is still open at the end of the line."""
    position = 0
    while True:
        candidates = (quotes,) if quotes else _QUOTES
        found = [(at, mark) for mark in candidates if (at := line.find(mark, position)) >= 0]
        if not found:
            return quotes
        at, mark = min(found)
        position = at + len(mark)
        quotes = None if quotes else mark
