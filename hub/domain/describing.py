"""Describing a SKU: what it is, and which names stand for it. A name stands for one SKU."""

from collections.abc import Callable

from hub.domain.articles import Article
from hub.domain.draft import Draft

CATALOGUE, ALIASES = "catalogue", "aliases"
# What is remembered in these makes a name a SKU of its own.
OF_A_SKU = ("expected", "shortfalls", CATALOGUE)


def describe(draft: Draft, sku: str, article: Article, is_booked: Callable[[str], bool]) -> None:
    """Take the description, made by the article's revision; the first name that is not free refuses it.

    `is_booked` says whether something was booked under a name as a SKU of its own.
    """
    draft.about = sku
    before = draft.record(CATALOGUE, sku)
    if (before[0] if before else 0) != article.revision:
        draft.look_again()
        return
    owner = draft.record(ALIASES, sku)
    if owner:
        draft.refuse(f'"{sku}" is a name of "{owner[0]}"')
        return
    for alias in article.aliases:
        _take(draft, sku, alias, is_booked)
    for alias in before[4] if before else ():
        if alias not in article.aliases:
            draft.set_record(ALIASES, alias, None)
    attributes = [list(pair) for pair in article.attributes]
    content = [article.revision + 1, article.category, article.brand, attributes, list(article.aliases)]
    draft.set_record(CATALOGUE, sku, content)


def _take(draft: Draft, sku: str, alias: str, is_booked: Callable[[str], bool]) -> None:
    owner = draft.record(ALIASES, alias)
    if owner and owner[0] != sku:
        draft.refuse(f'"{alias}" is a name of "{owner[0]}" already')
    elif not owner and (is_booked(alias) or any(draft.record(table, alias) for table in OF_A_SKU)):
        draft.refuse(own_sku(alias, sku))
    elif not owner:
        draft.set_record(ALIASES, alias, [sku])


def own_sku(alias: str, sku: str) -> str:
    """Why a name cannot become an alias of a SKU any more, and what to do; the kernel says the same."""
    return (
        f'"{alias}" is a SKU of its own, with stock, supply or a description, and stays one: '
        f'send "{sku}" in its place, and bring its units over by two adjustments'
    )
