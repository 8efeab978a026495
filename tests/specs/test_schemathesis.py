"""A running hub answers whatever is asked of it as its own description says, drawn by schemathesis.

`--examples 100` draws more than the few of the ordinary suite, and goes through the edges of every parameter as well.
"""

import os
import re
import sys
from asyncio import create_subprocess_exec, subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.claims import SCOPES
from tests.intake.door import Door, line

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
# A live stream does not end, so it cannot be waited for; tests/intake/test_live_stream.py has those.
STREAMS = r"/(sse|stream)$"
ALL_OPERATIONS_MIN = 30
ORDINARY = 3


@pytest.fixture
def draws(request: pytest.FixtureRequest) -> Sequence[str]:
    examples: int | None = request.config.getoption("--examples")
    phases = "examples,fuzzing" if examples is None else "examples,coverage,fuzzing"
    return ["--phases", phases, "-n", str(examples or ORDINARY)]


@pytest.mark.parametrize("has_token", [True, False], ids=["with all scopes", "without a token"])
async def test_every_answer_is_one_that_is_described(
    door: Door, tmp_path: Path, draws: Sequence[str], has_token: bool
) -> None:
    await door.send(door.receipt(line("BAG-NOIR", 100)))
    token = door.token(scope=sorted(SCOPES))
    options = ["-H", f"Authorization: Bearer {token}"] if has_token else []

    said = await schemathesis(door, tmp_path, *draws, *options)

    [tested] = re.findall(r"Tested: (\d+)", said)
    assert int(tested) >= ALL_OPERATIONS_MIN, said


async def schemathesis(door: Door, folder: Path, *options: str) -> str:
    """Ask every operation of the running hub's own description; what was printed, when all was well."""
    program = await create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "run", f"{door.url}/v1/openapi.json"),
        *("--checks", ",".join(CHECKS), "--exclude-path-regex", STREAMS),
        *("--generation-deterministic", "--continue-on-failure", "--warnings", "off", *options),
        cwd=folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "tests.specs.serializers",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    printed, _ = await program.communicate()
    said = printed.decode()
    assert program.returncode == 0, said
    return said
