"""Compare aliases with the descriptions of the SKUs that they mean, in both directions."""

from collections.abc import Mapping

import msgspec

from hub.domain.articles import Article
from hub.domain.verifying import Finding
from hub.domain.verifying_records import ALIASES, CATALOGUE, check_alias
from hub.faults import ServerRefused
from hub.stock.remembered import Remembering, place_of, revision_of
from hub.verify.report import Report

_decode_owner = msgspec.msgpack.Decoder(tuple[str]).decode
_decode_article = msgspec.msgpack.Decoder(Article).decode
# Names and keys that are no text, and values that are no records, are told where records are compared.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class NameCheck:
    """One check of all names of SKUs."""

    def __init__(self, remembering: Remembering, report: Report) -> None:
        self._remembering = remembering
        self._report = report

    async def run(self) -> None:
        """Each alias is in the description of its owner, each described one means its SKU.

        Raises:
            Unavailable: Redis did not answer.
        """
        try:
            async for page in self._remembering.table(ALIASES):
                await self._check_aliases({alias: owner for alias, owner in map(_owned, page) if alias})
            async for page in self._remembering.table(CATALOGUE):
                await self._check_described({sku: article for sku, article in map(_described, page) if sku})
        except ServerRefused:
            return  # told where records are compared

    async def _check_aliases(self, owners: Mapping[str, str]) -> None:
        aliases, count = list(owners), len(owners)
        now = await self._remembering.moment(
            [
                *(place_of(ALIASES, alias) for alias in aliases),
                *(place_of(CATALOGUE, owner) for owner in owners.values()),
                *map(revision_of, aliases),
            ]
        )
        means, articles, revisions = now.values[:count], now.values[count : 2 * count], now.values[2 * count :]
        for alias, mean, article, revision in zip(aliases, means, articles, revisions, strict=True):
            # Otherwise it came to mean another one since the page was read.
            if mean is not None and _owned((alias.encode(), mean))[1] == owners[alias]:
                listed = _described((b"-", article or b""))[1].aliases
                self._report.add(check_alias(alias, owners[alias], listed, revision))

    async def _check_described(self, articles: Mapping[str, Article]) -> None:
        skus, aliases = list(articles), [alias for article in articles.values() for alias in article.aliases]
        now = await self._remembering.moment(
            [
                *(place_of(CATALOGUE, sku) for sku in skus),
                *map(revision_of, skus),
                *(place_of(ALIASES, alias) for alias in aliases),
            ]
        )
        owners = dict(zip(aliases, now.values[2 * len(skus) :], strict=True))
        for sku, packed, revision in zip(skus, now.values, now.values[len(skus) :], strict=False):
            article = _described((b"-", packed or b""))[1]
            if article.revision != articles[sku].revision:
                continue  # described anew since the page was read
            if revision is None:
                detail = "it is described otherwise than what its views were computed by"
                self._report.add([Finding("description_differs", detail, sku)])
            for alias in article.aliases:
                if _owned((b"-", owners[alias] or b""))[1] != sku:
                    detail = f"its description has the name {alias}, which does not mean it"
                    self._report.add([Finding("alias_differs", detail, sku)])


def _owned(pair: tuple[bytes, bytes]) -> tuple[str, str]:
    """An alias and its owner; both empty where they cannot be read."""
    try:
        return pair[0].decode(), _decode_owner(pair[1])[0]
    except _UNREADABLE:
        return "", ""


def _described(pair: tuple[bytes, bytes]) -> tuple[str, Article]:
    """A SKU and its description; an empty name and one of nothing where they cannot be read."""
    try:
        return pair[0].decode(), _decode_article(pair[1])
    except _UNREADABLE:
        return "", Article()
