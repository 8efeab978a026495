"""What is known of the SKUs themselves: their category and their other names, by the house's name.

Only what decides is kept here, so that two million SKUs fit: the category, the aliases and the revision. Brand and
attributes are read where they are asked for.
"""

import sys
from collections.abc import Iterable, Mapping

import msgspec

from hub.domain.catalogue import SkuSettings
from protocol.identifiers import nfc

# More than any house has; beyond it a new SKU is not described.
ARTICLES_MAX = 2_000_000


class Article(msgspec.Struct, array_like=True, frozen=True):
    """One SKU as it was described; stored and journalled as it stands here (a msgpack array)."""

    # How often it was described; 0 is never.
    revision: int = 0
    # Empty where nobody said.
    category: str = ""
    brand: str = ""
    # (name, value), by name: an empty table of Lua's would come back as a list.
    attributes: tuple[tuple[str, str], ...] = ()
    aliases: tuple[str, ...] = ()


def article_of(sku: SkuSettings, revision: int = 0) -> Article:
    """A `[[sku]]` table as an article, its aliases in normal form, each once and in order."""
    own = nfc(sku.id)
    aliases = {nfc(alias): None for alias in sku.aliases if nfc(alias) != own}
    return Article(
        revision, sku.category or "", sku.brand or "", tuple(sorted(sku.attributes.items())), tuple(sorted(aliases))
    )


def is_same_article(one: Article, other: Article) -> bool:
    """Whether they say the same, whenever it was said."""
    return msgspec.structs.replace(one, revision=0) == msgspec.structs.replace(other, revision=0)


def says_nothing_new(sku: SkuSettings, known: Mapping[str, Article]) -> bool:
    """Whether what is said of a SKU is known of it already."""
    article = known.get(nfc(sku.id))
    return article is not None and is_same_article(article, article_of(sku))


class Catalogue:
    """The described SKUs of a house; it changes one SKU at a time, and all houses of a process share it."""

    def __init__(self) -> None:
        self._revisions: dict[str, int] = {}
        self._categories: dict[str, str] = {}
        self._owner: dict[str, str] = {}
        self._aliases: dict[str, tuple[str, ...]] = {}
        # Rises whenever a name may have come to mean another SKU.
        self.names_version = 0

    def __len__(self) -> int:
        return len(self._revisions)

    def sku(self, name: str) -> str:
        """The house's own name for any name of a SKU; a name nobody knows is its own (in NFC)."""
        name = nfc(name)
        return self._owner.get(name, name)

    def category(self, sku: str) -> str | None:
        """The category of a SKU, given by the house's name."""
        return self._categories.get(sku)

    def revision(self, sku: str) -> int:
        """How often the SKU was described; 0 is never."""
        return self._revisions.get(sku, 0)

    def aliases(self, sku: str) -> tuple[str, ...]:
        """The other names of a SKU."""
        return self._aliases.get(sku, ())

    def become(self, other: "Catalogue") -> None:
        """Know what the other knows, and nothing else, from one moment to the next."""
        self._revisions, self._categories = other._revisions, other._categories
        self._owner, self._aliases = other._owner, other._aliases
        self.names_version += 1

    def put(self, sku: str, article: Article) -> None:
        """Take what a SKU is from now on; an alias that was another's is this one's then."""
        self._revisions[sku] = article.revision
        if article.category:
            # Few categories, many SKUs: one text for all of them.
            self._categories[sku] = sys.intern(article.category)
        else:
            self._categories.pop(sku, None)
        before = self._aliases.get(sku, ())
        if before == article.aliases and all(self._owner.get(alias) == sku for alias in before):
            return
        self.names_version += 1
        for alias in before:
            if self._owner.get(alias) == sku:
                del self._owner[alias]
        self._owner.update(dict.fromkeys(article.aliases, sku))
        if article.aliases:
            self._aliases[sku] = article.aliases
        else:
            self._aliases.pop(sku, None)


class Overlaid(Catalogue):
    """Another catalogue with some SKUs described anew: what would be, without changing what is."""

    def __init__(self, under: Catalogue, skus: Iterable[SkuSettings]) -> None:
        super().__init__()
        self._under = under
        for sku in skus:
            self.put(nfc(sku.id), article_of(sku, under.revision(nfc(sku.id))))

    def sku(self, name: str) -> str:
        """As in a catalogue; a name that is not described anew is as before."""
        name = nfc(name)
        return self._owner.get(name) or self._under.sku(name)

    def category(self, sku: str) -> str | None:
        """As in a catalogue; a SKU that is not described anew is as before."""
        return self._categories.get(sku) if sku in self._revisions else self._under.category(sku)


def catalogue_of(skus: Iterable[SkuSettings]) -> Catalogue:
    """A catalogue of nothing but these."""
    catalogue = Catalogue()
    for sku in skus:
        catalogue.put(nfc(sku.id), article_of(sku))
    return catalogue
