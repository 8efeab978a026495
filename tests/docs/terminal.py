"""One page's commands as one shell script: what a reader types, in the order it is printed.

A block that serves or watches goes on in the background, as in a terminal of its own, until the page ends; the next
one starts when it has said something. Whatever fails ends the script, and with it the test.
"""

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.docs.pages import NOT_RUN, ROOT, Fence
from tests.processes.several import ports_in_a_row

PAGE_SECONDS_MAX = 180.0
# What a reader's own terminal is for: these do not end by themselves.
GOES_ON = ("uv run hub serve", "uv run python -u - <<")
# What the one that was started last says next.
SCREEN = "json from the screen"
# A reader's folder has these.
IN_THE_FOLDER = ("README.md", "deploy", "docs", "tests")
# In a test `uv run` is this very interpreter and its environment.
_UV = """#!/bin/sh
[ "$1" = run ] && shift
case "$1" in
  hub) shift; exec {python} -m hub "$@" ;;
  python) shift; exec {python} "$@" ;;
  *) echo "uv: not in a test: $*" >&2; exit 64 ;;
esac
"""
_HEAD = """set -euo pipefail
others=()
end() {
  code=$?
  for other in ${others[@]+"${others[@]}"}; do kill "$other" 2>/dev/null || true; wait "$other" || true; done
  exit $code
}
trap end EXIT
says() {
  for _ in $(seq 900); do
    [ "$(wc -l < "$1")" -ge "$2" ] && return
    kill -0 "${others[-1]}"
    sleep 0.1
  done
  echo "$1 does not get to line $2" >&2
  exit 1
}
"""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_PACE = re.compile(r"in [\d.,]+ s \([\d,]+ (?:rows|lines|positions)/s")
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_.…-]+")
# Made of the hub's uuid: cursors and ids of the feed, and the hub's name there.
_SEALED = re.compile(r"(?<=f1\.)[\w-]{32}|(?<=\")[\w-]{32}(?=\")|(?<=urn:hub:)[0-9a-f]{16}")


class Terminal:
    """Runs the blocks of one page in a folder of their own; `said` has what each wrote to standard output."""

    def __init__(self, folder: Path) -> None:
        self.said: dict[int, str] = {}
        self._folder = folder
        self._notes = folder / ".notes"
        self._notes.mkdir()
        # What was started last and goes on, and how many of its lines the page has shown.
        self._watching, self._screens = self._notes, 0
        http, live, self._receiver = free_ports(3)
        # Of several processes each has an admin door, at the ports from this one on.
        self._doors = {"HTTP": http, "LIVE": live, "ADMIN": ports_in_a_row(2)}
        for name in IN_THE_FOLDER:
            (folder / name).symlink_to(ROOT / name)
        uv = self._notes / "uv"
        uv.write_text(_UV.format(python=shlex.quote(sys.executable)))
        uv.chmod(uv.stat().st_mode | stat.S_IXUSR)

    async def run(self, blocks: list[Fence]) -> None:
        """Run them all; the assertion names the line of the block that failed."""
        script = _HEAD + "".join(self._step(block) for block in blocks)
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", self.with_own_ports(script)),
            cwd=self._folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(PAGE_SECONDS_MAX):
                out, _ = await process.communicate()
        except TimeoutError:
            # The shell, what it waits for and what goes on beside it are one group.
            os.killpg(process.pid, signal.SIGTERM)
            out, _ = await process.communicate()
        self.said = {block.line: self._said(block) for block in blocks}
        everything = "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted(self._notes.glob("*.out*")))
        assert process.returncode == 0, f"{out.decode()}\n{everything}"

    def with_own_ports(self, text: str) -> str:
        """The text with this page's ports in place of the usual ones."""
        usual = {"8080": "HTTP", "8081": "LIVE", "8082": "ADMIN"}
        # Of a page's own receiver, as an address and as what a program listens on.
        text = re.sub(r'(?<=127\.0\.0\.1)(:|", )8090\b', rf"\g<1>{self._receiver}", text)
        return re.sub(r"127\.0\.0\.1:(808[012])", lambda port: f"127.0.0.1:{self._doors[usual[port[1]]]}", text)

    def _step(self, block: Fence) -> str:
        out = self._notes / f"{block.line}.out"
        if block.info == "live":
            transcript = self._notes / f"{block.line}.live"
            transcript.write_text(self.with_own_ports(block.text))
            return f"uv run python tests/docs/play.py {transcript} {self._doors['LIVE']} > {out} 2> {out}.err\n"
        if block.info == SCREEN:
            self._screens += 1
            return f"says {self._watching} {self._screens}\nsed -n {self._screens}p {self._watching} > {out}\n"
        if block.text.startswith(GOES_ON):
            self._watching, self._screens = out, 0
            return f"(\nexec {block.text}\n) > {out} 2> {out}.err & others+=($!)\nsays {out} 1\n"
        return f"{{\n{block.text}\n}} > {out} 2> {out}.err\n"

    def _said(self, block: Fence) -> str:
        out = self._notes / f"{block.line}.out"
        return out.read_text() if out.exists() else ""

    def _environment(self) -> dict[str, str]:
        # With its own servers a page needs nothing of what the developer's shell says about a hub.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        doors = {f"HUB_{door}": f"127.0.0.1:{port}" for door, port in self._doors.items()}
        return kept | doors | {"PATH": f"{self._notes}:{kept['PATH']}", "PYTHONPATH": str(ROOT)}


def runs(block: Fence) -> bool:
    """Whether the block holds commands, a conversation that can be played, or what comes by itself."""
    return block.info in {"sh", "live", SCREEN} and block.text not in NOT_RUN


def masked(text: str) -> Any:
    """JSON without what differs from run to run: instants, tokens, cursors and pace; what is no JSON stays text."""
    text = _PACE.sub("<pace>", _SEALED.sub("…", _TOKEN.sub("eyJ…", _TIME.sub("<time>", text))))
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(value, dict) and isinstance(value.get("exp"), float):
        value["exp"] = "<exp>"
    return value


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]
