"""The judge: what clients and screens were told, against what the stores hold. It names what is lost or doubled.

It changes nothing but for what any client may do: it sends what nobody was told of again, until somebody is.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import asyncpg

from hub.domain.buckets import DEFICIT, FREE, RESERVED, is_shelf
from hub.domain.holding.hold import reservation_name
from hub.stock import keys
from tests.faults import windows
from tests.faults.clients import ASKED, PLACES, effects
from tests.faults.log import TAKEN, Answer, Log, Sent
from tests.faults.patience import until
from tests.faults.town import Town
from tests.faults.watchers import POOL, SKUS, Item, Watcher

# How long the town may need to answer everything.
SETTLE_SECONDS = 60.0
# How long a hub may need to name what was lost.
NAMED_SECONDS = 10.0
NAMED_MAX = 8
# What an answer is, in short, that nothing was held.
_DENIED = (409, "urn:hub:problem:insufficient")

_FACTS = """SELECT source, id, count(*) FILTER (WHERE kind = 'fact') AS facts,
    count(*) FILTER (WHERE kind = 'doubled') AS doubled, count(*) FILTER (WHERE kind = 'request') AS requests
    FROM hub.event GROUP BY source, id"""
_MOVEMENTS = """SELECT sku, location, from_bucket, to_bucket, quantity, source, event_id
    FROM hub.movement ORDER BY epoch, seq, line"""
_CURSOR = "SELECT cursor_epoch, cursor_seq FROM hub.hub_state WHERE partition = 0"


@dataclass
class Verdict:
    """What is wrong, by kind; each names ids, SKUs or screens."""

    # Told to be taken, and without an effect in the ledger.
    lost: list[str] = field(default_factory=list)
    # With more than one effect, or with one although nobody sent them.
    doubled: list[str] = field(default_factory=list)
    # More granted than there was, or a shelf with less than nothing.
    oversold: list[str] = field(default_factory=list)
    # Told otherwise the second time.
    retold: list[str] = field(default_factory=list)
    # Positions that are not the sum of what the clients did.
    sums: list[str] = field(default_factory=list)
    # Lost answers of 202 that no hub named, and what a hub named as lost and is not.
    windows: list[str] = field(default_factory=list)
    # What screens saw.
    screens: list[str] = field(default_factory=list)
    verify: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not any(vars(self).values())

    def __str__(self) -> str:
        found = {name: named for name, named in vars(self).items() if named}
        told = [
            f"{name} ({len(named)}): {'; '.join(named[:NAMED_MAX])}{'; …' * (len(named) > NAMED_MAX)}"
            for name, named in found.items()
        ]
        return "\n".join(told) or "nothing is lost, nothing is doubled"


class Judge:
    """Judges one town; `log` is what its clients noted."""

    def __init__(self, town: Town, watchers: Sequence[Watcher] = (), seed: object = 0) -> None:
        self._town = town
        self._log: Log = town.log
        self._watchers = watchers
        self._random = Random(f"judge-{seed}")

    async def judge(self) -> Verdict:
        """Settle, then look at everything."""
        await self.settle()
        verdict = Verdict()
        await self._ask_again(verdict)
        await self.ledger_follows()
        connection = await asyncpg.connect(self._town.dsn)
        try:
            booked = {(row["source"], row["id"]): row for row in await connection.fetch(_FACTS)}
            movements = await connection.fetch(_MOVEMENTS)
        finally:
            await connection.close()
        await self._compare_windows(verdict)
        _compare_effects(self._log, booked, verdict)
        _fold(self._log, movements, verdict)
        await self._compare_positions(verdict)
        await self._compare_holds(verdict)
        await self._compare_screens(verdict)
        code, said = await self._town.verify()
        if code != 0:
            verdict.verify.append(f"hub verify ended with {code}: {said}")
        return verdict

    async def settle(self) -> None:
        """Send what nobody was told of until somebody is."""

        async def is_settled() -> bool:
            await self._town.send_all(self._log.open, self._town.hub(self._random))
            return not self._log.open

        await until(is_settled, SETTLE_SECONDS)

    async def resend_what_only_redis_had(self) -> None:
        """Do as a source does that is told which of its 202s were lost: send them again.

        A 201 does not say whether the ledger has it, so what was asked about reservations is asked again too; that
        changes nothing where it was kept.
        """
        await self.ledger_follows()
        lost, granted = set(await self.missing()), await self._granted()
        for sent in self._log:
            is_change = not sent.is_fact and sent.path != "/v1/reservations"
            is_gone = sent.id in lost and not sent.is_kept
            if is_gone or is_change or (sent.path == "/v1/reservations" and sent.is_taken and sent.id not in granted):
                sent.withdraw()

    async def _granted(self) -> set[str]:
        """Reservations that the ledger knows."""
        connection = await asyncpg.connect(self._town.dsn)
        try:
            rows = await connection.fetch("SELECT id FROM hub.event WHERE kind = 'request'")
        finally:
            await connection.close()
        return {row["id"] for row in rows} | {row["id"].partition(":")[2] for row in rows}

    async def missing(self) -> list[str]:
        """Ids that somebody was told are taken and that the ledger does not have by now; nothing is sent again."""
        connection = await asyncpg.connect(self._town.dsn)
        try:
            rows = await connection.fetch("SELECT source, id FROM hub.event WHERE kind IN ('fact', 'doubled')")
        finally:
            await connection.close()
        booked = {(row["source"], row["id"]) for row in rows}
        return [sent.id for sent in self._log.facts if sent.is_taken and (sent.source, sent.id) not in booked]

    async def ledger_follows(self) -> None:
        """Wait until the ledger has the journal's last entry."""
        connection = await asyncpg.connect(self._town.dsn)

        async def follows() -> bool:
            async with self._town.redis.client() as client:
                newest: Any = await client.xrevrange(keys.JOURNAL, count=1)
            row = await connection.fetchrow(_CURSOR)
            return bool(newest) and newest[0][0].decode() == f"{row['cursor_epoch']}-{row['cursor_seq']}"

        try:
            await until(follows)
        finally:
            await connection.close()

    async def _ask_again(self, verdict: Verdict) -> None:
        """Everything once more: whoever repeats an id gets its first answer."""
        firsts = {sent: (sent.first, len(sent.answers)) for sent in self._log if sent.first and _is_repeatable(sent)}
        left = list(firsts)

        async def are_told_again() -> bool:
            nonlocal left
            await self._town.send_all(left, self._town.hub(self._random))
            left = [sent for sent in left if len(sent.answers) == firsts[sent][1]]
            return not left

        await until(are_told_again, SETTLE_SECONDS)
        is_healed = await self._epoch() > 1
        # A denial is no entry: a Redis made anew from the ledger does not know it.
        forgotten = {(_DENIED, "granted")} if is_healed else set()
        for sent, (first, _) in firsts.items():
            answers = _since_lost(sent) if is_healed else sent.answers
            verdict.retold += [
                f"{sent.id} was told {_gist(answers[0])} and then {_gist(answer)}, {_history(sent)}"
                for answer in answers[1:]
                if first is not None and _gist(answer) != _gist(answers[0])
                if (_gist(answers[0]), _gist(answer)) not in forgotten
            ]

    async def _epoch(self) -> int:
        connection = await asyncpg.connect(self._town.dsn)
        try:
            return int(await connection.fetchval("SELECT epoch FROM hub.hub_state WHERE partition = 0"))
        finally:
            await connection.close()

    async def _compare_windows(self, verdict: Verdict, seconds: float = NAMED_SECONDS) -> None:
        """What was lost with Redis a hub names, soon."""
        connection = await asyncpg.connect(self._town.dsn)
        left: list[str] = []

        async def are_named() -> bool:
            booked = windows.booked_at(await connection.fetch(windows.EVENTS))
            told = [windows.named(row["payload"], row["epoch"]) for row in await connection.fetch(windows.ALERTS)]
            left[:] = windows.unnamed(self._log, booked, told)
            verdict.windows = [f"a hub named {wrong}" for wrong in windows.wrongly_named(booked, told)]
            return not left

        try:
            # Where nothing was healed nobody has anything to name.
            await until(are_named, seconds if await self._epoch() > 1 else 0)
        except TimeoutError:
            verdict.windows += [f"no hub named {lost}" for lost in left]
        finally:
            await connection.close()

    async def _compare_positions(self, verdict: Verdict) -> None:
        sums: Counter[tuple[str, str]] = Counter()
        for sent in self._log.facts:
            if sent.is_taken:
                sums.update(effects(sent))
        for place in PLACES:
            items = (await self._town.ask("/v1/positions", "judge", location=place, limit="1000"))["items"]
            for item in items:
                is_, be = item["on_hand"] - item["deficit"], sums[item["sku"], place]
                if item["sku"] not in ASKED and is_ != be:
                    verdict.sums.append(f"{item['sku']} at {place} has {is_}, the clients' sum is {be}")

    async def _compare_holds(self, verdict: Verdict) -> None:
        """Granted units are held, gone or given back, and never more than there were."""
        held: Counter[str] = Counter()
        ended: Counter[str] = Counter()
        had: Counter[str] = Counter()
        fulfilled = {sent.path.split("/")[3] for sent in self._log.requests if _is_done(sent, "fulfil")}
        released = {sent.path.split("/")[3] for sent in self._log.requests if _is_done(sent, "release")}
        for sent in self._log:
            if sent.is_fact and sent.is_taken:
                had.update({line["sku"]: line["quantity"] for line in _asked_lines(sent)})
            elif sent.path == "/v1/reservations" and sent.is_taken and sent.id not in released:
                side = ended if sent.id in fulfilled else held
                side.update({line["sku"]: line["quantity"] for line in sent.body["lines"]})
        on_hand: Counter[str] = Counter()
        reserved: Counter[str] = Counter()
        for place in PLACES:
            for item in (await self._town.ask("/v1/positions", "judge", location=place, limit="1000"))["items"]:
                on_hand[item["sku"]] += item["on_hand"] - item["deficit"]
                reserved[item["sku"]] += item["reserved"]
        for sku in ASKED:
            if held[sku] + ended[sku] > had[sku]:
                verdict.oversold.append(f"{held[sku] + ended[sku]} of {sku} were granted, {had[sku]} came")
            if (reserved[sku], on_hand[sku]) != (held[sku], had[sku] - ended[sku]):
                found = f"{reserved[sku]} reserved of {on_hand[sku]}"
                verdict.sums.append(f"{sku}: {found}, by the clients {held[sku]} of {had[sku] - ended[sku]}")

    async def _compare_screens(self, verdict: Verdict) -> None:
        if not self._watchers:
            return
        items = (await self._town.ask("/v1/availability", "judge", pool=POOL, sku=SKUS[0]))["items"]
        fresh: dict[str, Item] = {item["sku"]: item for item in items}
        for sku in SKUS[1:]:
            [item] = (await self._town.ask("/v1/availability", "judge", pool=POOL, sku=sku))["items"]
            fresh[sku] = item

        async def all_know() -> bool:
            return not any(watcher.behind(fresh) for watcher in self._watchers)

        try:
            await until(all_know)
        except TimeoutError:
            verdict.screens += [told for watcher in self._watchers for told in watcher.behind(fresh)]
        verdict.screens += [told for watcher in self._watchers for told in watcher.wrong]


