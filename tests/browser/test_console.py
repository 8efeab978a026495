"""The admin door's pages over a real socket: what they serve, to whom, and with which headers."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from hub.console.server import add_console, content_policy
from hub.console.session import Article, DemoSession, Doors, Screen

DOORS = Doors(http="http://127.0.0.1:1", live="ws://127.0.0.1:2", admin="http://127.0.0.1:3")
SESSION = DemoSession(
    run="r",
    doors=DOORS,
    article=Article("BAG-NOIR", "Sac Noir"),
    till=Screen("store", "LON-KNB", "till-token"),
    product=Screen("dubai"),
    vip=Screen("vip", token="vip-token"),
    others=(Article("SCARF", "Scarf"),),
)


async def _serve(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def console() -> AsyncIterator[ClientSession]:
    app = web.Application()
    add_console(app, doors=lambda: DOORS, demo=lambda: SESSION)
    runner, url = await _serve(app)
    async with ClientSession(url) as client:
        yield client
    await runner.cleanup()


@pytest.fixture
async def console_without_demo() -> AsyncIterator[ClientSession]:
    app = web.Application()
    add_console(app, doors=lambda: DOORS)
    runner, url = await _serve(app)
    async with ClientSession(url) as client:
        yield client
    await runner.cleanup()


async def test_the_demo_page_may_talk_to_the_hubs_doors_and_to_nobody_else(console: ClientSession) -> None:
    async with console.get("/demo") as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert policy == content_policy(DOORS)
    assert "default-src 'self'; connect-src 'self' http://127.0.0.1:1 ws://127.0.0.1:2;" in policy


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html"),
        ("/demo", "text/html"),
        ("/static/demo.js", "text/javascript"),
        ("/static/house.css", "text/css"),
        ("/static/icon.svg", "image/svg+xml"),
    ],
)
async def test_every_file_says_what_it_is(console: ClientSession, path: str, content_type: str) -> None:
    async with console.get(path) as answer:
        assert answer.status == HTTPStatus.OK
        assert answer.content_type == content_type
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_the_browser_holds_already_is_not_sent_again(console: ClientSession) -> None:
    async with console.get("/static/demo.js") as first:
        etag = first.headers["ETag"]

    async with console.get("/static/demo.js", headers={"If-None-Match": etag}) as again:
        assert again.status == HTTPStatus.NOT_MODIFIED
        assert await again.read() == b""


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e%2fserver.py",
        "/static/%2fetc%2fpasswd",
        "/static/",
        "/static/demo.html",
        "/static/index.html",
        "/static/nothing.js",
    ],
)
async def test_nothing_beside_the_static_files_can_be_read(console: ClientSession, path: str) -> None:
    async with console.get(URL(path, encoded=True)) as answer:
        assert answer.status == HTTPStatus.NOT_FOUND


async def test_the_session_gives_this_machines_browser_its_tokens(console: ClientSession) -> None:
    async with console.get("/demo/session") as answer:
        session = await answer.json()

        assert answer.headers["Cache-Control"] == "no-store"
    assert session["till"] == {"pool": "store", "location": "LON-KNB", "token": "till-token"}
    assert session["product"] == {"pool": "dubai"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "demo.example"},
        {"Host": "192.0.2.1:8082"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
    ],
)
async def test_the_session_does_not_exist_for_anybody_else(console: ClientSession, headers: dict[str, str]) -> None:
    async with console.get("/demo/session", headers=headers) as answer:
        assert answer.status == HTTPStatus.NOT_FOUND
        assert "token" not in await answer.text()


async def test_without_a_demo_its_pages_do_not_exist(console_without_demo: ClientSession) -> None:
    for path in ("/demo", "/demo/session"):
        async with console_without_demo.get(path) as answer:
            assert answer.status == HTTPStatus.NOT_FOUND

    async with console_without_demo.get("/") as index:
        assert "/demo" not in await index.text()


async def test_the_index_leads_to_the_demo_and_to_the_health_of_the_http_door(console: ClientSession) -> None:
    async with console.get("/") as answer:
        text = await answer.text()

    assert 'href="/demo"' in text
    assert f'href="{DOORS.http}/readyz"' in text


def test_a_token_does_not_show_when_a_session_is_printed() -> None:
    assert "till-token" not in repr(SESSION)
