"""Many clients that only watch: sockets, and streams of events for pages without them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from hub.tasks import end
from tests.faults.town import Town
from tests.faults.watchers import POOL, Item, Watcher


class StreamWatcher(Watcher):
    """One that reads Server-Sent Events."""

    async def _watch_once(self) -> None:
        hub = self._town.hub(self._random)
        if not hub.url:
            raise OSError("no hub is up")
        known = {sku: item["rev"] for sku, item in self.view.items()}
        wish = {"pool": POOL, "skus": self._skus, "known": known}
        revs: dict[str, int] = {}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_connect=2)) as session,
                session.post(f"{hub.url}/v1/live/sse", json=wish) as response,
            ):
                if response.status != 200:
                    raise OSError(f"the stream was answered {response.status}")
                self.connections += 1
                async for text in response.content:
                    if text.startswith(b"data: "):
                        frame = msgspec.json.decode(text[6:])
                        self._check(frame)
                        self.frames += 1
                        for item in frame.get("items", ()):
                            self._take(item, revs)
        except aiohttp.ClientError as error:
            raise OSError("the stream was cut") from error


@asynccontextmanager
async def crowd(
    town: Town, seed: object, sockets: int, streams: int, skus: tuple[str, ...]
) -> AsyncIterator[list[Watcher]]:
    """So many that watch inside the block."""
    made: list[Watcher] = [Watcher(town, f"socket-{number}", seed, skus=skus) for number in range(sockets)]
    made += [StreamWatcher(town, f"stream-{number}", seed, skus=skus) for number in range(streams)]
    watching = [asyncio.create_task(watcher.watch()) for watcher in made]
    try:
        yield made
    finally:
        await end(watching)


async def fresh(town: Town, skus: Sequence[str]) -> dict[str, Item]:
    """What a fresh read says of each."""
    reads = [await town.ask("/v1/availability", "judge", pool=POOL, sku=sku) for sku in skus]
    return {item["sku"]: item for read in reads for item in read["items"]}
