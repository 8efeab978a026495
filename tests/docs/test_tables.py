"""What the pages list is what the code has: problems, close codes, metrics, dependencies, paths and promises."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

from hub.domain.verifying import KINDS
from hub.stock import keys
from hub.telemetry import Metrics
from protocol.feed import feed_rows
from protocol.frames import CLOSE_CODES, LIVE_ERRORS
from protocol.problems import problem_rows
from tests.docs.pages import PAGES, ROOT, table, table_under

PROTOCOL, OPERATIONS = ROOT / "docs" / "protocol.md", ROOT / "docs" / "operations.md"
FEED = ROOT / "docs" / "feed.md"
DECISIONS = ROOT / "docs" / "decisions"
PLACES = ("hub", "protocol", "adapters", "tests", "docs", "deploy")
LINES_MAX = {"README.md": 160, "architecture.md": 200}


def test_the_problem_types_are_those_of_the_code() -> None:
    rows = [(f"`{type}`", str(status), title, remedy) for type, status, title, remedy in problem_rows()]
    assert table_under(PROTOCOL, "problem types") == table(("`type`", "status", "title", "what to do"), rows)


def test_the_close_codes_are_those_of_the_code() -> None:
    rows = [(str(int(code)), ending.reason, ending.reconnect) for code, ending in CLOSE_CODES.items()]
    assert table_under(PROTOCOL, "close codes") == table(("code", "why", "connect again?"), rows)


def test_the_live_errors_are_those_of_the_code() -> None:
    rows = [(f"`{code}`", meaning) for code, meaning in LIVE_ERRORS.items()]
    assert table_under(PROTOCOL, "live errors") == table(("`code`", "means"), rows)


def test_the_types_of_the_feed_are_those_of_the_code() -> None:
    rows = [(f"`{type}`", meaning) for type, meaning in feed_rows()]
    assert table_under(FEED, "feed types") == table(("type", "when"), rows)


def test_every_alert_that_the_model_explains_is_told_in_the_feed() -> None:
    model = (ROOT / "docs" / "model.md").read_text("utf-8").partition("## Alerts")[2].partition("\n## ")[0]
    explained = {name for row in re.findall(r"^\| (`.+?) \|", model, re.M) for name in re.findall(r"`(\w+)`", row)}
    told = {type.removeprefix("alert.") for type, _ in feed_rows() if type.startswith("alert.")}
    assert explained
    assert explained <= told


def test_the_metrics_are_those_of_the_code() -> None:
    rows = [
        (f"`{metric.name}{'_total' if metric.type == 'counter' else ''}`", metric.type, metric.documentation)
        for metric in Metrics().registry.collect()
    ]
    assert table_under(OPERATIONS, "metrics") == table(("metric", "type", "what"), rows)


def test_the_findings_are_those_of_the_code() -> None:
    rows = [(f"`{kind}`", meaning) for kind, meaning in KINDS.items()]
    assert table_under(OPERATIONS, "findings") == table(("kind", "what"), rows)


def test_every_dependency_earns_its_place_in_one_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = [re.split(r"[<>=;~! ]", requirement)[0] for requirement in wanted]
    lines = (DECISIONS / "dependencies.md").read_text("utf-8").splitlines()
    listed = [match[1] for line in lines if (match := re.match(r"- `([^`]+)`: .{20,}$", line))]
    assert listed == names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_and_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    named = re.findall(rf"`((?:{'|'.join(PLACES)})/[\w./-]+)(?:::\w+)?`", text)
    assert not [path for path in named if not (ROOT / path).exists()]
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert not [link for link in links if link and not (page.parent / link).exists()]
    assert len(text.splitlines()) <= LINES_MAX.get(page.name, 1_000)


def test_every_promise_names_a_test_that_is_there() -> None:
    promised = [
        place for page in PAGES for place in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text("utf-8"))
    ]
    assert promised
    for path, name in promised:
        functions = [node.name for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))) if is_function(node)]
        assert name in functions, f"{path}::{name}"


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def test_every_decision_is_one_page_of_the_same_form() -> None:
    records = sorted(DECISIONS.glob("0*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text("utf-8")
        assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences", "Revisit when"], path
        assert len(text.splitlines()) <= 45, path


def test_the_key_table_has_every_key() -> None:
    named = re.findall(r"^ {4}(hub:\{0\}:\S+)", keys.__doc__ or "", re.M)
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert named
    assert re.findall(r"^\| `(hub:\S+)` \|", text, re.M) == named


def test_every_refusal_that_operations_explains_is_said_somewhere() -> None:
    said = "".join(path.read_text("utf-8") for path in (ROOT / "hub").rglob("*.py"))
    # Sentences are written over several lines of source.
    said = re.sub(r'"\s*\n\s*f?"', "", said)
    explained = [row.split(" | ")[0] for row in table_under(OPERATIONS, "refusals")[2:]]
    parts = [part for row in explained for quoted in re.findall(r"`([^`]+)`", row) for part in quoted.split(" … ")]
    assert parts
    assert not [part for part in parts if part.strip("… ") not in said]
