"""What the demo page is told when it opens: which doors, pools and articles, and its tokens."""

import msgspec


class Doors(msgspec.Struct, frozen=True):
    """Where the hub's doors are, as a browser on this machine reaches them; no slash at the end."""

    # The HTTP door, `http://127.0.0.1:8080`.
    http: str
    # The live door, `ws://127.0.0.1:8081`.
    live: str
    # The admin door, `http://127.0.0.1:8082`: the origin of the console's pages.
    admin: str


class Article(msgspec.Struct, frozen=True):
    """A SKU and the name people read."""

    sku: str
    name: str


class Screen(msgspec.Struct, frozen=True, omit_defaults=True):
    """One screen of the page: what it watches, and as whom."""

    pool: str
    # The location it stands in, for a screen that sends events.
    location: str = ""
    # Empty for a public pool: such a screen connects as anybody.
    token: str = ""

    def __repr__(self) -> str:
        # Tokens stay out of logs and tracebacks.
        return f"Screen(pool={self.pool!r}, location={self.location!r})"


class DemoSession(msgspec.Struct, frozen=True):
    """One visit to the demo page, as JSON on `GET /demo/session`."""

    # Another value than last time: the hub was started anew, so numbers held from before mean nothing.
    run: str
    doors: Doors
    # The bag of which there is only one.
    article: Article
    till: Screen
    product: Screen
    vip: Screen
    # What the strip at the bottom watches, with the product page's pool.
    others: tuple[Article, ...]
