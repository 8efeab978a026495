"""What is wrong with the settings: collected, so that a person mends them all in one go."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hub.settings.lines import Lines


class Problem(NamedTuple):
    """One thing that is wrong, and how to mend it."""

    # `pool[1].cap`; empty for the file as a whole.
    path: str
    text: str


class Problems:
    """The problems of one reading of the settings: those of the file and those of the environment."""

    def __init__(self) -> None:
        self._in_file: list[Problem] = []
        self._elsewhere: list[Problem] = []
        # Key of the file -> the variable that overrides it, and so is to blame.
        self.overridden: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._in_file) + len(self._elsewhere)

    def add(self, path: str, text: str) -> None:
        """Note what is wrong with a key."""
        if path in self.overridden:
            self.add_elsewhere(self.overridden[path], text)
            return
        problem = Problem(path, text)
        # Two checks may meet the same mistake; a person needs to read of it once.
        if problem not in self._in_file:
            self._in_file.append(problem)

    def add_elsewhere(self, name: str, text: str) -> None:
        """Note what is wrong with an environment variable."""
        self._elsewhere.append(Problem(name, text))

    def inside(self, path: str) -> bool:
        """Whether something in this table is wrong already; what seems to be missing may be what is misspelt."""
        return any(problem.path.startswith(f"{path}.") for problem in self._in_file)

    def listed(self, file: Path, lines: Lines) -> list[str]:
        """Every problem as a line for people: the file's in its order, then the environment's."""
        placed = sorted((lines.of(problem.path), problem) for problem in self._in_file)
        return [
            *(_line(f"{file}:{number}", problem) for number, problem in placed),
            *(_line("environment", problem) for problem in self._elsewhere),
        ]


def _line(place: str, problem: Problem) -> str:
    return f"{place}: {problem.path}: {problem.text}" if problem.path else f"{place}: {problem.text}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word; empty when none is like it."""
    close = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
