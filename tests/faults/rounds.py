"""One round: a town, its traffic, some faults drawn from a seed, and the judge. Many of them are a campaign."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP
from statistics import median
from time import monotonic

from hub.crashpoints import POINTS, Action, Plan, Step
from tests.faults.judge import Verdict
from tests.faults.patience import until_so
from tests.faults.power import ForgetfulDisk, why_not
from tests.faults.stores import OwnPostgres, OwnRedis
from tests.faults.town import Town, town_over
from tests.faults.traffic import working

# Whether a running hub makes a Redis anew that lost what it was told.
HEALS = find_spec("hub.recovery") is not None
# Faults of one round, and answers between two of them.
FAULTS = (2, 4)
ANSWERS = (15, 40)
# Points of one process at which something happens, and how many processes of a round are armed.
STEPS = (6, 12)
ARMED_MAX = 6
# How long a hub stands still while another starts beside it, at most.
STANDS_STILL_SECONDS = 4.0


@dataclass
class Totals:
    """What a campaign did and found."""

    rounds: int = 0
    kills: int = 0
    power_losses: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    events: int = 0
    requests: int = 0
    unknown: int = 0
    repeats: int = 0
    lost: int = 0
    doubled: int = 0
    other: int = 0
    # From the moment all was there again until somebody was answered.
    recoveries: list[float] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, town: Town, verdict: Verdict, seed: str) -> None:
        self.rounds += 1
        self.events += len(town.log.facts)
        self.requests += len(town.log.requests)
        self.unknown += sum(sent.unknown for sent in town.log)
        self.repeats += sum(max(0, len(sent.answers) - 1) for sent in town.log)
        self.kills += sum(hub.deaths for hub in town.hubs)
        self.lost += len(verdict.lost)
        self.doubled += len(verdict.doubled)
        others = {**vars(verdict), "lost": [], "doubled": []}
        self.other += sum(map(len, others.values()))
        for line, count in town.reached().items():
            what, _, point = line.partition(" ")
            if what == "reached":
                self.reached.add(point)
            else:
                self.fired[point] += count
        if not verdict.is_clean:
            self.failed.append(f"seed {seed}: {verdict}")

    def __str__(self) -> str:
        faults = " · ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        silent = sorted(set(POINTS) - set(self.fired))
        worst = max(self.recoveries, default=0.0)
        return "\n".join(
            [
                f"rounds                  {self.rounds} in {self.seconds:.0f} s",
                f"faults                  {faults}",
                f"processes killed        {self.kills}, of these with loss of power {self.power_losses}",
                f"events sent             {self.events}, and {self.requests} requests",
                f"answers unknown         {self.unknown}, ids repeated {self.repeats}",
                f"lost                    {self.lost}",
                f"doubled                 {self.doubled}",
                f"anything else wrong     {self.other}",
                f"recovery                median {median(self.recoveries or [0]):.2f} s, worst {worst:.2f} s"
                f" of {len(self.recoveries)}",
                f"crash points fired      {len(self.fired)} of {len(POINTS)}, {sum(self.fired.values())} times"
                + (f"; not: {', '.join(silent)}" if silent else ""),
            ]
        )


class Round:
    """One round over a ledger of its own database, on a Postgres that may be killed too."""

    def __init__(self, seed: str, program: Path, postgres: OwnPostgres, totals: Totals) -> None:
        self._seed = seed
        self._random = Random(seed)
        self._program = program
        self._postgres = postgres
        self._totals = totals
        self._armed = 0
        self._is_redis_lost = False

    async def run(self, dsn: str) -> Verdict:
        """Break the town, let it mend itself, and judge."""
        async with town_over(dsn, self._program, make_redis=_forgetful) as town:
            await self._open(town)
            async with working(town, self._seed, clients=4, watchers=3, drops=0.03) as meanwhile:
                for _ in range(self._random.randint(*FAULTS)):
                    await meanwhile.goes_on(self._random.randint(*ANSWERS), 60)
                    name, fault = self._random.choice(list(self._faults().items()))
                    self._totals.faults[name] += 1
                    began = await fault(town)
                    await meanwhile.goes_on(1, 60)
                    self._totals.recoveries.append(monotonic() - began)
                await meanwhile.goes_on(self._random.randint(*ANSWERS), 60)
                await meanwhile.ends()
                if self._is_redis_lost:
                    await meanwhile.judge.settle()
                    await meanwhile.judge.resend_what_only_redis_had()
                verdict = await meanwhile.judge.judge()
            self._totals.add(town, verdict, self._seed)
            return verdict

    async def _open(self, town: Town) -> None:
        await asyncio.gather(*(town.open_failing_hub(self._plan) for _ in range(2)))

    def _plan(self) -> Plan | None:
        """Some points, each with what may happen there, at some passing; None when it has been enough."""
        self._armed += 1
        if self._armed > ARMED_MAX:
            return None
        steps = []
        for point in self._random.sample(list(POINTS), self._random.randint(*STEPS)):
            actions: list[Action] = ["delay", "lose", "lose", "kill"]
            if POINTS[point]:
                actions += ["again", "again"]
            # The writer and the screens pass seldom, the kernel often.
            passing = int(self._random.paretovariate(1.0))
            steps.append(Step(point, self._random.choice(actions), passing, self._random.uniform(0.01, 0.4)))
        return Plan("", tuple(steps), seed=self._random.randrange(2**31), delayed=self._random.choice((0.0, 0.05)))

    def _faults(self) -> dict[str, Callable[[Town], Awaitable[float]]]:
        return {
            "Redis killed": self._kill_redis,
            "Redis stopped": self._stop_redis,
            "hub killed": self._kill_hub,
            "hub stopped": self._stop_hub,
            "Postgres killed": self._kill_postgres,
            "Postgres stopped": self._stop_postgres,
            "both stores killed": self._kill_stores,
            **(
                {
                    "Redis lost": self._lose_redis,
                    "Redis older": self._age_redis,
                    "all cut off": self._lose_tail,
                    "Redis older beside one that stands still": self._age_beside,
                }
                if HEALS
                else {}
            ),
            **({} if why_not() else {"power lost": self._lose_power, "power lost everywhere": self._lose_all_power}),
        }

    def _while(self) -> Awaitable[None]:
        return asyncio.sleep(self._random.uniform(0.0, 0.6))

    async def _kill_redis(self, town: Town) -> float:
        await town.redis.kill()
        self._totals.kills += 1
        await self._while()
        await town.redis.start()
        return monotonic()

    async def _lose_power(self, town: Town) -> float:
        await town.redis.lose_power(self._random)
        self._totals.kills += 1
        self._totals.power_losses += 1
        await self._while()
        await town.redis.start()
        return monotonic()

    async def _lose_all_power(self, town: Town) -> float:
        """Redis, Postgres and the hubs on one host."""
        for hub in town.hubs:
            if hub.is_up:
                hub.signal(SIGKILL)
        await asyncio.gather(town.redis.lose_power(self._random), self._postgres.lose_power(self._random))
        self._totals.kills += 2
        self._totals.power_losses += 2
        await asyncio.gather(town.redis.start(), self._postgres.start())
        return monotonic()

    async def _lose_redis(self, town: Town) -> float:
        """Its disk is lost, and what it alone was told."""
        self._is_redis_lost = True
        await town.redis.kill()
        self._totals.kills += 1
        await town.redis.empty()
        await town.redis.start()
        return monotonic()

    async def _age_redis(self, town: Town) -> float:
        """It comes back as it was a moment before, like a copy of it or a replica that lagged."""
        self._is_redis_lost = True
        town.redis.copy()
        await asyncio.sleep(self._random.uniform(0.0, 0.5))
        await town.redis.kill()
        self._totals.kills += 1
        await town.redis.age()
        await town.redis.start()
        return monotonic()

    async def _lose_tail(self, town: Town) -> float:
        """The hubs end while they reach neither store, and Redis comes back without its end, which only it had."""
        self._is_redis_lost = True
        await self._postgres.kill()
        await self._while()
        town.redis.copy()
        await self._while()
        await town.redis.kill()
        for hub in town.hubs:
            if hub.is_up:
                hub.signal(SIGKILL)
        self._totals.kills += 2
        await town.redis.age()
        await asyncio.gather(town.redis.start(), self._postgres.start())
        return monotonic()

    async def _age_beside(self, town: Town) -> float:
        """Redis loses what the ledger does not have while one hub stands still; others die and start beside it."""
        self._is_redis_lost = True
        hub = town.hub(self._random)
        process = hub.process
        with self._postgres.paused_whole():
            town.redis.copy()
            await self._while()
            if hub.is_up:
                process.send_signal(SIGSTOP)
            await town.redis.kill()
            self._totals.kills += 1
            others = {other: other.starts for other in town.hubs if other is not hub and other.is_up}
            for other in others:
                other.signal(SIGKILL)
            await town.redis.age()
            await town.redis.start()
        began = monotonic()
        with suppress(TimeoutError):
            await until_so(
                lambda: all(other.starts > before and other.is_up for other, before in others.items()),
                STANDS_STILL_SECONDS,
            )
        if process.returncode is None:
            process.send_signal(SIGCONT)
        return began

    async def _stop_redis(self, town: Town) -> float:
        with town.redis.paused():
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
        return monotonic()

    async def _kill_hub(self, town: Town) -> float:
        hub = town.hub(self._random)
        if hub.is_up:
            hub.signal(SIGKILL)
        return monotonic()

    async def _stop_hub(self, town: Town) -> float:
        hub = town.hub(self._random)
        process = hub.process
        if hub.is_up:
            process.send_signal(SIGSTOP)
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
            if process.returncode is None:
                process.send_signal(SIGCONT)
        return monotonic()

    async def _kill_postgres(self, town: Town) -> float:
        await self._postgres.kill()
        self._totals.kills += 1
        await self._while()
        await self._postgres.start()
        return monotonic()

    async def _stop_postgres(self, town: Town) -> float:
        with self._postgres.paused_whole():
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
        return monotonic()

    async def _kill_stores(self, town: Town) -> float:
        await asyncio.gather(town.redis.kill(), self._postgres.kill())
        self._totals.kills += 2
        await asyncio.gather(town.redis.start(), self._postgres.start())
        return monotonic()


def _forgetful(folder: Path, program: Path) -> OwnRedis:
    if why_not():
        return OwnRedis(folder, program)
    (folder / "workshop").mkdir()
    return OwnRedis(folder, program, ForgetfulDisk(folder / "redis", folder / "workshop"))
