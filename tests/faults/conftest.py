"""Towns to break, and the seed by which they are broken."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.embedded.servers import EmbeddedServers
from tests.databases import new_database
from tests.faults.stores import redis_program
from tests.faults.town import Town, town_over

# The property under which a test hands over its totals.
ROUNDS = "rounds of faults"


@pytest.fixture(scope="session")
async def program(redis_binary: Path | None) -> Path:
    """The Redis or Valkey that towns run."""
    return await redis_program(redis_binary)


@pytest.fixture(scope="module")
async def two_hubs(servers: EmbeddedServers, program: Path) -> AsyncIterator[Town]:
    """A town with two hubs for a module's tests; each leaves it as good as it found it."""
    assert servers.postgres_dsn is not None
    async with new_database(servers.postgres_dsn) as dsn, town_over(dsn, program) as made:
        await made.open_hubs(2)
        yield made


@pytest.fixture
async def town(postgres_dsn: str, program: Path) -> AsyncIterator[Town]:
    """A town without hubs yet, over the run's Postgres."""
    async with town_over(postgres_dsn, program) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what rounds of faults found, also when they found nothing."""
    for report in [each for some in terminalreporter.stats.values() for each in some]:
        for name, text in getattr(report, "user_properties", ()):
            if name == ROUNDS and report.when == "call":
                terminalreporter.section("rounds of faults")
                terminalreporter.write_line(str(text))
