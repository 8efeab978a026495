"""The client for pages, served by the hub that they watch: `<script type="module" src="https://hub/v1/stock.js">`."""

from hashlib import blake2b
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Handler

from hub.intake.exchange import is_known

# Asked about each time, so a page never runs yesterday's script against today's hub.
_CACHE = "public, no-cache"
_CONTENT_TYPES = {"stock.js": "text/javascript", "stock.d.ts": "text/plain"}


def add_browser_client(app: web.Application) -> None:
    """Add the client's files to the door; they are read now and served from memory."""
    folder = files("protocol") / "clients" / "browser"
    for name, content_type in _CONTENT_TYPES.items():
        app.router.add_get(f"/v1/{name}", _serving((folder / name).read_bytes(), content_type))


def _serving(body: bytes, content_type: str) -> Handler:
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": _CACHE, "X-Content-Type-Options": "nosniff"}

    async def serve(request: web.Request) -> web.Response:
        if is_known(request, tag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, headers=headers, content_type=content_type, charset="utf-8")

    return serve
