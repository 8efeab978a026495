"""What may be told of a database's address: where it is, and never who asks or by which password. Pure."""

import re
from urllib.parse import parse_qsl, unquote, urlsplit

_PORT = 5432
# What is no such name may be a part of a password that is not written as it must be.
_HOST = re.compile(r"[A-Za-z0-9._:%-]+|/[\w./-]*", re.ASCII)


def named_by(dsn: str) -> str:
    """Begins with " at "; empty where the address names no single place, or cannot be read.

    Behind the host there must be no `@`: then what comes before is not the host for certain.
    """
    try:
        parts = urlsplit(dsn)
        asked = dict(parse_qsl(parts.query))
        place = parts.netloc.rpartition("@")[2]
        if "@" in parts.path + parts.fragment or any("@" in value for value in asked.values()):
            return ""
        host = asked.get("host") or unquote(parts.hostname or "")
        port = int(asked.get("port") or (parts.port if ":" in place else None) or _PORT)
    except ValueError:
        return ""
    if not _HOST.fullmatch(host):
        return ""
    if host.startswith("/"):
        return f" at {host.rstrip('/')}/.s.PGSQL.{port}"
    return f" at [{host}]:{port}" if ":" in host else f" at {host}:{port}"
