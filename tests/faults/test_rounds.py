"""Rounds of faults drawn from a seed: few here, as many as one likes with `--rounds`, one again with `--seed`."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.power import ForgetfulDisk, why_not
from tests.faults.rounds import Round, Totals
from tests.faults.stores import OwnPostgres
from tests.faults.workers import WorkersRound

# Of the usual run, so that it does the same every time.
SEED = "one"


@pytest.fixture
async def postgres() -> AsyncIterator[OwnPostgres]:
    """A Postgres that may be killed, and robbed of its power."""
    folder = Path(tempfile.mkdtemp(prefix="hub-ledger-"))
    disk = None
    if not why_not():
        (folder / "workshop").mkdir()
        disk = ForgetfulDisk(folder / "made", folder / "workshop")
    made = OwnPostgres(folder, disk)
    await made.make()
    await made.start()
    yield made
    await made.kill()
    shutil.rmtree(folder)


@pytest.mark.parametrize("kind", [Round, WorkersRound], ids=["two hubs", "three processes"])
async def test_rounds_of_faults_lose_nothing_and_double_nothing(
    kind: type[Round],
    postgres: OwnPostgres,
    program: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    rounds: int = request.config.getoption("--rounds")
    seed: str = request.config.getoption("--seed") or (SEED if rounds == 1 else secrets.token_hex(4))
    totals, began = Totals(), monotonic()
    for number in range(rounds):
        # One round more of the same seed is another round; alone it is the first.
        own = seed if number == 0 else f"{seed}-{number}"
        with capsys.disabled():
            print(f"\nround {number + 1} of {rounds}, --seed {own}", end="", flush=True)  # noqa: T201
        try:
            async with postgres.database(f"round_{number}") as dsn:
                await kind(own, program, postgres, totals).run(dsn)
        except Exception as error:
            totals.failed.append(f"seed {own}: {type(error).__name__}: {error}")
    totals.seconds = monotonic() - began
    record_property("rounds of faults", f"first seed              {seed}\n{totals}")
    assert not totals.failed, "\n".join(totals.failed)
