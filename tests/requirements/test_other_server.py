"""The oldest Redis that is supported: the kernel and its reads keep their promises there too."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What speaks to Redis most directly; the rest of the suite runs there with `--redis-server` by hand.
PARTS = ("tests/stock/test_once.py", "tests/stock/test_reads.py", "tests/model/test_bad_commands.py")
# They are too few for two workers.
OPTIONS = ("-q", "-n", "0", "-p", "no:cacheprovider")


def test_the_kernel_keeps_its_promises_on_the_systems_own_redis(request: pytest.FixtureRequest) -> None:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server is installed on this machine")
    if request.config.getoption("--redis-server"):
        pytest.skip("the whole run is on that server already")

    command = [sys.executable, "-m", "pytest", *OPTIONS, "--redis-server", server, *PARTS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
