"""Describe SKUs: what differs from what is known goes to the kernel, and each one is taken or refused by itself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from hub.domain.articles import ARTICLES_MAX, Article, article_of, is_same_article
from hub.domain.catalogue import SkuSettings
from hub.domain.describing import own_sku
from hub.faults import Unavailable
from hub.stock.batcher import Batcher
from hub.stock.described import SKUS_PER_READ, Described
from hub.stock.message import Describe
from hub.stock.outcome import Applied, Broken, Outcome, Refused, Stale
from protocol.identifiers import nfc

# A description is made anew at most so often because another process described the same SKU.
ROUNDS_MAX = 5


class Told(msgspec.Struct, frozen=True):
    """What became of one description."""

    sku: str
    status: Literal["applied", "unchanged", "refused"]
    # Why it was refused; else empty.
    why: str = ""


class Describing:
    """Describes SKUs for the doors and for the house's file."""

    def __init__(self, batcher: Batcher, described: Described) -> None:
        self._batcher = batcher
        self._described = described

    async def describe(self, skus: Sequence[SkuSettings]) -> list[Told]:
        """Take these descriptions, one for one; of two for the same SKU the later one stays.

        An alias may go from one SKU to another in one call, in whichever order they stand.

        Raises:
            Unavailable: Redis did not answer, so that some outcomes are unknown; describe the same again.
        """
        told: list[Told] = []
        for start in range(0, len(skus), SKUS_PER_READ):
            told += await self._describe_some(skus[start : start + SKUS_PER_READ])
        # A name is free for one as soon as another gave it up, which may let go of a name in its turn.
        applied = any(each.status == "applied" for each in told)
        for _ in range(ROUNDS_MAX):
            refused = [index for index, each in enumerate(told) if each.status == "refused"]
            if not refused or not applied:
                break
            again = await self._describe_some([skus[index] for index in refused])
            for index, each in zip(refused, again, strict=True):
                told[index] = each
            applied = any(each.status == "applied" for each in again)
        return told

    async def conflicts(self, skus: Sequence[SkuSettings]) -> list[str]:
        """Say which names of a file's SKUs are another's, a sentence each, so that the file can be refused whole.

        Raises:
            Unavailable: Redis did not answer.
        """
        wanted = {nfc(sku.id): article_of(sku) for sku in skus}
        known = await self._described.catch_up(wanted)
        fresh = {name: each for name, each in wanted.items() if not is_same_article(known.get(name, Article()), each)}
        aliases = sorted({alias for article in fresh.values() for alias in article.aliases})
        known |= await self._described.catch_up(aliases)
        booked = await self._described.booked_among(aliases)
        house_name = self._described.catalogue.sku
        told: list[str] = []
        for name, article in fresh.items():
            for other in (name, *article.aliases):
                owner = house_name(other)
                if owner not in (other, name) and other in wanted.get(owner, known[owner]).aliases:
                    told.append(f'"{other}" is a name of "{owner}" already, and not of "{name}" too')
            taken = [alias for alias in article.aliases if house_name(alias) == alias]
            told += [own_sku(alias, name) for alias in taken if alias in booked or alias in known]
        return told

    async def _describe_some(self, skus: Sequence[SkuSettings]) -> list[Told]:
        # What comes later for the same SKU may not be overtaken, so each turn has every SKU once at most.
        told: dict[int, Told] = {}
        turns: list[dict[str, int]] = []
        counts: dict[str, int] = {}
        for index, sku in enumerate(skus):
            name = nfc(sku.id)
            turn = counts[name] = counts.get(name, -1) + 1
            if turn == len(turns):
                turns.append({})
            turns[turn][name] = index
        for turn_of in turns:
            wanted = {name: article_of(skus[index]) for name, index in turn_of.items()}
            for name, outcome in (await self._take(wanted)).items():
                told[turn_of[name]] = outcome
        return [told[index] for index in range(len(skus))]

    async def _take(self, wanted: Mapping[str, Article]) -> dict[str, Told]:
        told: dict[str, Told] = {}
        for _ in range(ROUNDS_MAX):
            names = [name for name in wanted if name not in told]
            if not names:
                return told
            known = await self._described.catch_up(names)
            told |= self._needless(names, wanted, known)
            due = [name for name in names if name not in told]
            # Each weighs like a refresh: so many fill one call, and sales come in between.
            size = self._batcher.refreshes_per_call()
            for start in range(0, len(due), size):
                told |= await self._send(due[start : start + size], wanted, known)
        raise Unavailable("the SKUs are described by somebody else all the time")

    def _needless(
        self, names: Iterable[str], wanted: Mapping[str, Article], known: Mapping[str, Article]
    ) -> dict[str, Told]:
        """What is told without asking the kernel."""
        told: dict[str, Told] = {}
        room = ARTICLES_MAX - len(self._described.catalogue)
        for name in names:
            before = known.get(name)
            if before is not None and is_same_article(before, wanted[name]):
                told[name] = Told(name, "unchanged")
            elif before is None and room <= 0:
                told[name] = Told(name, "refused", f"{ARTICLES_MAX} SKUs are described already")
            elif before is None:
                room -= 1
        return told

    async def _send(
        self, names: Sequence[str], wanted: Mapping[str, Article], known: Mapping[str, Article]
    ) -> dict[str, Told]:
        commands = []
        for name in names:
            before = known.get(name, Article())
            article = msgspec.structs.replace(wanted[name], revision=before.revision)
            commands.append(Describe(name, article, before.aliases))
        outcomes = await self._batcher.submit(commands)
        told = {}
        for command, outcome in zip(commands, outcomes, strict=True):
            if (each := self._told(command, outcome)) is not None:
                told[command.sku] = each
        return told

    def _told(self, command: Describe, outcome: Outcome) -> Told | None:
        """None: somebody else described the SKU meanwhile."""
        match outcome:
            case Applied():
                article = command.article
                self._described.take(command.sku, msgspec.structs.replace(article, revision=article.revision + 1))
                return Told(command.sku, "applied")
            case Refused(why=why):
                return Told(command.sku, "refused", why)
            case Broken(why=why):
                raise Unavailable(
                    f"Redis holds something unexpected of {command.sku} or its aliases: {why}; `hub verify` says where"
                )
            case Stale():
                return None
        raise AssertionError(f"a description ended as {outcome!r}")
