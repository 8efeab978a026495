"""The client for pages in a real browser: the recorded traces, a badge, an outage, and no WebSocket at all."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from aiohttp import ClientSession, web

from hub.assembly import running
from tests.docs.pages import fences
from tests.flow.network import network_to
from tests.intake.door import Door, line, settings_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Page, expect
else:
    expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect

ROOT = Path(__file__).parents[2]
MODULE = ROOT / "protocol" / "clients" / "browser" / "stock.js"
TRACES = sorted((ROOT / "protocol" / "traces").glob("*.json"))
SEEN_WITHIN_MS = 20_000

# Plays a trace to `watch` over a WebSocket that is played too; no waiting before another connection.
PLAYER = (Path(__file__).parent / "trace_player.js").read_text("utf-8")


class Shop:
    """A web shop of its own origin: pages as given, and the address of a hub to put into them."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.pages: dict[str, str] = {}

    async def page(self, request: web.Request) -> web.Response:
        if request.path == "/stock.js":
            return web.Response(body=MODULE.read_bytes(), content_type="text/javascript")
        page = self.pages.get(request.path)
        return web.Response(text=page or "", status=200 if page else 404, content_type="text/html")


@pytest.fixture
async def shop(browser: Browser) -> AsyncIterator[Shop]:
    assert browser.is_connected()
    app = web.Application()
    runner = web.AppRunner(app)
    site = Shop("")
    app.router.add_get("/{path:.*}", site.page)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    assert tcp._server is not None
    site.origin = f"http://127.0.0.1:{tcp._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    yield site
    await runner.cleanup()


async def test_recorded_traces_end_in_the_recorded_state(page: Page, shop: Shop) -> None:
    shop.pages["/"] = "<!doctype html><title>traces</title>"
    await page.goto(shop.origin)
    unlike = {}
    for path in TRACES:
        trace = json.loads(path.read_text("utf-8"))
        # A page of its own for each would take longer than the trace.
        told = await page.evaluate(f"async (trace) => {{ {PLAYER} }}", trace)
        shows = trace["shows"]
        # A field of another day is passed on to the page, which does not know it.
        shown = {sku: {name: item.get(name) for name in shows.get(sku, item)} for sku, item in told["shows"].items()}
        if told["unlike"] or shown != shows:
            unlike[path.stem] = (told["unlike"], shown)
    assert TRACES
    assert not unlike


@pytest.fixture
async def door(redis_url: str, postgres_dsn: str, tmp_path: Path, shop: Shop) -> AsyncIterator[Door]:
    """A hub that the shop's pages may ask."""
    settings = settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn)
    # One pool says only that little is left.
    pools = [msgspec.structs.replace(pool, low=1) if pool.id == "gulf" else pool for pool in settings.house.pools]
    house = msgspec.structs.replace(settings.house, pools=tuple(pools))
    doors = msgspec.structs.replace(settings.hub, origins=(shop.origin,))
    settings = msgspec.structs.replace(settings, hub=doors, house=house)
    async with running(settings) as hub, ClientSession() as session:
        opened = Door(hub, settings, session)
        await opened.send(opened.receipt(line("BAG-NOIR", 5)))
        yield opened


def script(door: Door) -> str:
    return f'<script type="module" src="{door.url}/v1/stock.js"></script>'


async def test_badges_need_one_script_tag_and_follow_the_stock(page: Page, shop: Shop, door: Door) -> None:
    [item] = await door.shown("online", "BAG-NOIR")
    of_online = 'sku="BAG-NOIR" pool="online"'
    rendered = f'rev="{item["rev"]}" status="in_stock" available="5"'
    shop.pages["/"] = f"""<!doctype html>{script(door)}
        <stock-badge id="rendered" {of_online} {rendered}>Five bags</stock-badge>
        <stock-badge id="socket" {of_online} live="{door.live}" in_stock="Noch {{available}}"></stock-badge>
        <stock-badge id="alias" sku="3607340000001" pool="online"></stock-badge>
        <stock-badge id="hint" sku="BAG-NOIR" pool="gulf"></stock-badge>
        <stock-badge id="hidden" sku="BAG-NOIR" pool="vip">?</stock-badge>"""
    await page.goto(shop.origin)
    badge = {name: page.locator(f"#{name}") for name in ("rendered", "socket", "alias", "hint", "hidden")}
    await expect(badge["socket"]).to_have_text("Noch 5", timeout=SEEN_WITHIN_MS)
    await expect(badge["alias"]).to_have_text("In stock", timeout=SEEN_WITHIN_MS)
    await expect(badge["hint"]).to_have_text("In stock", timeout=SEEN_WITHIN_MS)
    # Nothing newer came, so what the server rendered stands.
    await expect(badge["rendered"]).to_have_text("Five bags")

    await door.send(door.sale(line("BAG-NOIR", 4)))

    for name in ("rendered", "socket", "alias"):
        await expect(badge[name]).to_have_text("Only 1 left", timeout=SEEN_WITHIN_MS)
        await expect(badge[name]).to_have_attribute("status", "low_stock")
        await expect(badge[name]).to_have_attribute("available", "1")
    await expect(badge["hidden"]).to_have_text("?")


