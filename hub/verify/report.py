"""What a verification found, for people and for programs."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from hub.domain.verifying import Finding

# Findings that are listed; beyond it they are counted.
FINDINGS_MAX = 1_000

GOOD, WRONG, NOT_CHECKED = 0, 1, 2


class Report:
    """What was checked, what is wrong, and what could not be checked."""

    def __init__(self) -> None:
        self.skus = 0
        self.positions = 0
        self.seconds = 0.0
        self.total = 0
        # How many of each kind, all of them.
        self.kinds: Counter[str] = Counter()
        # Sentences: what was left unchecked, and why.
        self.unchecked: list[str] = []
        # Sentences: what is no fault, but good to know.
        self.notes: list[str] = []
        # The first ones, without those that were met twice.
        self._listed: dict[Finding, None] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings; the same one again is nothing new."""
        for finding in findings:
            if finding in self._listed:
                continue
            self.total += 1
            self.kinds[finding.kind] += 1
            if len(self._listed) < FINDINGS_MAX:
                self._listed[finding] = None

    def leave_unchecked(self, sentence: str) -> None:
        """Note once what cannot be checked."""
        if sentence not in self.unchecked:
            self.unchecked.append(sentence)

    def note(self, sentence: str) -> None:
        """Note once what is no fault."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    @property
    def findings(self) -> list[Finding]:
        """The listed ones: those about the whole first, then by position."""
        return sorted(self._listed, key=lambda finding: finding.place)

    @property
    def positions_per_second(self) -> int:
        """How fast it was."""
        return round(self.positions / self.seconds) if self.seconds else 0

    @property
    def exit_code(self) -> int:
        """0 good, 1 something is wrong, 2 nothing wrong was found but not everything could be checked."""
        if self.total:
            return WRONG
        return NOT_CHECKED if self.unchecked else GOOD

    def text(self) -> str:
        """For people, a finding a line."""
        lines = [_line(finding) for finding in self.findings]
        if self.total > len(lines):
            lines.append(f"… and {self.total - len(lines):,} more")
        lines += [f"not checked: {sentence}" for sentence in self.unchecked]
        lines += [f"note: {sentence}" for sentence in self.notes]
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.kinds.items()))
        verdict = f"{self.total:,} wrong ({kinds})" if self.total else "nothing wrong"
        checked = f"{_counted(self.skus, 'SKU')}, {_counted(self.positions, 'position')}"
        speed = f"in {self.seconds:.1f} s ({self.positions_per_second:,} positions/s)"
        return "\n".join([*lines, f"{checked} {speed}: {verdict}"])

    def json(self) -> str:
        """For programs."""
        told = {
            "skus": self.skus,
            "positions": self.positions,
            "seconds": round(self.seconds, 3),
            "positions_per_second": self.positions_per_second,
            "total": self.total,
            "kinds": dict(sorted(self.kinds.items())),
            "unchecked": self.unchecked,
            "notes": self.notes,
            "findings": self.findings,
        }
        return msgspec.json.encode(told).decode()


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)


def _line(finding: Finding) -> str:
    where = [name for name in (finding.sku, finding.location, finding.pool) if name]
    return " · ".join([*where, f"{finding.kind}: {finding.detail}"])
