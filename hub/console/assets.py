"""The console's static files: read once from the package, served from memory."""

import base64
import hashlib
from importlib.resources import files
from pathlib import PurePosixPath

import msgspec

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """One file as it goes over the wire."""

    content_type: str
    # Changes with the content; without the quotes.
    etag: str
    body: bytes

    @classmethod
    def of(cls, content_type: str, body: bytes) -> "Asset":
        """Make an asset, with the tag its content gets."""
        digest = hashlib.sha256(body).digest()
        return cls(content_type, base64.urlsafe_b64encode(digest[:12]).decode(), body)


def load_assets() -> dict[str, Asset]:
    """Read every servable file of `hub/console/static`, by its name.

    A request can only name a key of this dictionary, so no path is ever built from what a client sends.
    """
    found: dict[str, Asset] = {}
    for item in files("hub.console").joinpath("static").iterdir():
        content_type = CONTENT_TYPES.get(PurePosixPath(item.name).suffix)
        if content_type is not None:
            found[item.name] = Asset.of(content_type, item.read_bytes())
    return found
