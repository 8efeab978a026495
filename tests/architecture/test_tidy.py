"""The house style as tests: sizes, who may import what, what stays pure, and the shape of the Lua."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocol", "adapters", "hub")
FUNCTION_LINES_MAX, MODULE_LINES_MAX, LUA_LINES_MAX = 50, 300, 200
BANNED_NAMES = {"utils", "helpers", "common", "misc", "base", "manager", "handler", "service", "core"}

# Who may import which parts of this repository besides itself; a part that is not listed has no place yet.
LEAVES = {"protocol", "hub.faults", "hub.claims", "hub.credentials", "hub.access", "hub.settings", "hub.telemetry"}
LEAVES |= {"hub.party_metrics", "hub.domain", "hub.patience", "hub.tasks", "hub.crashpoints"}
IMPORTS = {
    **dict.fromkeys(LEAVES, LEAVES),
    "hub.settings": LEAVES | {"adapters"},  # which adapters there are
    "protocol": set(),
    "protocol.clients": {"protocol"},  # what others' programs use: it knows the wire and nothing of the hub
    "adapters": {"protocol"},
    "hub.domain": {"protocol"},
    **dict.fromkeys(["hub.journal", "hub.console", "hub.replay", "hub.load", "hub.watching", "hub.addresses"], LEAVES),
    **dict.fromkeys(["hub.ledger", "hub.live"], LEAVES | {"hub.journal"}),
    "hub.stock": LEAVES | {"hub.journal", "adapters"},  # what a vendor allows is an adapter's value
    "hub.imports": LEAVES | {"hub.journal", "hub.stock"},
    "hub.intake": LEAVES | {"hub.journal", "hub.stock", "hub.imports", "adapters"},  # a delivery is an adapter's value
    "hub.outbound": LEAVES
    | {"hub.journal", "hub.stock", "hub.ledger", "hub.webhooks", "adapters"},  # whom it tells is who delivers
    "hub.webhooks": LEAVES | {"hub.journal", "hub.stock", "hub.intake", "adapters"},  # events by the door's own road
    "hub.embedded": LEAVES | {"hub.stock", "hub.ledger"},  # which versions of both servers are too old
    "hub.demo": LEAVES | {"hub.console"},
    "hub.recovery": LEAVES | {"hub.journal", "hub.stock", "hub.ledger"},
    "hub.memories": LEAVES | {"hub.ledger"},
    "hub.adopting": LEAVES | {"hub.stock"},
    "hub.stores": LEAVES
    | {"hub.journal", "hub.stock", "hub.ledger", "hub.imports", "hub.watching", "hub.recovery", "hub.adopting"}
    | {"hub.webhooks", "hub.memories", "hub.verify"},  # a running hub samples itself
    "hub.reloading": LEAVES | {"hub.stock", "hub.stores"},
    "hub.readings": LEAVES | {"hub.stores", "hub.intake", "hub.live"},  # what both doors counted
    **dict.fromkeys(["hub.duty", "hub.roles"], LEAVES),
    "hub.processes": LEAVES | {"hub.addresses", "hub.console", "hub.embedded", "hub.reloading", "hub.roles"},
    "hub.admin": LEAVES | {"hub.intake", "hub.reloading"},  # both doors read bodies and tokens alike
    "hub.hooks": LEAVES
    | {"hub.journal", "hub.ledger", "hub.memories", "hub.intake"},  # a hook is told what a page of the feed tells
    "hub.verify": LEAVES | {"hub.journal", "hub.stock", "hub.ledger"},
}
# The clients talk over sockets, so they are a part of their own; what decides in them is as pure as the rest.
PURE = {"protocol", "adapters", "hub.domain"}
PURE |= {f"protocol.clients.{name}" for name in ("state", "conversation", "patience", "faults")}
# These put the parts together, so they may import all of them.
ASSEMBLING = {"hub.assembly", "hub.doors", "hub.jobs", "hub.commands", "hub.__main__"}
THIRD_PARTY = {
    "aiohttp": {
        "protocol.clients",
        "hub.intake",
        "hub.admin",
        "hub.console",
        "hub.replay",
        "hub.load",
        "hub.demo",
        "hub.commands",
        "hub.assembly",
        "hub.doors",
        "hub.hooks",
        "hub.webhooks",
        "hub.outbound",
    },
    "yarl": {"hub.webhooks"},  # how aiohttp reads an address
    "redis": {"hub.stock", "hub.journal", "hub.stores", "hub.embedded", "hub.recovery", "hub.adopting"},
    "asyncpg": {"hub.ledger"},
    "websockets": {"protocol.clients", "hub.live", "hub.load"},
    "click": {"hub.__main__", "hub.commands"},
    "rich": {"hub.replay", "hub.commands"},
    "jwt": {"hub.access"},
    "cryptography": {"hub.access"},
    "prometheus_client": {"hub.telemetry", "hub.party_metrics", "hub.console"},
    "structlog": {*IMPORTS, *ASSEMBLING} - PURE - {"protocol.clients"},  # other programs have loggers of their own
    "msgspec": {*IMPORTS, *ASSEMBLING},
}
IMPURE_MODULES = {"asyncio", "time", "random", "secrets", "os", "socket", "subprocess", "threading", "io", "tempfile"}
IMPURE_NAMES = {"now", "utcnow", "today", "open", "read_text", "read_bytes", "write_text", "write_bytes"}
# `hub.embedded` hands its servers the few variables that they may see.
READS_ENVIRONMENT = {"hub.__main__", "hub.settings", "hub.credentials", "hub.embedded"}

LUA = sorted((ROOT / "hub" / "stock" / "lua").glob("*.lua"))
WHOLE_SCRIPTS = {"kernel", "open", "allowance"}
LUA_WRITES = re.compile(r"redis\.call\('(XADD|XTRIM|HSET|HDEL|HINCRBY|SET|SADD|SREM|DEL|UNLINK|INCR|P?EXPIRE)\b")

# Written in two halves, so that this file does not hold what it looks for.
ELSEWHERE = ["/work" + "/", "/tmp/" + "contracts", "shared/" + "design", "shared/" + "research", "pypi" + ".org"]
ELSEWHERE += ["python" + "hosted.org", "docker" + ".io/", "ghcr" + ".io/", "npmjs" + ".org"]
NO_TEXT = {".png", ".jpg", ".gz", ".pyc", ".lock"}

SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def part_of(module: str) -> str:
    """`hub.stock.batcher` is of `hub.stock`, `protocol.codec` of `protocol`; the clients are a part of their own."""
    top, *below = module.split(".")
    return ".".join([top, *below[:1]]) if top == "hub" or below[:1] == ["clients"] else top


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text("utf-8")))


def imported(path: Path) -> set[str]:
    names = {alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in nodes(path) if isinstance(node, ast.ImportFrom)}


def test_functions_and_modules_are_short_and_named_for_their_job() -> None:
    assert not [path for path in SOURCES if len(path.read_text("utf-8").splitlines()) > MODULE_LINES_MAX]
    assert not [path for path in SOURCES if BANNED_NAMES & {path.stem, path.parent.name}]
    for path in SOURCES:
        functions = [node for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        lengths = [(found.name, (found.end_lineno or 0) - found.lineno + 1) for found in functions]
        assert not [name for name, length in lengths if length > FUNCTION_LINES_MAX], path


def test_imports_go_one_way_and_every_library_has_its_home() -> None:
    wrong = []
    for path in SOURCES:
        part = part_of(module_of(path))
        for name in imported(path):
            top = name.partition(".")[0]
            if top in PACKAGES:
                is_allowed = part in ASSEMBLING or part_of(name) in IMPORTS[part] | {part}
            else:
                is_allowed = top in sys.stdlib_module_names or part in THIRD_PARTY.get(top, set())
            wrong += [] if is_allowed else [f"{path} imports {name}"]
    assert not wrong


def test_what_decides_has_no_await_no_clock_and_no_io() -> None:
    for path in [path for path in SOURCES if {module_of(path), part_of(module_of(path))} & PURE]:
        assert not imported(path) & IMPURE_MODULES, path
        for node in nodes(path):
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), path
            assert not (isinstance(node, ast.Attribute) and node.attr in IMPURE_NAMES), f"{path}:{node.lineno}"


def test_nothing_prints_and_the_environment_is_read_in_few_places() -> None:
    for path in SOURCES:
        for node in nodes(path):
            assert not (isinstance(node, ast.Name) and node.id == "print"), path
            reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
            assert not reads or part_of(module_of(path)) in READS_ENVIRONMENT, path


@pytest.mark.parametrize("script", LUA, ids=lambda path: path.stem)
def test_lua_says_what_it_is_and_refuses_nothing_once_it_writes(script: Path) -> None:
    text = script.read_text("utf-8")
    header = text.partition("\n\n")[0]
    assert text.startswith("-- ")
    assert "-- LAW" in header
    assert len(text.splitlines()) <= LUA_LINES_MAX
    if script.stem not in WHOLE_SCRIPTS:
        assert "Writes begin" not in text
        assert not LUA_WRITES.search(text), "only whole scripts write"
        return
    keys, argv, reply = (header.index(f"-- {word}") for word in ("KEYS", "ARGV", "REPLY"))
    assert keys < argv < reply
    assert set(re.findall(r"KEYS\[(\d+)", text)) <= set(re.findall(r"\d+", header[keys:argv]))
    assert text.count("-- Writes begin.\n") == 1
    assert not re.search(r"\b(refuse|error)\(", text.partition("-- Writes begin.\n")[2])


def test_no_text_names_a_workplace_or_a_registry() -> None:
    places = [*PACKAGES, "tests", "docs", "deploy", ".ci"]
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    for path in [path for path in files if path.suffix not in NO_TEXT and "node_modules" not in path.parts]:
        assert not [word for word in ELSEWHERE if word in path.read_text("utf-8")], path


@pytest.mark.parametrize("tool", ["ruff check", "ruff format --check", "mypy"])
def test_the_tools_find_nothing(tool: str) -> None:
    found = subprocess.run([sys.executable, "-m", *tool.split()], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
