"""What is written stays: whoever adds to the ledger may not change or remove its rows.

A superuser is bound by no right of its own, so its writer works as a role without them. Any other user is: it takes
them from itself, and no connection of the hub has them. Both are done at every opening, for a copy that was restored
without its rights has none of it.
"""

import asyncpg

# Its name is the same in every database of a server, and it can never log in.
WRITER_ROLE = "hub_writer"
# Rows are only added to these, and to the months of the first two.
APPEND_ONLY = ("event", "movement", "shown", "count_line", "poison", "alert_settled")
REFUSED = "UPDATE, DELETE, TRUNCATE"

_IS_SUPERUSER = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
_MAKE_ROLE = f"""DO $$ BEGIN
    CREATE ROLE {WRITER_ROLE} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$"""
_MAY_BECOME = f"SELECT FROM pg_roles WHERE rolname = '{WRITER_ROLE}' AND pg_has_role(current_user, oid, 'MEMBER')"
_BECOME = f"SELECT set_config('role', '{WRITER_ROLE}', false) WHERE EXISTS ({_MAY_BECOME})"

# The tables that rows are only added to, with their months, where their owner could still take a row back.
_CHANGEABLE = """WITH RECURSIVE kept AS (
        SELECT oid FROM pg_class WHERE relnamespace = 'hub'::regnamespace AND relname = ANY($1::text[])
        UNION ALL SELECT inhrelid FROM pg_inherits JOIN kept ON inhparent = kept.oid)
    SELECT kept.oid::regclass::text AS name FROM kept JOIN pg_class USING (oid)
    WHERE relowner = current_user::regrole
      AND EXISTS (SELECT FROM aclexplode(coalesce(relacl, acldefault('r', relowner)))
                  WHERE grantee = relowner AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE'))"""
# What the writer's role lacks.
_NOT_GIVEN = f"""SELECT oid::regclass::text AS name FROM pg_class
    WHERE relnamespace = 'hub'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
      AND NOT (has_table_privilege('{WRITER_ROLE}', oid, 'SELECT')
               AND has_table_privilege('{WRITER_ROLE}', oid, 'INSERT'))"""
_MAY_GO_FORWARD = f"""SELECT has_schema_privilege('{WRITER_ROLE}', 'hub', 'USAGE')
    AND has_column_privilege('{WRITER_ROLE}', 'hub.hub_state', 'cursor_seq', 'UPDATE')"""


async def give_rights(connection: asyncpg.Connection) -> None:
    """Let rows be added and not be changed; within a transaction that nobody else does the same in.

    Raises:
        asyncpg's errors: the caller translates them.
    """
    for row in await connection.fetch(_CHANGEABLE, list(APPEND_ONLY)):
        await connection.execute(f"REVOKE {REFUSED} ON {row['name']} FROM CURRENT_USER")
    if await connection.fetchval(_IS_SUPERUSER):
        await connection.execute(_MAKE_ROLE)
    if await connection.fetchrow(_MAY_BECOME) is None:
        return
    for row in await connection.fetch(_NOT_GIVEN):
        await connection.execute(f"GRANT SELECT, INSERT ON {row['name']} TO {WRITER_ROLE}")
    if not await connection.fetchval(_MAY_GO_FORWARD):
        await connection.execute(f"GRANT USAGE ON SCHEMA hub TO {WRITER_ROLE}")
        await connection.execute(f"GRANT UPDATE (cursor_epoch, cursor_seq) ON hub.hub_state TO {WRITER_ROLE}")


async def become_writer(connection: asyncpg.Connection) -> None:
    """Work as the writer's role from here on, where there is one; else the user itself has no such rights."""
    await connection.execute(_BECOME)
