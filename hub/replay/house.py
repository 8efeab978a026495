"""A house for a history: the hub.toml that lets its events be booked."""

from hub.faults import SettingsInvalid
from hub.replay.events import stem_of
from hub.replay.file import open_history
from hub.replay.options import ReplayOptions
from hub.replay.replay import history_in, pool_of

# A house of more places is no house; most likely the wrong column is mapped.
_LOCATIONS_MAX = 10_000


def house_toml(options: ReplayOptions) -> str:
    """Read the whole file for its locations and write a hub.toml with them and one pool that sees them all.

    Raises:
        SettingsInvalid: file or columns are wrong, or it names more than 10,000 locations.
        Fault: the file is damaged.
    """
    with open_history(options.file) as file:
        history = history_in(file, options)
        locations: set[str] = set()
        for row in history.rows():
            locations.add(row.location)
            if len(locations) > _LOCATIONS_MAX:
                raise SettingsInvalid(f"the file names over {_LOCATIONS_MAX:,} locations: is it the right column?")
    pool = pool_of(options)
    if not locations:
        raise SettingsInvalid("the file has no row that can be booked")
    kind = "warehouse" if options.location else "store"
    parts = [f"# The house of the history {stem_of(options.file)}: its places, and the pool that sold there."]
    parts += [f'[[location]]\nid = "{location}"\nkind = "{kind}"' for location in sorted(locations)]
    parts.append(f'[[pool]]\nid = "{pool}"\nkinds = ["{kind}"]\npublic = true')
    return "\n\n".join(parts) + "\n"
