"""A real history through a real hub, started as users start it: every unit is booked once, whatever happens."""

import asyncio
import csv
import gzip
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from random import Random

import aiohttp
import pytest

from hub.faults import Unavailable
from hub.replay.answers import Answer
from hub.replay.events import HistoryEvent
from hub.replay.house import house_toml
from hub.replay.options import ReplayOptions
from hub.replay.replay import replay
from hub.replay.summary import BOOKED, ReplaySummary

ROOT = Path(__file__).resolve().parents[2]
ONLINE_SHOP = ROOT.parent / "shared" / "data" / "uci_online_retail_nodesc.csv.gz"
SLICE_ROWS = 20_000
LOCATION = "WEB"
START_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 10.0


class Hub:
    """A hub of its own, as a process: own ports, own data folder, own embedded servers."""

    def __init__(self, folder: Path, house: str) -> None:
        self.config = folder / "hub.toml"
        self._log = folder / "hub.log"
        self._process: asyncio.subprocess.Process | None = None
        doors = dict(zip(("http", "live", "admin"), free_ports(3), strict=True))
        self.url = f"http://127.0.0.1:{doors['http']}"
        listening = "".join(f'{door} = "127.0.0.1:{port}"\n' for door, port in doors.items())
        self.config.write_text(f'[hub]\n{listening}data_dir = "./data"\n\n{house}')

    async def start(self) -> None:
        """Start it and come back when it is ready."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hub", "serve", "--config", str(self.config)),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(START_SECONDS_MAX), aiohttp.ClientSession() as session:
                while not await self._is_ready(session):  # noqa: ASYNC110 -- another process sets no event here
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"the hub is not ready:\n{self._log.read_text()[-4_000:]}")

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            pytest.fail(f"the hub ended with {self._process.returncode}:\n{self._log.read_text()[-4_000:]}")
        try:
            async with session.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def kill(self) -> None:
        """SIGKILL: it has no time for anything."""
        assert self._process is not None
        self._process.kill()

    async def gone(self) -> None:
        assert self._process is not None
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(START_SECONDS_MAX):
                await self._process.wait()

    async def run(self, *arguments: str) -> tuple[int, str]:
        """Run `hub` with arguments to its end; its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub", *arguments),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    async def token(self) -> str:
        code, out = await self.run(
            *("token", "--config", str(self.config), "--sub", "history"),
            *("--scope", "events:write", "--scope", "positions:read"),
        )
        assert code == 0, out
        return out.splitlines()[-1].strip()

    async def on_hand_less_deficit(self, token: str) -> dict[str, int]:
        """Read all positions of the location, page by page."""
        totals: dict[str, int] = {}
        params = {"location": LOCATION, "limit": "1000"}
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                async with session.get(f"{self.url}/v1/positions", params=params) as response:
                    assert response.status == 200, await response.text()
                    page = await response.json()
                for item in page["items"]:
                    assert item["sku"] not in totals
                    totals[item["sku"]] = item["on_hand"] - item.get("deficit", 0)
                if page.get("next") is None:
                    return totals
                params["cursor"] = page["next"]


