"""The crash points: one register, each used and each guarded, so that unarmed they cost the reading of an attribute."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hub.crashpoints import POINTS

ROOT = Path(__file__).resolve().parents[2]
REGISTER = ROOT / "hub" / "crashpoints.py"


def passings() -> Iterator[tuple[Path, str, ast.expr, bool]]:
    """Where a point is passed: its name, what guards it, and whether what it answers is used."""
    for path in sorted((ROOT / "hub").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.If):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "crash.at":
                    name = ast.literal_eval(inner.args[0])
                    is_used = any(inner is each for each in ast.walk(node.test))
                    yield path, name, node.test, is_used


def test_every_point_is_used_once_and_every_used_one_is_registered() -> None:
    used = Counter(name for _, name, _, _ in passings())
    assert used == dict.fromkeys(POINTS, 1)


def test_every_point_is_passed_only_when_armed_and_repeats_only_what_may_be_done_again() -> None:
    for path, name, test, is_used in passings():
        first = test.values[0] if isinstance(test, ast.BoolOp) else test
        assert ast.unparse(first) == "crash.armed", (path, name)
        assert is_used == POINTS[name], (path, name)
    calls = [path for path in (ROOT / "hub").rglob("*.py") if path != REGISTER and "crash.at(" in path.read_text()]
    written = sum(path.read_text().count("crash.at(") for path in calls)
    assert written == len(POINTS)
