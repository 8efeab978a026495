"""The ledger in Postgres: every entry, once, for ever."""
