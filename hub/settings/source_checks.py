"""Whether each source can do what the file says of it: its adapter, its secrets, its places."""

from adapters.contract import Polled
from adapters.discovery import UnusableAdapter, adapter_named, names
from hub.domain.catalogue import BUILT_IN_STATUSES, HouseSettings, SourceSettings
from hub.settings.house_checks import check_known
from hub.settings.problems import Problems, did_you_mean
from protocol.events import FREE

# What only a third party's own dialect needs.
_FOR_ADAPTERS = (
    "secret_env",
    "secret_file",
    "url",
    "api_url",
    "token_env",
    "token_file",
    "reconcile_seconds",
    "poll_seconds",
)


def check_sources(house: HouseSettings, problems: Problems) -> None:
    """Note everything that keeps a source from being understood."""
    pools = [pool.id for pool in house.pools]
    locations = [location.id for location in house.locations]
    statuses = [FREE, *BUILT_IN_STATUSES, *(status.id for status in house.statuses)]
    for place, source in enumerate(house.sources):
        path = f"source[{place}]"
        check_known("pool of the house", source.pool, pools, f"{path}.pool", problems)
        for theirs, ours in source.locations.items():
            check_known("location of the house", ours, locations, f"{path}.locations.{theirs}", problems)
        check_known("status of the house", source.returns_to, statuses, f"{path}.returns_to", problems)
        _check_adapter(source, path, problems)


def _check_adapter(source: SourceSettings, path: str, problems: Problems) -> None:
    if source.adapter is None:
        for key in _FOR_ADAPTERS:
            if getattr(source, key) is not None:
                problems.add(f"{path}.{key}", "is without effect: the source has no adapter")
        return
    can_be_asked = True
    try:
        adapter = adapter_named(source.adapter)
        can_be_asked = adapter is None or isinstance(adapter, Polled)
        if adapter is None:
            known = f"there are {', '.join(names())}"
            guess = did_you_mean(source.adapter, names())
            problems.add(f"{path}.adapter", f'"{source.adapter}" is no adapter{guess or f"; {known}"}')
    except UnusableAdapter as error:
        problems.add(f"{path}.adapter", str(error))
    _check_asking(source, path, problems, can_be_asked=can_be_asked)
    # Who is only asked signs nothing.
    if source.secret_env is None and source.secret_file is None and source.poll_seconds is None:
        problems.add(path, "its adapter checks signatures: give it secret_env or secret_file")
    if source.api_url is None and (source.token_env or source.token_file):
        problems.add(path, "has a token and no api_url to send it to")


def _check_asking(source: SourceSettings, path: str, problems: Problems, *, can_be_asked: bool) -> None:
    for key in ("poll_seconds", "reconcile_seconds"):
        if not getattr(source, key):
            continue
        if not can_be_asked:
            problems.add(f"{path}.{key}", f"the adapter {source.adapter} cannot ask what happened")
        elif source.api_url is None or not (source.token_env or source.token_file):
            problems.add(f"{path}.{key}", "needs api_url, and token_env or token_file, to ask with")
