"""A hub that does not run: what only its journal has is no damage, and what is not whole is told as that."""

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from hub.commands.verify import works_now
from hub.domain.entry import FIELD
from hub.faults import Unavailable
from hub.ledger.connection import Link
from hub.ledger.healing import healing
from hub.ledger.sums import Sums
from hub.recovery.rebuilding import Rebuild
from hub.stock import keys
from hub.stock.restoring import Restoring
from tests.flow.process import said_by
from tests.stock.opened import OpenStores, opened
from tests.verify.conftest import HOUSE, Verify
from tests.verify.test_verification import unheard  # noqa: F401

WAITS = "note: 3 entries wait in the journal for the ledger; "


@pytest.fixture
def config(tmp_path: Path, redis_url: str, postgres_dsn: str) -> Path:
    """The file of a hub with servers of its own, which run whether it does or not."""
    file = tmp_path / "hub.toml"
    file.write_text(f'[redis]\nurl = "{redis_url}"\n[ledger]\ndsn = "{postgres_dsn}"\n')
    return file


async def test_entries_that_only_the_journal_of_a_stopped_hub_has_are_no_damage(
    unheard: None,  # noqa: F811
    config: Path,
) -> None:
    code, said, erred = await said_by(config, "verify")

    assert (code, erred) == (0, "")
    assert said.splitlines()[0].startswith(WAITS)
    assert said.endswith(": nothing wrong\n")


async def test_what_such_an_entry_moved_is_compared_too(
    unheard: None,  # noqa: F811
    verify: Verify,
    redis_client: Redis,
) -> None:
    await redis_client.hdel(keys.sku("BAG"), "l:LON")

    report = await verify(is_live=False)

    assert "position_not_in_redis" in report.kinds
    assert [sentence[:9] for sentence in report.notes] == ["3 entries"]


async def test_a_journal_that_does_not_continue_the_ledger_is_named(
    unheard: None,  # noqa: F811
    config: Path,
    redis_client: Redis,
) -> None:
    """The ledger's last entry, and all before it, say something else."""
    entries: Any = await redis_client.xrange(keys.JOURNAL)
    await redis_client.delete(keys.JOURNAL)
    for place, fields in entries:
        other = entries[0][1] if place == entries[-4][0] else fields
        await redis_client.xadd(keys.JOURNAL, {FIELD: other[FIELD]}, id=place)

    code, said, _ = await said_by(config, "verify")

    assert code == 1
    assert "entry_differs: the journal has another entry at 0-1-18 than the ledger" in said
    assert "not checked: the journal does not continue the ledger" in said
    assert "wait in the journal" not in said


async def test_a_hub_works_as_long_as_any_process_of_it_does(redis_url: str, postgres_dsn: str) -> None:
    sums = Sums(Link(postgres_dsn, "verify"))
    async with opened(redis_url, postgres_dsn, HOUSE):
        while_it_runs = await works_now(postgres_dsn, sums)
    afterwards = await works_now(postgres_dsn, sums)
    await sums.aclose()

    assert (while_it_runs, afterwards) == (True, False)


@pytest.mark.parametrize("is_empty", [True, False])
async def test_a_rebuild_that_broke_off_is_told_first_and_alone(
    hub: OpenStores,
    config: Path,
    redis_client: Redis,
    postgres_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    is_empty: bool,
) -> None:
    async def break_off(*_: object) -> None:
        raise Unavailable("the process was killed")

    monkeypatch.setattr(Restoring, "open", break_off)
    if is_empty:
        await redis_client.flushall()
    with pytest.raises(Unavailable):
        await Rebuild(redis_client, postgres_dsn).run(hub.kernel.hub, whole=True)

    code, said, _ = await said_by(config, "verify")

    assert code == 1
    assert said.splitlines()[0] == (
        "healing: making Redis anew was broken off: start the hub, or run `hub rebuild`; then verify again"
    )
    assert said.splitlines()[1:] == [said.splitlines()[-1]]
    assert said.endswith(": 1 wrong (healing 1)\n")


async def test_one_that_is_under_way_is_to_be_waited_for(
    hub: OpenStores, verify: Verify, redis_client: Redis, postgres_dsn: str
) -> None:
    await redis_client.flushall()
    async with healing(postgres_dsn):
        report = await verify()
    gone = await verify()

    assert [finding.detail[:38] for finding in report.findings] == ["making Redis anew is under way: wait u"]
    assert [finding.kind for finding in gone.findings] == ["redis_empty"]


async def test_a_lock_of_another_database_is_no_healing(
    hub: OpenStores, verify: Verify, redis_client: Redis, servers: Any
) -> None:
    await redis_client.flushall()
    async with healing(servers.postgres_dsn):
        report = await verify()

    assert [finding.kind for finding in report.findings] == ["redis_empty"]
