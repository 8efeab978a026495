"""`hub verify`: the stores of a hub, running or not, a verification of them, and its report."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from uuid import UUID

import click

from hub.domain.articles import Catalogue
from hub.domain.repairing import BLOCKING, INDEXES, advice
from hub.embedded.servers import join_or_start
from hub.faults import Unavailable
from hub.journal.reader import reading_client
from hub.ledger.connection import Link
from hub.ledger.epochs import anybody_works_in
from hub.ledger.sums import COMMAND_SECONDS, Sums
from hub.settings import NO_KEEPER, Settings, load
from hub.stock.current_house import CurrentHouse
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.stock.kernel import Kernel
from hub.verify.following import PATIENCE_SECONDS, Following
from hub.verify.reindexing import reindex
from hub.verify.repairing import Repairing
from hub.verify.report import Report
from hub.verify.verification import Verification

# Positions between two words about how far it is.
PROGRESS_POSITIONS = 50_000


async def run_verify(
    config: Path | None, environ: Mapping[str, str], skus: Sequence[str], *, as_json: bool, repair: bool = False
) -> int:
    """Verify a hub, perhaps repair it and verify it again, and print what was found; the answer is the exit code.

    Raises:
        Fault: the hub cannot be checked.
    """
    settings = load(config, environ, needed=NO_KEEPER)
    async with AsyncExitStack() as exits:
        exits.enter_context(_saying_where())
        redis_url, dsn, is_live = await stores_of(exits, settings)
        client = reading_client(redis_url)
        exits.push_async_callback(client.aclose)
        sums = Sums(Link(dsn, "verify", command_seconds=COMMAND_SECONDS))
        exits.push_async_callback(sums.aclose)
        inspection = Inspection(client)
        is_live = is_live and await works_now(dsn, sums)

        async def verified() -> Report:
            described = Described(client, Catalogue())
            verification = Verification(inspection, sums, described, is_live=is_live, on_progress=_Progress())
            return await verification.run(skus)

        report = await verified()
        if repair and report.total:
            for sentence in await repaired(inspection, sums, report, verified, is_live=is_live):
                click.echo(sentence, err=as_json)
            report = await verified()
            for kind in sorted(report.kinds):
                click.echo(f"left: {kind}: {advice(kind)}", err=as_json)
    click.echo(report.json() if as_json else report.text())
    return report.exit_code


@contextmanager
def _saying_where() -> Iterator[None]:
    """Whoever sits at the terminal may know which Redis did not answer; the client says it without its password."""
    try:
        yield
    except Unavailable as fault:
        if str(fault).startswith("Redis did not answer") and fault.__cause__ is not None:
            raise Unavailable(f"{fault}: {fault.__cause__}") from fault
        raise


async def works_now(dsn: str, sums: Sums) -> bool:
    """Whether any process works in the ledger's epoch, so that the ledger should follow the journal.

    Raises:
        Fault: the ledger does not answer.
    """
    state = await sums.state()
    return state is not None and await anybody_works_in(dsn, state.epoch)


async def repaired(
    inspection: Inspection, sums: Sums, report: Report, verify: Callable[[], Awaitable[Report]], *, is_live: bool
) -> list[str]:
    """Repair what a verification found and can be repaired; a line for each SKU and index, or why nothing was done.

    Indexes come first, and what differed because of them is found by a verification after that.

    Raises:
        Fault: a store does not answer, or takes nothing.
    """
    said: list[str] = []
    if not BLOCKING & report.kinds.keys() and INDEXES & report.kinds.keys():
        said = await reindex(inspection, sums, await _following(inspection, sums, is_live=is_live), report.kinds)
    if said:
        report = await verify()
    return said + await _repaired_skus(inspection, sums, report, is_live=is_live) if report.total else said


async def _repaired_skus(inspection: Inspection, sums: Sums, report: Report, *, is_live: bool) -> list[str]:
    if blocking := sorted(BLOCKING & report.kinds.keys()):
        return [f"nothing was repaired, for the ledger's sums may not be the truth: {', '.join(blocking)}"]
    client = inspection.client
    kernel, described = Kernel(client), Described(client, Catalogue())
    await described.load()
    current = CurrentHouse(client, kernel, described.catalogue)
    following = await _following(inspection, sums, is_live=is_live)
    ledger = await following.state()
    await current.reopen(UUID(ledger.hub), ledger.epoch)
    return await Repairing(inspection, sums, following, kernel, current).run(report.findings)


async def _following(inspection: Inspection, sums: Sums, *, is_live: bool) -> Following:
    following = Following(inspection, sums, Report(), is_live=is_live, patience_seconds=PATIENCE_SECONDS)
    _, journal = await inspection.partition()
    await following.state()
    following.journal_from = journal.first
    return following


async def stores_of(exits: AsyncExitStack, settings: Settings) -> tuple[str, str, bool]:
    """The addresses of both stores, and whether a hub may work with them.

    Private servers of a hub that is stopped run until `exits` closes.

    Raises:
        ServerRefused: no hub ever ran in the data folder, or a private server does not start.
    """
    redis_url, dsn = settings.redis.url, settings.ledger.dsn
    if redis_url and dsn:
        return redis_url, dsn, True
    servers = await join_or_start(settings.hub.data_dir, redis=not redis_url, postgres=not dsn)
    exits.push_async_callback(servers.stop)
    return redis_url or servers.redis_url or "", dsn or servers.postgres_dsn or "", servers.are_joined


class _Progress:
    def __init__(self) -> None:
        self._told = 0

    def __call__(self, positions: int) -> None:
        if positions - self._told >= PROGRESS_POSITIONS:
            self._told = positions
            click.echo(f"hub: {positions:,} positions so far", err=True)