class Watching:
    """Adds up what the hub says it booked, and calls `midway` once after so many events."""

    def __init__(self, midway: Callable[[], None] | None = None, after_events: int = 0) -> None:
        self.sold: Counter[str] = Counter()
        self._midway = midway
        self._after_events = after_events

    def started(self, bytes_total: int) -> None:
        pass

    def answered(
        self, pairs: Sequence[tuple[HistoryEvent, Answer]], *, bytes_read: int, summary: ReplaySummary
    ) -> None:
        for event, answer in pairs:
            if answer.status in BOOKED and not event.returned:
                for line in answer.lines:
                    self.sold[line.sku] += line.quantity
        if self._midway is not None and summary.statuses.total() >= self._after_events:
            self._midway()
            self._midway = None

    def waiting(self, reason: str) -> None:
        pass


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [opened.getsockname()[1] for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def history_slice(folder: Path) -> Path:
    """Write the first rows of the online shop's history, or made-up ones where it is not at hand."""
    path = folder / "slice.csv"
    if ONLINE_SHOP.exists():
        with gzip.open(ONLINE_SHOP, "rt", newline="") as whole:
            path.write_text("".join(islice(whole, SLICE_ROWS + 1)))
    else:
        path.write_text(made_up_history())
    return path


def made_up_history() -> str:
    chance = Random(20251103)
    lines = ["InvoiceNo,StockCode,Quantity,InvoiceDate"]
    invoice = 0
    while len(lines) < SLICE_ROWS:
        invoice += 1
        sign = -1 if chance.random() < 0.1 else 1
        for _ in range(min(1 + int(chance.expovariate(0.05)), 400)):
            sku = f"SKU-{int(chance.paretovariate(0.5)) % 3_000}"
            quantity = sign * chance.choice((1, 1, 2, 6, 12, 480, 0))
            minute = f"2010-12-{1 + invoice // 200 % 28:02}T{8 + invoice // 20 % 10:02}:{invoice * 3 % 60:02}:00"
            lines.append(f"{'C' if sign < 0 else ''}{invoice},{sku},{quantity},{minute}")
    return "\n".join(lines) + "\n"


def plain_sums(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Add up a history by itself: minus the sum of each SKU's quantities, and the units sold of each."""
    change: Counter[str] = Counter()
    sold: Counter[str] = Counter()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            quantity = int(row["Quantity"])
            if quantity:
                change[row["StockCode"]] -= quantity
            if quantity > 0:
                sold[row["StockCode"]] += quantity
    return dict(change), dict(sold)


@asynccontextmanager
async def hub_for(path: Path, folder: Path) -> AsyncIterator[Hub]:
    hub = Hub(folder, house_toml(ReplayOptions(file=path, location=LOCATION)))
    try:
        await hub.start()
        yield hub
    finally:
        await hub.stop()


async def test_a_replayed_history_books_every_unit_and_a_second_replay_changes_nothing(tmp_path: Path) -> None:
    path = history_slice(tmp_path)
    change, sold = plain_sums(path)
    first_watch, second_watch = Watching(), Watching()
    async with hub_for(path, tmp_path) as hub:
        token = await hub.token()
        options = ReplayOptions(file=path, url=hub.url, token=token, location=LOCATION)

        first = await replay(options, first_watch)
        after_first = await hub.on_hand_less_deficit(token)
        second = await replay(options, second_watch)
        after_second = await hub.on_hand_less_deficit(token)

    assert first.exit_code == 0, first.text()
    assert first.statuses["duplicate"] == 0
    assert after_first == change
    assert first_watch.sold == sold
    assert second.statuses == {"duplicate": first.statuses.total()}
    assert after_second == change
    assert second_watch.sold == sold


async def test_a_hub_killed_in_the_middle_of_a_replay_has_booked_nothing_twice_and_loses_nothing(
    tmp_path: Path,
) -> None:
    path = history_slice(tmp_path)
    change, sold = plain_sums(path)
    last_watch = Watching()
    async with hub_for(path, tmp_path) as hub:
        token = await hub.token()
        options = ReplayOptions(
            file=path, url=hub.url, token=token, location=LOCATION, patience_seconds=0.5, array_events_max=50
        )
        with pytest.raises(Unavailable, match="run the same command again"):
            await replay(options, Watching(hub.kill, after_events=300))
        await hub.gone()
        await hub.start()

        again = await replay(options, last_watch)
        after = await hub.on_hand_less_deficit(token)

    assert again.exit_code == 0, again.text()
    assert again.statuses["duplicate"] >= 300
    assert again.statuses["applied"] + again.statuses["accepted"] > 0
    assert after == change
    assert last_watch.sold == sold


async def test_the_command_line_replays_a_history_with_a_token_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text(
        "InvoiceNo,StockCode,Quantity,InvoiceDate\n"
        "1,BAG-NOIR,3,2010-12-01T08:26:00\nC2,BAG-NOIR,-1,2010-12-01T08:30:00\n2,SCARF,1,2010-12-01T08:30:00\n"
    )
    async with hub_for(path, tmp_path) as hub:
        command = ("replay", str(path), "--config", str(hub.config), "--url", hub.url, "--location", LOCATION)
        code, out = await hub.run(*command, "--speed", "max")
        after = await hub.on_hand_less_deficit(await hub.token())

    assert code == 0, out
    assert "3 sent: " in out
    assert after == {"BAG-NOIR": -2, "SCARF": -1}


async def test_the_command_line_prints_a_house_that_it_accepts_itself(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text("sku,quantity,time,place\nBAG-NOIR,1,2010-12-01,Dubai Mall\nBAG-NOIR,1,2010-12-01,LON-KNB\n")
    hub = Hub(tmp_path, "")
    columns = "sku=sku,quantity=quantity,time=time,location=place"

    printed, house = await hub.run("replay", str(path), "--columns", columns, "--house")
    hub.config.write_text(house)
    checked, out = await hub.run("check", str(hub.config))

    assert printed == 0, house
    assert '[[location]]\nid = "LON-KNB"' in house
    assert checked == 0, out
