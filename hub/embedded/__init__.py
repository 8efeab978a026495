"""Private real Redis and Postgres servers in the hub's data folder: the default when no server is configured."""
