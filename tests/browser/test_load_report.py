"""The report of `hub load` in a real browser: it draws, asks nobody for anything, and reads in light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from hub.load.report import report_html
from tests.load.results import result

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

# Of each text: its colour and that of the page, as the browser painted them.
COLOURS = """() => [...document.querySelectorAll('body, h1, .quiet, .verdict, strong, dt, dd, td, th, svg text')].map(
  each => { const style = getComputedStyle(each); return each instanceof SVGElement ? style.fill : style.color; })"""
WIDEST = """() => Math.max(...[...document.querySelectorAll('svg text')].map(
  each => each.getBBox().x + each.getBBox().width))"""


def brightness(colour: str) -> float:
    """WCAG's relative luminance of `rgb(…)`."""
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(", ")]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_report_draws_its_lines_and_is_readable(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    (tmp_path / "report.html").write_text(report_html(result(is_clean=False)), "utf-8")
    page = await browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    asked: list[str] = []
    said: list[Any] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    try:
        await page.goto((tmp_path / "report.html").as_uri())
        lines = await page.locator("polyline").all()
        boxes = [await line.bounding_box() for line in lines]
        paper = brightness(await page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
        colours = {brightness(colour) for colour in await page.evaluate(COLOURS)}
        widest = await page.evaluate(WIDEST)
        across = await page.evaluate("() => document.documentElement.scrollWidth")
    finally:
        await page.close()

    assert [url for url in asked if not url.startswith("file:")] == []
    assert said == []
    assert len(lines) == 1 + 3 + 4 + 2
    assert all(box is not None and box["width"] > 100 for box in boxes)
    # 4.5 to 1 is what WCAG asks of text.
    assert min((max(text, paper) + 0.05) / (min(text, paper) + 0.05) for text in colours) >= 4.5
    assert (paper > 0.5) == (scheme == "light")
    assert widest <= 760
    assert across <= 390
