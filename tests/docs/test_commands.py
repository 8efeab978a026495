"""Every command of the documentation runs, and what is printed under it is what it answers."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.pages import NOT_RUN, PAGES, README, ROOT, Fence, fences
from tests.docs.terminal import SCREEN, Terminal, masked, runs

PAGES_WITH_COMMANDS = [page for page in PAGES if any(runs(block) for block in fences(page))]
# Another word for a shell would keep a block from being run.
# What is `html` is opened in a browser by tests/browser/test_stock_module.py.
LANGUAGES = {"sh", "json", SCREEN, "http", "live", "toml", "text", "csv", "html"}


def test_every_block_says_what_it_is() -> None:
    found = {(page.name, block.line): block.info for page in PAGES for block in fences(page)}
    assert not {place: info for place, info in found.items() if info not in LANGUAGES}


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="the pages use bash and curl")
@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: page.stem)
async def test_the_commands_of_a_page_run_and_answer_as_printed(page: Path, tmp_path: Path) -> None:
    blocks = fences(page)
    terminal = Terminal(tmp_path)

    await terminal.run([block for block in blocks if runs(block)])

    for before, block in pairwise(blocks):
        if block.info == SCREEN:
            assert_answered(block, block.text, terminal.said[block.line])
        elif before.line in terminal.said and block.info in {"json", "http", "text"}:
            assert_answered(block, terminal.with_own_ports(block.text), terminal.said[before.line])


def assert_answered(block: Fence, printed: str, said: str) -> None:
    """JSON is the same JSON; of HTTP the status line and the body are the same, and each printed header was sent."""
    if block.info != "http":
        assert masked(said) == masked(printed), block.line
        return
    head, _, body = printed.partition("\n\n")
    said_head, _, said_body = said.replace("\r\n", "\n").partition("\n\n")
    assert set(head.splitlines()) <= set(said_head.splitlines()), block.line
    assert masked(said_body) == masked(body), block.line


def test_the_two_commands_of_a_fresh_machine_stand_at_the_top() -> None:
    first, second = fences(README)[:2]
    assert (first.info, first.text) == ("sh", "pip install uv && uv run hub demo")
    assert (second.info, second.text) == ("sh", "uv run pytest")
    assert second.line <= 20
    assert (ROOT / ".ci" / "run").read_text("utf-8").splitlines()[-1] == second.text


def test_what_is_not_run_is_printed_somewhere() -> None:
    assert {block.text for page in PAGES for block in fences(page)} >= NOT_RUN
