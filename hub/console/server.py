"""The pages of the admin door: the index, the demo, and what the demo page needs to know."""

import ipaddress
from collections.abc import Callable
from html import escape
from string import Template

import msgspec
from aiohttp import ETag, web

from hub.console.assets import Asset, load_assets
from hub.console.session import DemoSession, Doors

# Said on every answer: what it claims to be is what it is, and it tells no other site where it came from.
_EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
# A proxy on this machine reaches the hub from loopback too, on behalf of anybody; it says so in one of these.
_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")

_DEMO_ENTRY = (
    '<li><a href="/demo">The last bag</a>'
    "<p>The demo: a till, a product page and a private client, all looking at one bag.</p></li>"
)


def add_console(
    app: web.Application,
    *,
    doors: Callable[[], Doors],
    demo: Callable[[], DemoSession] | None = None,
) -> None:
    """Add the console's pages to the admin door's application.

    Call it before the application starts. `doors` and `demo` are asked at each request, so doors may be bound
    to free ports after this call, and every visit gets fresh tokens. Without `demo` its pages do not exist.
    """
    console = _Console(doors, demo)
    app.router.add_get("/", console.index)
    app.router.add_get("/static/{name}", console.static)
    if demo is not None:
        app.router.add_get("/demo", console.demo_page)
        app.router.add_get("/demo/session", console.demo_session)


class _Console:
    def __init__(self, doors: Callable[[], Doors], demo: Callable[[], DemoSession] | None) -> None:
        self._doors = doors
        self._demo = demo
        self._assets = load_assets()

    async def index(self, request: web.Request) -> web.StreamResponse:
        template = Template(self._assets["index.html"].body.decode())
        demo = _DEMO_ENTRY if self._demo is not None else ""
        text = template.substitute(http=escape(self._doors().http), demo=demo)
        return self._page(request, Asset.of("text/html", text.encode()))

    async def demo_page(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, self._assets["demo.html"])

    async def static(self, request: web.Request) -> web.StreamResponse:
        asset = self._assets.get(request.match_info["name"])
        if asset is None or asset.content_type == "text/html":
            raise web.HTTPNotFound(headers=_EVERYWHERE)
        return _answer(request, asset, {})

    async def demo_session(self, request: web.Request) -> web.StreamResponse:
        """Answer the tokens of the demo's screens: to this machine's own browser only."""
        if self._demo is None or not _from_this_machine(request):
            raise web.HTTPNotFound(headers=_EVERYWHERE)
        return web.Response(
            body=msgspec.json.encode(self._demo()),
            content_type="application/json",
            headers=_EVERYWHERE | {"Cache-Control": "no-store"},
        )

    def _page(self, request: web.Request, asset: Asset) -> web.StreamResponse:
        return _answer(request, asset, {"Content-Security-Policy": content_policy(self._doors())})


def content_policy(doors: Doors) -> str:
    """Name the only places a page of the console may load from and talk to."""
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self' {doors.http} {doors.live}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    )


def _answer(request: web.Request, asset: Asset, headers: dict[str, str]) -> web.StreamResponse:
    response = web.Response(headers=_EVERYWHERE | headers)
    response.etag = asset.etag
    # Kept by the browser, and asked about each time: an upgraded hub is never met by yesterday's script.
    response.headers["Cache-Control"] = "no-cache"
    if ETag(value=asset.etag, is_weak=False) in (request.if_none_match or ()):
        response.set_status(304)
        return response
    response.content_type = asset.content_type
    response.charset = "utf-8"
    response.body = asset.body
    return response


def _from_this_machine(request: web.Request) -> bool:
    """Whether the other end is this machine, and the browser knows it under a name of this machine.

    The second half stops a foreign site whose DNS name was pointed at 127.0.0.1.
    """
    if any(name in request.headers for name in _PROXY_HEADERS):
        return False
    name = request.url.host or ""
    return _is_loopback(request.remote or "") and (name == "localhost" or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
