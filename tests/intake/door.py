"""A whole hub in this process, and what a till, a storefront and a back office do at its HTTP door."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from hub.assembly import Hub, running
from hub.commands.token import make_key, make_token
from hub.settings import Settings, load
from tests.specs.schemas import described

ORIGIN = "https://shop.example"
HOUSE = """
location = [
    { id = "LON-KNB", kind = "store", country = "GB" },
    { id = "DXB-MALL", kind = "store", country = "AE" },
    { id = "DC-LYON", kind = "warehouse", country = "FR" },
]
rule = [{ pool = "online", category = "watches", buffer = 1 }]
sku = [
    { id = "BAG-NOIR", aliases = ["3607340000001"] },
    { id = "BAG-ROUGE", aliases = ["3607340000002"] },
    { id = "WATCH-OR", category = "watches", aliases = ["3607340000101"] },
]

[[pool]]
id = "online"
locations = ["LON-KNB", "DC-LYON"]
public = true
low = 2
cap = 10

[[pool]]
id = "store"
kinds = ["store"]

[[pool]]
id = "vip"
locations = ["LON-KNB", "DC-LYON"]

[[pool]]
id = "gulf"
locations = ["LON-KNB", "DXB-MALL"]
public = true
show = "status"
"""
ALL_SCOPES = ("events:write", "positions:read", "feed:read", "tokens:write")


def settings_in(
    folder: Path,
    *,
    redis_url: str | None = None,
    dsn: str | None = None,
    extra: str = "",
    house: str = HOUSE,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """A house on free ports; without servers it starts private ones in the folder."""
    file = folder / "hub.toml"
    doors = 'http = "127.0.0.1:0"\nlive = "127.0.0.1:0"\nadmin = "127.0.0.1:0"'
    file.write_text(f'{house}\n[hub]\n{doors}\ndata_dir = "data"\norigins = ["{ORIGIN}"]\n{extra}')
    servers = {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": dsn}
    return load(file, {name: value for name, value in servers.items() if value} | dict(environ or {}))


class Reply:
    """An answer of the door, read whole."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.content_type = response.content_type
        self.body = body

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def problem(self) -> str:
        """The ending of the problem's type, after a look at what every problem has."""
        told = self.json()
        assert self.content_type == "application/problem+json"
        assert told["title"]
        assert told["detail"]
        assert told.get("problem", told)["status"] == self.status
        return str(told["type"]).removeprefix("urn:hub:problem:")


class Door:
    """The HTTP door of one running hub."""

    def __init__(self, hub: Hub, settings: Settings, session: aiohttp.ClientSession) -> None:
        self.hub = hub
        self.settings = settings
        self.session = session
        self.url = hub.doors().http
        self.admin = hub.doors().admin
        self.live = hub.doors().live
        self.till = self.token()
        self._ids = 0

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def token(
        self,
        scope: Sequence[str] = ALL_SCOPES,
        *,
        sub: str = "till-7",
        pools: Sequence[str] = (),
        locations: Sequence[str] = (),
        ttl: str = "1h",
        now: float | None = None,
    ) -> str:
        return make_token(
            self.settings,
            sub=sub,
            source=None,
            scope=scope,
            pool=pools,
            location=locations,
            ttl=ttl,
            now=time() if now is None else now,
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **params: Any,
    ) -> Reply:
        """One request; a body that is not bytes is sent as JSON."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        if isinstance(data, bytes) and len(data) > 1_000_000:
            data = BytesIO(data)  # the client warns of large bytes
        url = path if path.startswith("http") else self.url + path
        asked = [(name, str(item)) for name, value in params.items() for item in as_list(value)]
        async with self.session.request(method, url, params=asked, data=data, headers=sent) as response:
            reply = Reply(response, await response.read())
        if url.startswith(self.url):
            described().check_answer(method, URL(url).raw_path, reply.status, reply.content_type, reply.body)
        return reply

    async def get(self, path: str, **more: Any) -> Reply:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Reply:
        return await self.ask("POST", path, body=body, **more)

    async def send(self, body: Any, **more: Any) -> Reply:
        """Send an event, or an array, as the till."""
        more.setdefault("token", self.till)
        return await self.post("/v1/events", body, **more)

    def event(self, type: str, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """An event that happens now in Knightsbridge, under a new id."""
        self._ids += 1
        event = {
            "id": f"e-{self._ids}",
            "type": type,
            "time": datetime.now(UTC).isoformat(),
            "location": "LON-KNB",
            "lines": list(lines) or [line()],
            **fields,
        }
        return {name: value for name, value in event.items() if value is not ...}

    def sale(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return self.event("sale", *lines, **{"pool": "store", **fields})

    def receipt(self, *lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return self.event("receipt", *lines, **fields)

    async def shown(self, pool: str, *skus: str, token: str | None = None) -> list[dict[str, Any]]:
        """What a pool shows of some SKUs."""
        reply = await self.get("/v1/availability", token=token, pool=pool, sku=list(skus))
        assert reply.status == 200, reply.body
        items: list[dict[str, Any]] = reply.json()["items"]
        return items

    async def positions(self, **params: Any) -> list[dict[str, Any]]:
        reply = await self.get("/v1/positions", token=self.till, **params)
        assert reply.status == 200, reply.body
        items: list[dict[str, Any]] = reply.json()["items"]
        return items


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def line(sku: str = "BAG-NOIR", quantity: Any = 1, **fields: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, **fields}


def opaque_key(*, scope: Sequence[str] = ("events:write",)) -> tuple[str, str]:
    """A key's text, and the table of hub.toml that lets the hub know it."""
    return make_key(sub="old-till", source=None, scope=scope, pool=(), location=())


@asynccontextmanager
async def open_door(settings: Settings) -> AsyncIterator[Door]:
    async with running(settings) as hub, aiohttp.ClientSession() as session:
        yield Door(hub, settings, session)
