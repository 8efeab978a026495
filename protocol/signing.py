"""The signature of Standard Webhooks, by which hooks are signed and third parties' deliveries known.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64encode
from typing import Final

# How a secret begins; what follows is base64.
SECRET_PREFIX: Final = "whsec_"


def signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`. A dot in an id would make another id and time of it."""
    return "v1," + b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + body, "sha256")).decode()
