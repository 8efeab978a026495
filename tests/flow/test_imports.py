"""A hub that is killed in mid-import goes on with it when it is started again, and books each line once."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import until_holds
from tests.flow.process import ForkedHub, HubProcess
from tests.intake.importing import csv_of

LINES = 2_000


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[HubProcess]:
    made = ForkedHub(tmp_path)
    yield made
    if made.process.returncode is None:
        made.signal(signal.SIGTERM)
    await made.process.communicate()


async def ask(hub: HubProcess, method: str, path: str, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {hub.token()}", "Content-Type": "text/csv"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, f"{hub.url}{path}", **more) as response,
    ):
        assert response.status in (200, 202), await response.text()
        return await response.json()


async def test_a_killed_hub_goes_on_and_tells_exactly_what_changed(hub: HubProcess) -> None:
    await hub.start()
    told = await ask(hub, "POST", "/v1/imports", data=csv_of((f"KILL-{i}", "DC-LYON", 3) for i in range(LINES)))

    async def is_half_done() -> bool:
        told.update(await ask(hub, "GET", told["progress"]))
        return bool(told["done"])

    await until_holds(is_half_done)
    assert told["state"] == "running"
    hub.signal(signal.SIGKILL)
    assert await hub.ended() == -signal.SIGKILL
    await hub.start()

    async def has_ended() -> bool:
        told.update(await ask(hub, "GET", f"/v1/imports/{told['id']}"))
        return bool(told["state"] != "running")

    await until_holds(has_ended)
    assert (told["state"], told["changed"], told["unchanged"]) == ("done", LINES, 0)
    assert {(await hub.position(f"KILL-{i}"))["on_hand"] for i in range(0, LINES, 97)} == {3}


async def test_a_killed_hub_goes_on_with_a_dropped_file_and_puts_it_away_once(hub: HubProcess, tmp_path: Path) -> None:
    erp = tmp_path / "erp"
    erp.mkdir()
    with hub.config.open("a") as file:
        file.write('\n[[drop]]\nfolder = "erp"\nsource = "till-7"\n')
    (erp / "night.csv").write_bytes(csv_of((f"DROP-{i}", "DC-LYON", 3) for i in range(LINES)))
    await hub.start()
    told: dict[str, Any] = {}

    async def is_half_done() -> bool:
        items = (await ask(hub, "GET", "/v1/imports"))["items"]
        told.update(items[0] if items else {})
        return bool(told.get("done"))

    await until_holds(is_half_done)
    assert told["state"] == "running"
    hub.signal(signal.SIGKILL)
    assert await hub.ended() == -signal.SIGKILL
    assert (erp / "night.csv").exists()
    await hub.start()

    async def is_put_away() -> bool:
        return not (erp / "night.csv").exists()

    await until_holds(is_put_away)
    [report] = (erp / "done").glob("*-night.csv.report.txt")
    assert f"{LINES:,} lines: {LINES:,} changed · 0 unchanged · 0 broken" in report.read_text()
    assert len((await ask(hub, "GET", "/v1/imports"))["items"]) == 1
    assert {(await hub.position(f"DROP-{i}"))["on_hand"] for i in range(0, LINES, 97)} == {3}
