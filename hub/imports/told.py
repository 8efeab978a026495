"""What an import came to, in lines for people. Pure."""

from collections.abc import Iterator, Sequence

from protocol.imports import ImportStatus, LineError


def summary(told: ImportStatus) -> str:
    """How many lines it had, and what became of them."""
    unlisted = f" · {told.unlisted:,} unlisted counted as zero" if told.unlisted else ""
    overruled = f" · {told.overruled:,} overruled by a newer count" if told.overruled else ""
    return (
        f"{told.lines:,} lines{unlisted}: {told.changed:,} changed · {told.unchanged:,} unchanged{overruled}"
        f" · {told.broken:,} broken"
    )


def broken_lines(errors: Sequence[LineError], broken: int) -> Iterator[str]:
    """Each broken line that is known, and how many more there are."""
    for error in errors:
        yield f"line {error.line}: {error.detail}"
    if broken > len(errors):
        yield f"… and {broken - len(errors):,} more"
