"""What vendors call our SKUs: their names become aliases, by the road that descriptions of SKUs take."""

from collections.abc import Sequence

import msgspec

from adapters.contract import Description
from hub.domain.articles import Article
from hub.domain.catalogue import SkuSettings
from hub.stock.described import Described
from hub.stock.describing import Describing
from protocol.identifiers import nfc


async def take_descriptions(
    said: Sequence[Description], describing: Describing, described: Described
) -> tuple[str, ...]:
    """Give SKUs more aliases, and leave the rest of what is known of them; why some were not taken.

    Raises:
        Unavailable: Redis did not answer; to say the same again is safe.
    """
    names = {description.sku: described.catalogue.sku(description.sku) for description in said}
    known = await described.catch_up(names.values())
    wanted: dict[str, SkuSettings] = {}
    refused: list[str] = []
    for description in said:
        name = names[description.sku]
        before = wanted.get(name) or _table(name, known.get(name, Article()))
        aliases = dict.fromkeys((*before.aliases, *(nfc(alias) for alias in description.aliases if nfc(alias) != name)))
        try:
            wanted[name] = msgspec.convert(
                {**msgspec.structs.asdict(before), "aliases": tuple(aliases)}, SkuSettings, from_attributes=True
            )
        except msgspec.ValidationError as error:
            refused.append(f"{name[:100]} cannot have its aliases: {error}")
    told = await describing.describe(list(wanted.values()))
    return (*refused, *(f"{each.sku}: {each.why}" for each in told if each.status == "refused"))


def _table(name: str, article: Article) -> SkuSettings:
    return SkuSettings(
        id=name,
        category=article.category or None,
        brand=article.brand or None,
        attributes=dict(article.attributes),
        aliases=article.aliases,
    )