def _compare_effects(log: Log, booked: dict[tuple[str, str], Any], verdict: Verdict) -> None:
    sources = {sent.source for sent in log.facts}
    sent_ids = set()
    for sent in log:
        row = booked.get((sent.source, sent.id))
        if sent.is_fact:
            sent_ids.add((sent.source, sent.id))
            facts = row["facts"] if row else 0
            if sent.is_taken and facts == 0:
                verdict.lost.append(sent.id)
            if row and row["facts"] + row["doubled"] > 1:
                verdict.doubled.append(sent.id)
        elif sent.path == "/v1/reservations" and sent.is_taken:
            requests = [found for (_, id), found in booked.items() if id in (sent.id, reservation_name(sent.id))]
            if not any(found["requests"] for found in requests):
                verdict.lost.append(f"reservation {sent.id}")
    never_sent = [
        id
        for (source, id), row in booked.items()
        if source in sources and row["facts"] and (source, id) not in sent_ids
    ]
    verdict.doubled += [f"{id}, which nobody sent" for id in never_sent]


def _fold(log: Log, movements: Iterable[Any], verdict: Verdict) -> None:
    """Add the ledger's movements up in their order: no bucket is ever negative, each event moved what it said."""
    buckets: Counter[tuple[str, str, str]] = Counter()
    moved: dict[tuple[str, str], Counter[tuple[str, str]]] = {}
    for row in movements:
        place = row["sku"], row["location"]
        of_event = moved.setdefault((row["source"], row["event_id"]), Counter())
        for bucket, sign in ((row["from_bucket"], -1), (row["to_bucket"], 1)):
            if not is_shelf(bucket):
                continue
            of_event[place] += sign * row["quantity"]
            buckets[*place, bucket] += sign * row["quantity"]
            if bucket in (FREE, RESERVED) and buckets[*place, bucket] < 0:
                verdict.oversold.append(f"{bucket} of {place} was negative after {row['event_id']}")
            if bucket == DEFICIT and buckets[*place, bucket] > 0:
                verdict.oversold.append(f"less than nothing was owed by {place} after {row['event_id']}")
    for together in _together(log).values():
        did, says = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for sent in together:
            did.update(moved.get((sent.source, sent.id), {}))
            says.update(effects(sent))
        if not _same(did, says):
            verdict.sums.append(f"{' and '.join(sent.id for sent in together)} moved {dict(did)}, it says {dict(says)}")


