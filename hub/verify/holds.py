"""Compare what is reserved and promised with what holds keep, and the indexes of holds with the holds."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from hub.domain.verifying import Finding, RawSku, Sku, read_sku, readable
from hub.domain.verifying_holds import (
    check_indexes,
    check_promises,
    check_reserved,
    entries_of,
    name_in,
    promised_by,
    read_hold,
    units_at,
)
from hub.domain.verifying_records import HOLDS
from hub.faults import ServerRefused
from hub.stock import keys
from hub.stock.held_moments import HeldMoments, Indexed
from hub.stock.remembered import Remembering
from hub.verify.report import Report

# Holds of one SKU that are read at one moment; Redis answers nobody else meanwhile.
HOLDS_OF_SKU_MAX = 20_000
# Holds of several SKUs that are read at one moment.
HOLDS_PER_LOOK = 2_000
# Looks at one SKU, while others reserve it.
TRIES_MAX = 20

_BUSY = "the SKU {sku} was reserved so often that what is reserved was not compared with what holds keep"
_MANY = "more than {count:,} holds keep the SKU {sku}, so what is reserved was not compared with them"


class HoldCheck:
    """One check of holds."""

    def __init__(
        self,
        remembering: Remembering,
        moments: HeldMoments,
        report: Report,
        *,
        on_wrong_index: Callable[[Indexed], None] = lambda indexed: None,
    ) -> None:
        self._on_wrong_index = on_wrong_index
        self._remembering = remembering
        self._moments = moments
        self._report = report

    async def check_reserved(self, skus: Sequence[RawSku]) -> None:
        """What is reserved at positions and promised of purchase orders is what holds keep there.

        SKUs that are held meanwhile are looked at again.

        Raises:
            Unavailable: Redis did not answer.
        """
        try:
            await self._check_reserved(skus)
        except ServerRefused as fault:
            self._report.add([Finding("malformed", str(fault))])

    async def run(self) -> None:
        """Each hold is in the indexes as it is, and they have nothing else.

        Raises:
            Unavailable: Redis did not answer.
        """
        async for _ in self.pages():
            pass

    async def pages(self) -> AsyncIterator[None]:
        """The same, page by page."""
        try:
            async for page in self._remembering.table(HOLDS):
                names = {readable(name): read_hold(packed) for name, packed in page}
                await self._check_indexes({name: sorted(entries_of(name, hold)) for name, hold in names.items()})
                yield
            async for entries in self._moments.listed(keys.HELD):
                by_name: dict[str, list[bytes]] = {}
                for entry in entries:
                    by_name.setdefault(name_in(entry), []).append(entry)
                await self._check_indexes(by_name)
                yield
            async for due in self._moments.listed(keys.EXPIRY):
                await self._check_indexes({readable(name): [] for name in due})
                yield
        except ServerRefused as fault:
            self._report.add([Finding("malformed", str(fault))])

    async def _check_indexes(self, entries: Mapping[str, Sequence[bytes]]) -> None:
        for each in await self._moments.indexed(entries):
            hold = read_hold(each.packed) if each.packed is not None else None
            # A hold that cannot be read is told where records are compared.
            if hold is not None or each.packed is None:
                found = check_indexes(each.name, hold, each.due_at_ms, each.entries)
                self._report.add(found)
                if found:
                    self._on_wrong_index(each)

    async def _check_reserved(self, skus: Sequence[RawSku]) -> None:
        says_so = {raw.name for raw in skus if _says_that_units_are_kept(read_sku(raw)[0])}
        names = list(dict.fromkeys(raw.name for raw in skus if not raw.unreadable))
        for tries in range(TRIES_MAX):
            found = dict(zip(names, await self._moments.entries(names, HOLDS_OF_SKU_MAX + 1), strict=True))
            for sku in [sku for sku, entries in found.items() if len(entries) > HOLDS_OF_SKU_MAX]:
                self._report.leave_unchecked(_MANY.format(count=HOLDS_OF_SKU_MAX, sku=sku))
                del found[sku]
            if not tries:
                found = {sku: entries for sku, entries in found.items() if entries or sku in says_so}
            names = []
            while found:
                names += await self._look(_some(found))
            if not names:
                return
        for sku in names:
            self._report.leave_unchecked(_BUSY.format(sku=sku))

    async def _look(self, entries: Mapping[str, Sequence[bytes]]) -> list[str]:
        """Compare some SKUs; which of them were held meanwhile."""
        again: list[str] = []
        for name, told in (await self._moments.kept(entries)).items():
            if told is None:
                again.append(name)
                continue
            raw, packed = told
            holds = [hold for each in packed if (hold := read_hold(each)) is not None]
            if len(holds) == len(packed) and not raw.unreadable:
                sku, _ = read_sku(raw)
                self._report.add(check_reserved(sku, units_at(name, holds)))
                self._report.add(check_promises(sku, promised_by(name, holds)))
        return again


def _says_that_units_are_kept(sku: Sku) -> bool:
    return any(each.reserved for each in sku.positions.values()) or any(line.promises for line in sku.expected or ())


def _some(found: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Take the first SKUs, as many as may be read at one moment but at least one."""
    taken: dict[str, list[bytes]] = {}
    count = 0
    for sku in list(found):
        count += len(found[sku])
        if taken and count > HOLDS_PER_LOOK:
            break
        taken[sku] = found.pop(sku)
    return taken
