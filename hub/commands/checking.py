"""`hub adapters check`: the promises of an adapter, looked at over what was recorded, in sentences."""

from pathlib import Path
from traceback import extract_tb

import click

from adapters.kit.conformance import CHECKS, Check
from adapters.kit.first_steps import still_to_do
from adapters.kit.recordings import Case
from hub.commands.recorded import Found, adapter_in, adapter_of, recorded_in


def run_check(name: str, folder: Path | None, recordings: Path | None) -> int:
    """Print what is kept and what is not, or what is still to be done first; the answer is the exit code, 0 or 1.

    Raises:
        SettingsInvalid: there is no such adapter, or a file is no recording.
    """
    found = adapter_of(name) if folder is None else adapter_in(folder, name)
    place = recordings or found.recordings
    case = Case(found.adapter, recorded_in(place))
    click.echo(f"{name}: {_count(_topics(found), 'topic')}, {_count(len(case.recordings), 'recording')} in {place}")
    steps = still_to_do(case.adapter, case.recordings)
    if steps:
        click.echo("It cannot be checked yet. What to do next:")
        for number, step in enumerate(steps, start=1):
            click.echo(f"  {number}. {step}")
        return 1
    broken = sum(not _told(check, case) for check in CHECKS)
    if broken:
        click.echo(f"{broken} of {len(CHECKS)} promises are not kept.")
        return 1
    click.echo(f"All {len(CHECKS)} promises are kept.")
    if not any(each.secret for each in case.recordings):
        click.echo(
            "Not seen: a signature that the vendor itself made. Put one among the `headers` of a recording, and "
            "its `secret`, of an account for trials, beside them."
        )
    return 0


def _told(check: Check, case: Case) -> bool:
    promise = check.__name__.replace("_", " ")
    why = _broken(check, case)
    if why is None:
        click.echo(f"  kept    {promise}")
        return True
    click.echo(f"  BROKEN  {promise}")
    for line in why.splitlines():
        click.echo(f"          {line}")
    return False


def _broken(check: Check, case: Case) -> str | None:
    """Why a promise is not kept; None: it is."""
    try:
        check(case)
    except AssertionError as error:
        # An adapter's own assertion has no sentence of the kit.
        return str(error) or _raised(error)
    except Exception as error:
        return _raised(error)
    return None


def _raised(error: Exception) -> str:
    [*_, at] = extract_tb(error.__traceback__)
    return f"it raised {type(error).__name__} at {at.filename}:{at.lineno}: {error}"


def _topics(found: Found) -> int:
    return len(found.adapter.topics)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