def _together(log: Log) -> dict[tuple[str, str], list[Sent]]:
    """The facts that were taken; a sale with what voided it, for when that is booked first the sale moves nothing."""
    found: dict[tuple[str, str], list[Sent]] = {}
    for sent in log.facts:
        if sent.is_taken:
            found.setdefault((sent.source, sent.body.get("sale", sent.id)), []).append(sent)
    return found


def _same(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> bool:
    return all(one[place] == other[place] for place in {*one, *other})


def _asked_lines(sent: Sent) -> list[dict[str, Any]]:
    return [line for line in sent.body["lines"] if line["sku"] in ASKED]


def _is_done(sent: Sent, verb: str) -> bool:
    return sent.path.endswith(f"/{verb}") and sent.is_taken


def _is_repeatable(sent: Sent) -> bool:
    """Changes of reservations are not asked for once more: what they were about has gone on."""
    return sent.is_fact or sent.path == "/v1/reservations"


def _since_lost(sent: Sent) -> list[Answer]:
    """The answers since it was last booked as new: what came before was 202, and was lost with Redis."""
    booked = [at for at, answer in enumerate(sent.answers) if answer.body.get("status") in ("applied", "accepted")]
    begin = booked[-1] if booked and all(answer.status == 202 for answer in sent.answers[: booked[-1]]) else 0
    return sent.answers[begin:]


def _history(sent: Sent) -> str:
    """Which answers it had, for whoever looks for the reason."""
    told = [f"{answer.status} {answer.body.get('status')} {answer.body.get('seq')}" for answer in sent.answers]
    return f"of {', '.join(told)}"


def _gist(answer: Answer) -> Any:
    """What of an answer is the same whenever it is given; it can be looked up in a set."""
    body = answer.body
    if body.get("status") in TAKEN:
        alerts = sorted(str(sorted(alert.items())) for alert in body.get("alerts") or ())
        return "taken", str([(line["sku"], line["quantity"]) for line in body.get("lines") or ()]), str(alerts)
    if answer.status == 201:
        return "granted"
    told = body.get("problem") or body
    return answer.status, told.get("type")
