"""The SKUs of the file that `[catalogue] csv` names, put together with the `[[sku]]` tables."""

from pathlib import Path

from hub.domain.catalogue import SkuSettings
from hub.domain.sku_table import TableUnreadable, read_sku_table
from hub.faults import SettingsInvalid
from hub.settings.document import read_text
from hub.settings.problems import Problems
from protocol.identifiers import nfc

_KEY = "catalogue.csv"
# Of one file; with more of them it is another file.
_PROBLEMS_MAX = 100


def with_sku_file(tables: tuple[SkuSettings, ...], file: Path, problems: Problems) -> tuple[SkuSettings, ...]:
    """The tables, and the rows of the file that no table describes; what is wrong in the file is noted."""
    reading = _Reading(tables, file, problems)
    try:
        for row in read_sku_table(read_text(file)):
            if row.sku is None:
                reading.note(row.line, row.problem)
            else:
                reading.take(row.line, row.sku)
            if reading.noted >= _PROBLEMS_MAX:
                break
    except TableUnreadable as error:
        problems.add(_KEY, f"{file}: {error}")
    except SettingsInvalid as error:
        problems.add(_KEY, str(error))
    return (*tables, *reading.skus)


class _Reading:
    def __init__(self, tables: tuple[SkuSettings, ...], file: Path, problems: Problems) -> None:
        self.skus: list[SkuSettings] = []
        self.noted = 0
        self._file = file
        self._problems = problems
        self._of_tables = {nfc(sku.id) for sku in tables}
        # Every name -> the SKU it stands for, and the line it came from; 0 is a table.
        self._owner = {name: (nfc(sku.id), 0) for sku in tables for name in _names(sku)}

    def note(self, line: int, text: str) -> None:
        self.noted += 1
        self._problems.add(_KEY, f"{self._file}:{line}: {text}")

    def take(self, line: int, sku: SkuSettings) -> None:
        own = nfc(sku.id)
        if own in self._of_tables:
            return
        for name in _names(sku):
            owner, before = self._owner.setdefault(name, (own, line))
            if owner != own or (name == own and before != line):
                place = f"line {before}" if before else "a [[sku]] table"
                self.note(line, f'"{name}" is a name of "{owner}" already, in {place}; a name stands for one SKU')
                return
        self.skus.append(sku)


def _names(sku: SkuSettings) -> list[str]:
    return [nfc(sku.id), *map(nfc, sku.aliases)]
