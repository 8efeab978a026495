"""A demo started as people start it, and a real browser to look at it with."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A first start makes a Postgres data folder; two slow cores need their time for it.
START_WITHIN_SECONDS = 90.0
STOP_WITHIN_SECONDS = 30.0


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class DemoProcess:
    """`hub demo` in its own process, on its own ports; each start has new and empty stores."""

    log: Path
    ports: list[int] = field(default_factory=lambda: _free_ports(3))
    process: asyncio.subprocess.Process | None = None
    url: str = ""

    async def start(self) -> None:
        """Start it and wait for the URL it prints."""
        http, live, admin = (f"127.0.0.1:{port}" for port in self.ports)
        doors = {"HUB_HTTP": http, "HUB_LIVE": live, "HUB_ADMIN": admin}
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hub",
                "demo",
                env=os.environ | doors,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self.url = await asyncio.wait_for(self._printed_url(), START_WITHIN_SECONDS)

    async def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
        try:
            # What it still prints must be read, or it could not finish printing.
            await asyncio.wait_for(self.process.communicate(), STOP_WITHIN_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise
        finally:
            self.process = None

    async def _printed_url(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        printed = []
        while line := (await self.process.stdout.readline()).decode():
            printed.append(line)
            for word in line.split():
                if word.startswith("http://") and word.endswith("/demo"):
                    return word
        pytest.fail(f"hub demo ended without a URL: {''.join(printed)}{self.log.read_text()}")


@pytest.fixture(scope="module")
async def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DemoProcess]:
    # Asked for first: without a browser nothing needs to be started.
    assert browser.is_connected()
    process = DemoProcess(tmp_path_factory.mktemp("demo") / "demo.log")
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser on PATH (looked for {', '.join(BROWSERS)})")
    async with api.async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=executable, args=BROWSER_ARGS)
        yield launched
        await launched.close()


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    opened = await browser.new_page(viewport={"width": 1280, "height": 800})
    yield opened
    await opened.close()
