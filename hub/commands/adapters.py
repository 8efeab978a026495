"""`hub adapters`: which there are, how far each was tried, and whose it is."""

import click

from adapters.discovery import UnusableAdapter, adapter_named, names, package_of
from hub.commands.tables import table

_HEAD = ("adapter", "how far it was tried", "topics", "package", "documents")


def run_list() -> int:
    """Print every adapter that `[[source]] adapter` may name; the answer is the exit code, 1 if one cannot be used."""
    rows, broken = [], []
    for name in names():
        try:
            adapter = adapter_named(name)
        except UnusableAdapter as error:
            rows.append((name, "cannot be used", "", package_of(name), ""))
            broken.append(str(error))
            continue
        if adapter is not None:
            topics = "any event" if "*" in adapter.topics else str(len(adapter.topics))
            rows.append((name, adapter.maturity, topics, package_of(name), adapter.documentation))
    for line in table(_HEAD, rows):
        click.echo(line)
    for sentence in broken:
        click.echo(sentence, err=True)
    return 1 if broken else 0
