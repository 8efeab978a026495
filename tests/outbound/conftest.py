"""Hubs that tell a vendor's shop; its adapter comes from another package, as a stranger's would."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters import discovery
from hub.assembly import running
from hub.outbound import sender
from hub.settings import read
from tests.intake.door import HOUSE, Door, settings_in
from tests.outbound.vendor import TOKEN, Vendor, selling

OFFERED = Path(__file__).parent / "offered"
SECRET = "secret-of-the-bazaar"

Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture(scope="module", autouse=True)
def offered() -> Iterator[None]:
    """The other package is installed meanwhile."""
    sys.path.append(str(OFFERED))
    _look_again()
    yield
    sys.path.remove(str(OFFERED))
    _look_again()


def _look_again() -> None:
    for known in (discovery.names, discovery.adapter_named, discovery._offered):
        known.cache_clear()


class Town(Door):
    """A running hub, and its file."""

    folder: Path
    write: Callable[..., Any]

    async def reload(self) -> dict[str, Any]:
        reply = await self.post(self.admin + "/v1/reload", None, token=self.token(["admin"]))
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json()
        assert told["problems"] == []
        return told

    async def channel(self, id: str = "bazaar") -> dict[str, Any]:
        reply = await self.get(f"/v1/channels/{id}", token=self.token(["admin"]))
        assert reply.status == 200, reply.body
        told: dict[str, Any] = reply.json()
        return told

    async def metric(self, name: str) -> float | None:
        """A metric by its name and labels, as it is written; None where nobody set it."""
        reply = await self.get(self.admin + "/metrics")
        lines = dict(line.rsplit(" ", 1) for line in reply.body.decode().splitlines() if not line.startswith("#"))
        found = lines.get(name)
        return None if found is None else float(found)


OpenTown = Callable[..., AbstractAsyncContextManager[Town]]


@pytest.fixture
def open_town(redis_url: str, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenTown:
    """A hub with these tables; several share one Redis and one ledger."""
    # How often it looks; nothing of what is promised hangs on it.
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.1)
    (tmp_path / "bazaar.secret").write_text(SECRET)
    (tmp_path / "bazaar.token").write_text(TOKEN)

    hubs = count()

    @asynccontextmanager
    async def opened(extra: str) -> AsyncIterator[Town]:
        def write(tables: str, house: str = HOUSE) -> Any:
            return settings_in(tmp_path, redis_url=redis_url, dsn=postgres_dsn, extra=tables, house=house)

        settings = write(extra)
        reread = partial(read, tmp_path / "hub.toml", {"HUB_REDIS_URL": redis_url, "HUB_LEDGER_DSN": postgres_dsn})
        async with running(settings, reread=reread) as hub, aiohttp.ClientSession() as session:
            town = Town(hub, settings, session)
            town.folder, town.write = tmp_path, write
            # Each hub's till has ids of its own.
            town._ids = next(hubs) * 100_000
            yield town

    return opened


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    async with selling(BAG_NOIR=0, BAG_ROUGE=7) as opened:
        yield opened
