"""Several processes of one hub end together, or do not begin: nothing is left behind, and a sentence says why."""

import os
import signal
import socket
from pathlib import Path

from hub.embedded.folder import open_folder
from tests.faults.patience import until_so
from tests.processes.several import PATIENCE_SECONDS, Several, book, runs, served


async def test_processes_end_with_the_one_that_started_them_and_leave_nothing(tmp_path: Path) -> None:
    hub = Several(tmp_path, 2)
    await hub.start()
    pids = [*hub.pids(), *(await hub.server_pids())]

    hub.signal(signal.SIGKILL)
    await hub.ended()

    await until_so(lambda: not any(map(runs, pids)), PATIENCE_SECONDS)
    (await open_folder(hub.data)).close()
    for address in (hub.url, hub.live, *hub.admins):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(address.rpartition(":")[2])))


async def test_a_stop_is_passed_on_and_a_second_hub_is_refused_before(tmp_path: Path, stores: dict[str, str]) -> None:
    hub = Several(tmp_path, 2)
    async with served(hub, stores):
        for number in range(20):
            await book(hub, f"last-{number}", "receipt", "BAG-NOIR")
        pids = hub.pids()
        (tmp_path / "second").mkdir()
        second = Several(tmp_path / "second")
        text = second.config.read_text().replace('http = "127.0.0.1:0"', f'http = "{hub.url.removeprefix("http://")}"')
        second.config.write_text(text)

        await second.spawn()
        assert await second.ended(PATIENCE_SECONDS) == 2
        assert second.log().splitlines()[-1].endswith("another program has it")

        hub.signal(signal.SIGTERM)
        assert await hub.ended(PATIENCE_SECONDS) == 0

        assert not any(map(runs, pids))
        assert "all that was answered is in the ledger" in hub.log()
        assert "Traceback" not in hub.log()


async def test_a_process_that_cannot_start_ends_all_with_a_sentence(tmp_path: Path, stores: dict[str, str]) -> None:
    hub = Several(tmp_path)
    await hub.spawn(env={**os.environ, **stores, "HUB_LEDGER_DSN": stores["HUB_LEDGER_DSN"] + "_gone"})

    assert await hub.ended(PATIENCE_SECONDS) == 2

    assert "hub: process 1 ended with exit code 2 before it was ready" in hub.log()
