"""A stand-in for a hub process: starts the private servers, says so on standard output, then waits to be killed."""

import asyncio
import json
import sys
from pathlib import Path

from hub.embedded.servers import start


async def main() -> None:
    servers = await start(Path(sys.argv[1]), redis=True, postgres="postgres" in sys.argv[2:])
    said = {"redis_url": servers.redis_url, "postgres_dsn": servers.postgres_dsn}
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


asyncio.run(main())
