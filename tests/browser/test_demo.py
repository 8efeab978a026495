"""The demo as people see it: the hub started by its command, the page in a real browser."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page, Route, expect

    from tests.browser.conftest import DemoProcess
else:
    expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect

BAG_SCREENS = ("product", "vip")
# The page tries at least every ten seconds once a hub has been away for a while.
RECONNECT_WITHIN_MS = 30_000


async def _open(page: Page, demo: DemoProcess) -> None:
    """Open the page and bring it to where one bag is left, whatever the test before left."""
    await page.goto(demo.url)
    await expect(page.locator("#line")).to_have_attribute("data-state", "live")
    sell = page.locator("#sell")
    await expect(page.locator(".primary[aria-disabled=false], #receive[aria-disabled=false]")).to_have_count(1)
    if await sell.get_attribute("aria-disabled") == "true":
        await page.click("#receive")
    await expect(sell).to_have_attribute("aria-disabled", "false")
    for name in BAG_SCREENS:
        await expect(_shown(page, name)).to_have_text("The last one")


def _shown(page: Page, name: str) -> Locator:
    return page.locator(f"[data-screen={name}] [data-shown]")


def _delay(page: Page, name: str) -> Locator:
    return page.locator(f"[data-screen={name}] [data-delay]")


async def test_a_press_at_the_till_sells_the_bag_on_both_other_screens(page: Page, demo: DemoProcess) -> None:
    await _open(page, demo)

    await page.click("#sell")

    for name in BAG_SCREENS:
        await expect(_shown(page, name)).to_have_text("Sold out")
        await expect(_delay(page, name)).to_have_text(re.compile(r"^(<1|\d+)$"))
    await expect(page.locator("#said")).to_contain_text("Dubai shows sold out after")
    await expect(page.locator("#presses-note")).to_contain_text("One press:")


async def test_receive_another_brings_the_bag_back(page: Page, demo: DemoProcess) -> None:
    await _open(page, demo)
    await page.click("#sell")
    await expect(page.locator("#receive")).to_have_attribute("aria-disabled", "false")

    await page.click("#receive")

    for name in BAG_SCREENS:
        await expect(_shown(page, name)).to_have_text("The last one")
    await expect(page.locator("#sell")).to_have_attribute("aria-disabled", "false")


async def test_the_demo_works_by_keyboard_and_keeps_the_focus(page: Page, demo: DemoProcess) -> None:
    await _open(page, demo)

    await page.focus("#sell")
    await page.keyboard.press("Enter")
    await expect(_shown(page, "product")).to_have_text("Sold out")
    await page.keyboard.press("Tab")
    await expect(page.locator("#receive")).to_be_focused()
    await expect(page.locator("#receive")).to_have_attribute("aria-disabled", "false")
    await page.keyboard.press("Space")

    await expect(_shown(page, "product")).to_have_text("The last one")


async def test_everything_the_page_asks_for_is_on_this_machine(page: Page, demo: DemoProcess) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))

    await _open(page, demo)
    await page.click("#sell")
    await expect(_shown(page, "vip")).to_have_text("Sold out")

    assert any(url.startswith("ws://") for url in asked)
    assert any(url.endswith("/v1/events") for url in asked)
    assert {urlsplit(url).hostname for url in asked} == {"127.0.0.1"}


async def test_the_console_of_the_browser_stays_silent(page: Page, demo: DemoProcess) -> None:
    """A breach of the content policy, a missing file or a script's mistake would be said there."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    await _open(page, demo)
    await page.click("#sell")
    await expect(_shown(page, "product")).to_have_text("Sold out")

    assert said == []


async def test_a_lost_answer_sends_the_same_id_again_and_sells_once(page: Page, demo: DemoProcess) -> None:
    ids: list[str] = []

    async def lose_the_first_answer(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        ids.append(json.loads(route.request.post_data or "")["id"])
        if len(ids) == 1:
            await route.fetch()
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await _open(page, demo)
    await page.route("**/v1/events", lose_the_first_answer)
    await page.click("#sell")
    await expect(page.locator("#till-note")).to_contain_text("after 2 tries with one id")
    await page.click("#receive")

    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]
    # Sold twice, the one received would only have repaid the second sale.
    await expect(_shown(page, "product")).to_have_text("The last one")


async def test_the_strip_shows_the_house_moving(page: Page, demo: DemoProcess) -> None:
    await _open(page, demo)

    await expect(page.locator("#others li")).not_to_have_count(0)
    await page.wait_for_selector("#others li.news", timeout=20_000)


async def test_on_a_phone_nothing_hangs_over_the_edge(page: Page, demo: DemoProcess) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})

    await _open(page, demo)

    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await expect(page.locator("#sell")).to_be_in_viewport()
    for name in BAG_SCREENS:
        await expect(_shown(page, name)).to_be_in_viewport()


async def test_a_stopped_hub_is_admitted_and_a_started_one_found_again(page: Page, demo: DemoProcess) -> None:
    """The second hub has empty stores: its revisions start anew, below those that the page holds."""
    await _open(page, demo)

    await demo.stop()
    await expect(page.locator("#line")).to_have_text("Connection lost — trying again")
    await expect(page.locator("[data-screen][data-stale]")).to_have_count(4)
    await demo.start()

    await expect(page.locator("#line")).to_have_text("Live", timeout=RECONNECT_WITHIN_MS)
    await expect(page.locator("[data-screen][data-stale]")).to_have_count(0)
    await page.click("#sell")
    await expect(_shown(page, "product")).to_have_text("Sold out")
