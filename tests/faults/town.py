"""The town of a fault test: stores, hubs that are started again when they die, and clients' way to them."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from time import time

import aiohttp
import msgspec

from hub.commands.token import make_token
from hub.crashpoints import VARIABLE, Plan
from hub.settings import load
from tests.faults.forked import forked
from tests.faults.log import Answer, Json, Log, Sent
from tests.faults.patience import until, until_so
from tests.faults.stores import OwnRedis
from tests.flow.process import ForkedHub
from tests.intake.door import ALL_SCOPES
from tests.intake.reserving import CLERK_SCOPES

# How long a client waits for an answer.
ANSWER_SECONDS = 2.5
REDIS_TIMEOUT_SECONDS = 1.0
# A hub that does not start is tried again after this.
_AGAIN_SECONDS = 0.2
# How long a hub may need to start, while a store comes back too.
HUB_SECONDS = 90.0
_ITEMS_PER_ARRAY = 200


class TownHub(ForkedHub):
    """One `hub serve`; whoever watches it starts it again."""

    # What each of its processes in turn is to fail at; None: at nothing.
    plans: Callable[[], Plan | None] = staticmethod(lambda: None)
    deaths = 0
    starts = 0
    # One of the town's.
    name = ""

    @property
    def process_name(self) -> str:
        """Another after each start."""
        return f"{self.name}, start {self.starts}"

    @property
    def is_up(self) -> bool:
        return bool(self.url) and self.process.returncode is None


class Town:
    """Hubs over one Redis and one ledger. All share one folder, so that one token is good at each."""

    def __init__(self, folder: Path, redis: OwnRedis, dsn: str) -> None:
        self.folder = folder
        self.redis = redis
        self.dsn = dsn
        self.log = Log()
        self.hubs: list[TownHub] = []
        # More of the hubs' variables.
        self.settings: dict[str, str] = {}
        # Of `hub serve`.
        self.options: tuple[str, ...] = ()
        self.fired = folder / "fired"
        self.fired.touch()
        self._opened = 0
        self._tokens: dict[str, str] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession

    @property
    def notes(self) -> Path:
        """Where its hubs note what they answer and only Redis has."""
        return self.folder / "data" / "answered"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "HUB_REDIS_URL": self.redis.url,
            "HUB_LEDGER_DSN": self.dsn,
            "HUB_LIMITS_REDIS_TIMEOUT_SECONDS": str(REDIS_TIMEOUT_SECONDS),
            **self.settings,
        }

    async def open_hub(self, *plans: Plan) -> TownHub:
        """Start one more hub, whose first processes fail as the plans say; it is started again as often as it dies."""
        left = list(plans)
        return await self.open_failing_hub(lambda: left.pop(0) if left else None)

    async def open_failing_hub(self, plans: Callable[[], Plan | None]) -> TownHub:
        """The same with a plan for each process, made when it is started."""
        hub = TownHub(self.folder, *self.options)
        hub.plans = plans
        self._opened += 1
        hub.name = f"hub {self._opened}"
        self.hubs.append(hub)
        self._watches.append(asyncio.create_task(self._watch(hub)))
        await until_so(lambda: bool(hub.url), HUB_SECONDS)
        return hub

    async def open_hubs(self, count: int) -> None:
        """Start so many more at once, which do not fail."""
        await asyncio.gather(*(self.open_hub() for _ in range(count)))

    async def _start(self, hub: TownHub) -> None:
        plan, armed = hub.plans(), {}
        hub.starts += 1
        if plan is not None:
            file = self.folder / f"plan-{self.hubs.index(hub)}-{hub.starts}.json"
            file.write_bytes(msgspec.json.encode(msgspec.structs.replace(plan, journal=str(self.fired))))
            armed = {VARIABLE: str(file)}
        await hub.start(env={**self.environment, **armed})

    async def _watch(self, hub: TownHub) -> None:
        while True:
            hub.url = ""
            while not hub.url:
                try:
                    await self._start(hub)
                except (AssertionError, TimeoutError):
                    # It did not become ready: a store is away, or its plan said so.
                    if hub.process.returncode is None:
                        hub.process.kill()
                    if await hub.process.wait() < 0:
                        hub.deaths += 1
                    await asyncio.sleep(_AGAIN_SECONDS)
            await hub.process.wait()
            hub.deaths += 1

    async def close_hub(self, hub: TownHub, number: int = signal.SIGTERM) -> None:
        """End a hub for good."""
        index = self.hubs.index(hub)
        await _cancelled(self._watches.pop(index))
        self.hubs.pop(index)
        if not hasattr(hub, "process"):
            return
        if hub.process.returncode is None:
            hub.signal(number)
        await hub.ended(20)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Town"]:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_SECONDS)) as self._session:
            try:
                yield self
            finally:
                for hub in list(self.hubs):
                    await self.close_hub(hub, signal.SIGKILL)

    def token(self, source: str, scope: Sequence[str] = (*ALL_SCOPES, *CLERK_SCOPES)) -> str:
        name = f"{source} {scope}"
        if name not in self._tokens:
            settings = load(self.folder / "hub.toml", {})
            claims = {"source": None, "scope": scope, "pool": (), "location": (), "ttl": "8h"}
            self._tokens[name] = make_token(settings, sub=source, now=time(), **claims)  # type: ignore[arg-type]
        return self._tokens[name]

    def hub(self, random: Random | None = None) -> TownHub:
        """One that is up, if any is."""
        up = [hub for hub in self.hubs if hub.is_up] or self.hubs
        return random.choice(up) if random else up[0]

    async def ask(self, path: str, source: str, *, hub: TownHub | None = None, **params: str) -> Json:
        """Read; there must be an answer, if not of a hub that dies meanwhile then of the next that is up.

        503 is "ask again": Redis may take longer than a read waits, on a machine that is busy with what was broken.
        """
        found: Json = {}

        async def answered() -> bool:
            nonlocal found
            url = (hub or self.hub()).url + path
            try:
                async with self._session.get(url, params=params, headers=self._headers(source)) as response:
                    if response.status == 503 and "Retry-After" in response.headers:
                        return False
                    assert response.status == 200, await response.text()
                    found = await response.json()
            except (aiohttp.ClientError, TimeoutError):
                return False
            return True

        await until(answered, HUB_SECONDS)
        return found

    async def send(self, sent: Sent, hub: TownHub) -> Answer | None:
        """Send one thing once; what comes back is noted."""
        answer = await self._post(hub, sent.path, sent.source, _without_path(sent))
        sent.note(answer)
        return answer

    async def send_array(self, some: Sequence[Sent], hub: TownHub) -> None:
        """Send facts of one source as one array."""
        told = await self._post(hub, "/v1/events", some[0].source, [sent.body for sent in some])
        if told is None or told.status != 200:
            for sent in some:
                sent.note(None)
            return
        items: list[Json] = told.body  # type: ignore[assignment]
        assert [item["id"] for item in items] == [sent.id for sent in some]
        for sent, item in zip(some, items, strict=True):
            sent.note(Answer(_status_alone(item), item, told.by, told.at))

    async def send_all(self, some: Sequence[Sent], hub: TownHub) -> None:
        """Send each source's things in their order, what it asks for first and then its facts, in arrays."""
        by_source: dict[str, list[Sent]] = {}
        for sent in some:
            by_source.setdefault(sent.source, []).append(sent)

        async def send(of_source: list[Sent]) -> None:
            for sent in of_source:
                if not sent.is_fact:
                    await self.send(sent, hub)
            facts = [sent for sent in of_source if sent.is_fact]
            for first in range(0, len(facts), _ITEMS_PER_ARRAY):
                await self.send_array(facts[first : first + _ITEMS_PER_ARRAY], hub)

        await asyncio.gather(*map(send, by_source.values()))

    def fact(self, source: str, type: str, id: str, **fields: object) -> Sent:
        """A new fact, noted in the log."""
        return self.log.add(source, "/v1/events", {"id": id, "type": type, **fields})

    async def _post(self, hub: TownHub, path: str, source: str, body: object) -> Answer | None:
        if not hub.url:
            await asyncio.sleep(_AGAIN_SECONDS)
            return None
        by = hub.process_name
        try:
            async with self._session.post(hub.url + path, json=body, headers=self._headers(source)) as response:
                return Answer(response.status, await response.json(content_type=None), by, time())
        except (aiohttp.ClientError, TimeoutError, ConnectionError, ValueError):
            return None

    def _headers(self, source: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(source)}"}

    async def verify(self) -> tuple[int, str]:
        """The exit code of `hub verify`, and what it said."""
        process = await forked(("verify", "--config", str(self.folder / "hub.toml")), self.environment)
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def reached(self) -> Counter[str]:
        """Lines of the crash points' journal, `reached <point>` or `<action> <point>`."""
        return Counter(self.fired.read_text().splitlines())


def _without_path(sent: Sent) -> Json:
    return {name: value for name, value in sent.body.items() if value is not None}


def _status_alone(item: Json) -> int:
    """The status that an array's item would have had alone; of a duplicate it does not say whether it is kept."""
    match item["status"]:
        case "applied":
            return 200
        case "accepted" | "parked" | "duplicate":
            return 202
    return int(item["problem"]["status"])


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def town_over(
    dsn: str, program: Path, *, make_redis: Callable[[Path, Path], OwnRedis] = OwnRedis
) -> AsyncIterator[Town]:
    """A town without hubs yet, with a Redis of its own."""
    folder = Path(tempfile.mkdtemp(prefix="hub-town-"))
    redis = make_redis(folder, program)
    try:
        await redis.start()
        async with Town(folder, redis, dsn).opened() as town:
            yield town
    finally:
        await redis.kill()
        shutil.rmtree(folder, ignore_errors=True)
