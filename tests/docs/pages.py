"""The pages of the documentation and what stands in them between fences."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]

# Blocks that cannot run in a test, each exactly as printed; `test_top_commands.py` says what holds for them.
NOT_RUN = {"pip install uv && uv run hub demo", "uv run pytest", "pip install -e .\nhub demo"}


class Fence(NamedTuple):
    """One fenced block: where it begins, what it says it is, and its text."""

    line: int
    # `sh`, `json`, `json from the screen`, `live`, `toml`, …
    info: str
    text: str


def fences(page: Path) -> list[Fence]:
    found: list[Fence] = []
    begun: tuple[int, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        if begun is None and line.startswith("```"):
            begun, lines = (number, line.removeprefix("```").strip()), []
        elif begun is not None and line == "```":
            found.append(Fence(*begun, "\n".join(lines)))
            begun = None
        elif begun is not None:
            lines.append(line)
    assert begun is None, f"{page}: the block of line {begun} does not end"
    return found


def table_under(page: Path, mark: str) -> list[str]:
    """The table that stands under `<!-- mark -->`."""
    _, _, rest = page.read_text("utf-8").partition(f"<!-- {mark} -->\n")
    return re.match(r"((?:\|.*\n)*)", rest.lstrip("\n"))[1].splitlines()  # type: ignore[index]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """The same table as it is made from the code."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
