"""What has waited for too long: no test waits for 90 days, so what waits is made older where it stands."""

from typing import Any

import msgspec

from hub.domain.lapsing import LAPSES_AFTER_MS, WAITS_HERE
from hub.stock import keys
from hub.stock.message import Lapse
from hub.stock.outcome import Applied, Unchanged
from tests.model.pair import Pair
from tests.model.worlds import Lapsing

KEYS = {"transfers": keys.TRANSFERS, "voids": keys.VOIDS}
EARLY = 4


def waiting_fields(pair: Pair) -> list[tuple[str, str]]:
    """(table, field) of everything that waits."""
    records = pair.model.books.records
    fields = [("transfers", id) for id, record in records.get("transfers", {}).items() if record[EARLY]]
    return fields + [("voids", field) for field in records.get("voids", {})]


async def let_lapse(pair: Pair, step: Lapsing) -> None:
    """Make some of what waits under one field too old, and let both forget it."""
    fields = waiting_fields(pair)
    if not fields:
        return
    table, field = fields[step.field % len(fields)]
    these = await make_old(pair, table, field, step.these)
    await lapse(pair, table, field, these)


async def make_old(pair: Pair, table: str, field: str, these: frozenset[int]) -> set[int]:
    """Say of some of what waits that it was booked 90 days earlier; answers which, counted from the first."""
    # The journal's entries hold the same object.
    record = msgspec.msgpack.decode(msgspec.msgpack.encode(pair.model.books.records[table][field]))
    waiting: list[Any] = record[EARLY] if table == "transfers" else record
    old = {number % len(waiting) for number in these}
    for number in old:
        waiting[number][-1] -= LAPSES_AFTER_MS
    pair.model.books.records[table][field] = record
    await pair.client.hset(KEYS[table], field, msgspec.msgpack.encode(record))
    return old


async def lapse(pair: Pair, table: str, field: str, these: set[int]) -> None:
    """Both forget what is too old, tell of it, and do nothing when asked again."""
    command = Lapse(table, field)
    [outcome] = await pair.kernel.call([command], pair.house)
    expected = pair.model.lapse(table, field, pair.kernel.booked_at_ms)
    if not these:
        assert (outcome, expected) == (Unchanged(), None)
        return
    assert expected is not None
    assert isinstance(outcome, Applied)
    assert (outcome.seq, outcome.lines, outcome.alerts) == (expected.seq, expected.lines, expected.alerts)
    entry = pair.model.journal[-1]
    assert (entry.kind, entry.type, entry.about) == ("lapsed", WAITS_HERE[table], field)
    if table == "voids":
        pair.sales.forget(field, these)
    assert await pair.kernel.call([command], pair.house) == [Unchanged()]
    await pair.check()
