"""A receiver as others write it, on loopback: it checks signatures, and answers what a test tells it to."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from hmac import compare_digest, new
from ssl import SSLContext
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + "QUJD" * 8
LOOPBACK = 'hooks_may_reach = ["127.0.0.0/8"]\n'

Answer = Callable[["Got"], Awaitable[web.StreamResponse]]


class Got(NamedTuple):
    """One message as it came."""

    id: str
    timestamp: int
    item: dict[str, Any]
    request: web.Request
    path: str


class Receiver:
    """All that came, in the order it came."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.taken: list[Got] = []
        self.url = ""
        self.answer: Answer = ok
        self.secrets = (SECRET,)
        self._came = asyncio.Condition()

    @property
    def ids(self) -> set[str]:
        return {got.id for got in self.taken}

    def skus(self, type: str = "movement.receipt") -> list[str]:
        return [got.item["data"]["sku"] for got in self.taken if got.item["type"] == type]

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = request.headers
        assert is_signed(headers["webhook-signature"], headers["webhook-id"], headers["webhook-timestamp"], body, self)
        assert headers["content-type"] == "application/json"
        item = msgspec.json.decode(body)
        assert item["id"] == headers["webhook-id"]
        got = Got(headers["webhook-id"], int(headers["webhook-timestamp"]), item, request, request.path)
        self.got.append(got)
        try:
            response = await self.answer(got)
        finally:
            await self._tell()
        if 200 <= response.status < 300:
            self.taken.append(got)
            await self._tell()
        return response

    async def has(self, claim: Callable[["Receiver"], bool]) -> None:
        """Wait until it holds of what came."""
        async with asyncio.timeout(20), self._came:
            await self._came.wait_for(lambda: claim(self))

    async def _tell(self) -> None:
        async with self._came:
            self._came.notify_all()


def is_signed(header: str, id: str, timestamp: str, body: bytes, receiver: Receiver) -> bool:
    """As a receiver would check it, written apart from what signs."""
    for secret in receiver.secrets:
        wanted = new(b64decode(secret.split("_")[1]), digestmod=sha256)
        wanted.update(id.encode() + b"." + timestamp.encode() + b"." + body)
        for signature in header.split(" "):
            version, _, mac = signature.partition(",")
            if version == "v1" and compare_digest(b64decode(mac), wanted.digest()):
                return True
    return False


async def ok(got: Got) -> web.StreamResponse:
    return web.Response(status=204)


def status(number: int, **headers: str) -> Answer:
    async def answer(got: Got) -> web.StreamResponse:
        return web.Response(status=number, headers={name.replace("_", "-"): text for name, text in headers.items()})

    return answer


async def never(got: Got) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


@asynccontextmanager
async def receiving(port: int = 0, ssl_context: SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver at a free port, or at this one; with a context over https."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=ssl_context)
        await site.start()
        scheme = "http" if ssl_context is None else "https"
        receiver.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/hook?token=hidden-token"
        yield receiver
    finally:
        await runner.cleanup()


def table(url: str, id: str = "oms", **more: Any) -> str:
    """The table of a hook."""
    lines = {"id": id, "url": url, "secret_env": "OMS_SECRET", **more}
    return "\n[[hook]]\n" + "".join(
        f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in lines.items()
    )