@pytest.mark.parametrize("by", ["socket", "events"])
async def test_a_badge_of_another_article_shows_nothing_of_the_one_before(
    page: Page, shop: Shop, door: Door, by: str
) -> None:
    await door.send(door.receipt(line("BAG-ROUGE", 2)))
    await door.send(door.sale(line("BAG-NOIR", 1)))
    live = f'live="{door.live}"' if by == "socket" else ""
    shop.pages["/"] = f"""<!doctype html>{script(door)}
        <stock-badge sku="BAG-NOIR" pool="online" {live}></stock-badge>"""
    await page.goto(shop.origin)
    badge = page.locator("stock-badge")
    await expect(badge).to_have_attribute("available", "4", timeout=SEEN_WITHIN_MS)

    await badge.evaluate("badge => badge.setAttribute('sku', 'BAG-ROUGE')")
    await expect(badge).to_have_attribute("available", "2", timeout=SEEN_WITHIN_MS)

    await badge.evaluate("badge => badge.setAttribute('pool', 'no-such-pool')")
    await expect(badge).to_have_text("")
    assert await badge.get_attribute("available") is None


@pytest.mark.parametrize("by", ["socket", "events"])
async def test_what_is_no_name_does_not_silence_the_badges_beside_it(
    page: Page, shop: Shop, door: Door, by: str
) -> None:
    live = f'live="{door.live}"' if by == "socket" else ""
    wrong = [("x" * 129, "online"), ("", "online"), ("BAG&#1;NOIR", "online"), ("BAG-NOIR", "on line")]
    badges = "".join(f'<stock-badge sku="{sku}" pool="{pool}" {live}>?</stock-badge>' for sku, pool in wrong)
    shop.pages["/"] = f"""<!doctype html>{script(door)}{badges}
        <stock-badge id="good" sku="BAG-NOIR" pool="online" {live}></stock-badge>"""
    await page.goto(shop.origin)
    await expect(page.locator("#good")).to_have_text("In stock", timeout=SEEN_WITHIN_MS)
    assert await page.locator("stock-badge:not(#good)").all_inner_texts() == ["?"] * len(wrong)


async def test_a_name_that_cannot_be_asked_for_is_told_and_the_others_are_watched(
    page: Page, shop: Shop, door: Door
) -> None:
    shop.pages["/"] = f"""<!doctype html><script type="module">
        import {{ watch }} from "{door.url}/v1/stock.js";
        window.seen = [];
        window.errors = [];
        const onerror = ({{ code }}) => window.errors.push(code);
        const see = (item) => window.seen.push(item.sku);
        watch("online", ["\\ud800", "e\\u0301".repeat(65), "e\\u0301".repeat(64), "BAG-NOIR"], see, {{ onerror }});
        watch("a pool", ["BAG-NOIR"], see, {{ onerror }});
    </script>"""
    await page.goto(shop.origin)
    await page.wait_for_function("window.seen?.includes('BAG-NOIR')", timeout=SEEN_WITHIN_MS)
    assert await page.evaluate("window.errors") == ["malformed", "malformed", "malformed"]


async def test_a_badge_without_a_number_says_few(page: Page, shop: Shop, door: Door) -> None:
    await door.send(door.sale(line("BAG-NOIR", 4)))
    shop.pages["/"] = f"""<!doctype html>{script(door)}<stock-badge sku="BAG-NOIR" pool="gulf"></stock-badge>"""
    await page.goto(shop.origin)
    await expect(page.locator("stock-badge")).to_have_text("Few left", timeout=SEEN_WITHIN_MS)


ONLINE = "dispatchEvent(new Event('online'))"
VISIBLE = "document.dispatchEvent(new Event('visibilitychange'))"
RESTORED = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
ASLEEP = "{ const now = Date.now; Date.now = () => now() + 25_000; }"
# Long before its silence would end the line.
BACK_WITHIN_MS = 15_000


@pytest.mark.parametrize("back", [ONLINE, VISIBLE, ASLEEP + VISIBLE, ASLEEP + RESTORED])
async def test_a_dead_socket_is_found_when_the_browser_is_back(page: Page, shop: Shop, door: Door, back: str) -> None:
    async with network_to(door.live) as network:
        shop.pages["/"] = f"""<!doctype html>{script(door)}
            <stock-badge sku="BAG-NOIR" pool="online" live="ws://{network.address}"></stock-badge>"""
        await page.goto(shop.origin)
        badge = page.locator("stock-badge")
        await expect(badge).to_have_attribute("available", "5", timeout=SEEN_WITHIN_MS)
        network.go_deaf()
        await door.send(door.sale(line("BAG-NOIR", 2)))
        await page.evaluate(back)
        await expect(badge).to_have_attribute("available", "3", timeout=BACK_WITHIN_MS)


