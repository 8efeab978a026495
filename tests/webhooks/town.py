"""A whole hub with the accounts of two third parties, and what these deliver to it."""

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import asyncpg
import msgspec

from adapters.signatures import hmac_sha256, in_base64
from hub.assembly import running
from hub.settings import read
from tests.intake.door import HOUSE, Door, Reply, settings_in

# Where the adapter of another package lies.
OFFERED = Path(__file__).parent / "offered"
SECRETS = "new-secret-of-the-town old-secret-of-the-town"
TOKEN = "token-of-the-town"
# `whsec_` and base64.
SHOP_SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgc2hvcCwgbG9uZyBlbm91Z2g="
SHOP_KEY = b"the secret of the shop, long enough"
SOURCES = """
[[source]]
id = "shop"
adapter = "standard_webhooks"
secret_file = "shop.secret"
pool = "store"

[[source]]
id = "town"
adapter = "town"
secret_file = "town.secret"
token_file = "town.token"
api_url = "{api_url}"
pool = "store"
locations = {{ "1" = "LON-KNB" }}
levels = "{levels}"

[[source]]
id = "plain"

[limits]
ledger_wait_ms = 10000
webhook_wait_ms = 10000
"""


def write_secrets(folder: Path) -> None:
    (folder / "shop.secret").write_text(SHOP_SECRET)
    (folder / "town.secret").write_text(SECRETS)
    (folder / "town.token").write_text(TOKEN)


def write_town(
    folder: Path,
    redis_url: str | None,
    dsn: str | None,
    *,
    house: str = HOUSE,
    levels: str = "drift",
    api_url: str = "http://127.0.0.1:1/api",
    sources: str = SOURCES,
) -> Any:
    """The hub's file and its secrets; returns the settings."""
    write_secrets(folder)
    extra = sources.format(levels=levels, api_url=api_url)
    return settings_in(folder, redis_url=redis_url, dsn=dsn, house=house, extra=extra)


class Town(Door):
    """A running hub, its file, and the third parties that deliver to it."""

    folder: Path
    dsn: str
    write: Any
    _sent = 0

    def body(self, **said: Any) -> dict[str, Any]:
        Town._sent += 1
        return {"id": f"d-{self._sent}", "topic": "sale", "at": "1", **said}

    def sale_at_till(self, sku: str = "BAG-NOIR", units: int = 1, **said: Any) -> dict[str, Any]:
        body = self.body(**said)
        return {"sale": body["id"], "sold": [[sku, units]], **body}

    async def deliver(self, said: Any, *, secret: str = SECRETS.split(maxsplit=1)[0], headers: Any = None) -> Reply:
        """What the town's till sends, signed."""
        body = said if isinstance(said, bytes) else msgspec.json.encode(said)
        signed = {"X-Town-Hmac": hmac.new(secret.encode(), body, sha256).hexdigest()}
        return await self.post("/v1/webhooks/town", body, headers={**signed, **(headers or {})})

    async def webhook(
        self, said: Any, id: str = "msg_1", *, seconds: int | None = None, key: bytes = SHOP_KEY, **changes: str
    ) -> Reply:
        """What the shop sends by Standard Webhooks, signed."""
        body = said if isinstance(said, bytes) else msgspec.json.encode(said)
        stamp = str(int(time()) if seconds is None else seconds)
        signature = f"v1,{in_base64(hmac_sha256(key, f'{id}.{stamp}.'.encode(), body))}"
        headers = {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        return await self.post(
            "/v1/webhooks/shop", body, headers={name: value for name, value in headers.items() if value}
        )

    async def waiting(self, **params: Any) -> list[dict[str, Any]]:
        reply = await self.get("/v1/inbox", token=self.token(["admin"]), **params)
        assert reply.status == 200, reply.body
        items: list[dict[str, Any]] = reply.json()["items"]
        return items

    async def reload(self) -> dict[str, Any]:
        reply = await self.post(self.admin + "/v1/reload", None, token=self.token(["admin"]))
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json()
        assert told["problems"] == []
        return told

    async def rows(self, question: str = "SELECT * FROM hub.inbox ORDER BY number") -> list[Mapping[str, Any]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return list(await connection.fetch(question))
        finally:
            await connection.close()

    async def free(self, sku: str, location: str = "LON-KNB") -> int:
        found = [each for each in await self.positions(sku=sku) if each["location"] == location]
        return found[0]["free"] - found[0]["deficit"] if found else 0

    async def metric(self, name: str) -> float:
        """A metric by its name and labels, as it is written; 0 where nobody set it."""
        reply = await self.get(self.admin + "/metrics")
        lines = dict(line.rsplit(" ", 1) for line in reply.body.decode().splitlines() if not line.startswith("#"))
        return float(lines.get(name, 0))


@asynccontextmanager
async def open_town(folder: Path, redis_url: str, dsn: str, **said: Any) -> AsyncIterator[Town]:
    """A hub whose file can be changed by `town.write` and reloaded."""
    write = partial(write_town, folder, redis_url, dsn, **said)
    settings = write()
    reread = partial(read, folder / "hub.toml", {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": dsn})
    async with running(settings, reread=reread) as hub, aiohttp.ClientSession() as session:
        town = Town(hub, settings, session)
        town.folder, town.dsn, town.write = folder, dsn, write
        yield town
