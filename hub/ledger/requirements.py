"""What the hub asks of a Postgres before it trusts it with the ledger."""

import asyncpg

from hub.faults import ServerRefused

# The oldest major version the hub works with.
MAJOR_FLOOR = 15

# setting: (values it must not have, what goes wrong with them)
_REFUSED = {
    "fsync": ({"off"}, "a crash may damage the ledger"),
    # `local` and all stronger values flush this server's own log before a commit is acknowledged.
    "synchronous_commit": ({"off"}, "a crash loses acknowledged entries"),
    "full_page_writes": ({"off"}, "a crash may damage the ledger"),
    "default_transaction_read_only": ({"on"}, "the hub could not write"),
}

_QUESTION = """
    SELECT current_setting('server_version') AS version,
           current_setting('server_version_num')::int / 10000 AS major,
           pg_is_in_recovery() AS replica,
           current_setting('server_encoding') AS encoding
"""


async def check_postgres(connection: asyncpg.Connection) -> str:
    """Return what the server is, such as "PostgreSQL 18.6", if it is fit for use.

    Settings are read as they hold for this connection's user and database.

    Raises:
        ServerRefused: its version, role, encoding or durability is not fit.
    """
    about = await connection.fetchrow(_QUESTION)
    title = f"PostgreSQL {about['version'].split()[0]}"
    if about["major"] < MAJOR_FLOOR:
        raise ServerRefused(f"{title} is too old: the hub needs PostgreSQL {MAJOR_FLOOR} or newer")
    if about["replica"]:
        raise ServerRefused(f"{title} is a standby: the hub must write to the primary")
    if about["encoding"] != "UTF8":
        raise ServerRefused(
            f"{title}: the database is encoded in {about['encoding']}, the hub needs one made with ENCODING 'UTF8'"
        )
    for name, (refused, otherwise) in _REFUSED.items():
        found = await connection.fetchval("SELECT current_setting($1)", name)
        if found in refused:
            raise ServerRefused(f"{title} has {name} = {found}: {otherwise}")
    return title