@pytest.mark.parametrize("back", [ONLINE, ASLEEP + VISIBLE, ASLEEP + RESTORED])
async def test_a_dead_stream_is_begun_anew_when_the_browser_is_back(
    page: Page, shop: Shop, door: Door, back: str
) -> None:
    async with network_to(door.url) as network:
        shop.pages["/"] = f"""<!doctype html>{script(door)}
            <stock-badge sku="BAG-NOIR" pool="online" hub="http://{network.address}"></stock-badge>"""
        await page.goto(shop.origin)
        badge = page.locator("stock-badge")
        await expect(badge).to_have_attribute("available", "5", timeout=SEEN_WITHIN_MS)
        network.go_deaf()
        await door.send(door.sale(line("BAG-NOIR", 2)))
        await page.evaluate(back)
        await expect(badge).to_have_attribute("available", "3", timeout=BACK_WITHIN_MS)


async def test_a_socket_that_lives_is_left_when_the_browser_is_back(page: Page, shop: Shop, door: Door) -> None:
    async with network_to(door.live) as network:
        shop.pages["/"] = f"""<!doctype html>{script(door)}
            <stock-badge sku="BAG-NOIR" pool="online" live="ws://{network.address}"></stock-badge>"""
        await page.goto(shop.origin)
        badge = page.locator("stock-badge")
        await expect(badge).to_have_attribute("available", "5", timeout=SEEN_WITHIN_MS)
        await page.evaluate(VISIBLE + ";" + ONLINE)
        async with asyncio.timeout(10):
            while sum(told.count(b'"unsubscribed"') for told in network.answered) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await door.send(door.sale(line("BAG-NOIR", 2)))
        await expect(badge).to_have_attribute("available", "3", timeout=SEEN_WITHIN_MS)
        assert network.connections == 1


async def test_the_page_of_the_documentation_works(page: Page, shop: Shop, door: Door) -> None:
    [block] = [block for block in fences(ROOT / "docs" / "clients.md") if block.info == "html"]
    shown = block.text.replace("http://127.0.0.1:8080", door.url).replace("ws://127.0.0.1:8081", door.live)
    # As the shop's server would have rendered it.
    [item] = await door.shown("online", "BAG-NOIR")
    shown = re.sub(r'rev="\d+"', f'rev="{item["rev"]}"', shown)
    shop.pages["/"] = f"<!doctype html><meta charset=utf-8>{shown}"
    await page.goto(shop.origin)
    first, second, told = page.locator("stock-badge").nth(0), page.locator("stock-badge").nth(1), page.locator("#bag")
    await expect(second).to_have_text("Disponible", timeout=SEEN_WITHIN_MS)
    await expect(told).to_have_text("5 (in_stock)", timeout=SEEN_WITHIN_MS)

    await door.send(door.sale(line("BAG-NOIR", 4)))

    await expect(first).to_have_text("Only 1 left", timeout=SEEN_WITHIN_MS)
    await expect(second).to_have_text("Plus que 1", timeout=SEEN_WITHIN_MS)
    await expect(told).to_have_text("1 (low_stock)", timeout=SEEN_WITHIN_MS)


async def test_a_page_with_a_token_watches_and_stops_watching(page: Page, shop: Shop, door: Door) -> None:
    shop.pages["/"] = f"""<!doctype html><script type="module">
        import {{ watch }} from "{door.url}/v1/stock.js";
        window.seen = [];
        window.states = [];
        window.stop = watch("vip", ["BAG-NOIR"], (item) => window.seen.push(item.available), {{
          live: "{door.live}", token: async () => "{door.till}", onstate: (state) => window.states.push(state),
        }});
    </script>"""
    await page.goto(shop.origin)
    await page.wait_for_function("window.seen?.at(-1) === 5", timeout=SEEN_WITHIN_MS)
    await door.send(door.sale(line("BAG-NOIR", 1)))
    await page.wait_for_function("window.seen.at(-1) === 4", timeout=SEEN_WITHIN_MS)
    assert await page.evaluate("window.states") == ["connecting", "live"]

    await page.evaluate("window.stop()")

    async with asyncio.timeout(10):
        while "hub_live_connections 0.0" not in (await door.get(door.admin + "/metrics")).body.decode():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_without_websockets_a_page_hears_by_events(page: Page, shop: Shop, door: Door) -> None:
    nowhere = "ws://127.0.0.1:9"
    shop.pages["/"] = f"""<!doctype html><script type="module">
        Math.random = () => 0;
        const {{ watch }} = await import("{door.url}/v1/stock.js");
        window.seen = [];
        watch("vip", ["BAG-NOIR", "BAG-ROUGE"], (item) => window.seen.push([item.sku, item.available]), {{
          live: "{nowhere}", token: "{door.till}",
        }});
    </script>"""
    await page.goto(shop.origin)
    await page.wait_for_function("window.seen?.length === 2", timeout=SEEN_WITHIN_MS)
    await door.send(door.sale(line("BAG-NOIR", 1)))
    await page.wait_for_function("window.seen.length === 3", timeout=SEEN_WITHIN_MS)
    assert await page.evaluate("window.seen") == [["BAG-NOIR", 5], ["BAG-ROUGE", 0], ["BAG-NOIR", 4]]
