"""The house that the partition holds, and what is known of its SKUs, as a verification needs them."""

from collections.abc import Iterable

import msgspec

from hub.domain.articles import Catalogue
from hub.domain.document import decode_document
from hub.domain.rules import House
from hub.domain.verifying import Finding, RawSku
from hub.domain.verifying_order import Meta
from hub.domain.verifying_views import Rules
from hub.stock.described import Described
from hub.stock.inspecting import Inspection
from hub.verify.report import Report

# What cannot be decoded, in a key that somebody else wrote.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# What the hash of a name says that is another SKU's.
_AN_ALIAS = -1

_NO_HOUSE = "the house that the partition holds is not the one its digest says: what pools show was not computed anew"


class HeldHouse:
    """The partition's house, read again whenever it was exchanged. Call `load` once before anything else."""

    def __init__(self, inspection: Inspection, described: Described, report: Report) -> None:
        self._inspection = inspection
        self._described = described
        self._report = report
        self._catalogue: Catalogue = described.catalogue
        self._house: House | None = None
        self._is_readable = True

    async def load(self) -> None:
        """Read what is described of all SKUs, and the house.

        Raises:
            ServerRefused: more SKUs are described than this version takes.
            Unavailable: Redis did not answer.
        """
        try:
            await self._described.load()
        except _UNREADABLE:
            self._is_readable = False
            self._report.add([Finding("malformed", "what is described of the SKUs cannot be read")])
        await self._read()

    def sku(self, name: str) -> str:
        """The house's own name of a SKU given by any of its names."""
        return self._catalogue.sku(name)

    async def fits(self, meta: Meta, skus: Iterable[RawSku]) -> bool:
        """Whether the house and the descriptions are those by which these SKUs were read; else they are read again."""
        if not self._is_readable:
            return True
        changed = self.not_as_described(skus)
        if changed:
            try:
                await self._described.catch_up([sku.name for sku in changed])
            except _UNREADABLE:
                self._is_readable = False
                self._report.add([Finding("malformed", "what is described of the SKUs cannot be read")])
                return True
        is_same = self._house is not None and self._house.digest == meta.house
        if not is_same:
            await self._read()
        return is_same and not changed

    def rules(self, meta: Meta) -> Rules:
        """The rules to compare with; without the partition's house what pools show is left unchecked."""
        house = self._house
        if not self._is_readable or house is None or house.digest != meta.house:
            self._report.leave_unchecked(_NO_HOUSE)
            house = None
        return Rules(meta.rules, house)

    def not_as_described(self, skus: Iterable[RawSku]) -> list[RawSku]:
        """Those of which the catalogue knows another description than the one their views were computed by."""
        if not self._is_readable:
            return []
        return [sku for sku in skus if not sku.unreadable and not self._is_as_described(sku)]

    def _is_as_described(self, sku: RawSku) -> bool:
        told = _whole(sku.revision)
        if self._catalogue.sku(sku.name) != sku.name:
            return told == _AN_ALIAS
        return told == self._catalogue.revision(sku.name)

    async def _read(self) -> None:
        document = await self._inspection.house()
        try:
            if self._is_readable and document is not None:
                self._house = House.of(decode_document(document), self._catalogue)
        except _UNREADABLE:
            self._report.add([Finding("malformed", "the house that the partition holds cannot be read")])


def _whole(text: bytes | None) -> int | None:
    try:
        return int(text or b"0")
    except ValueError:
        return None
