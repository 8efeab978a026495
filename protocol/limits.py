"""Every bound that a sender or a screen can meet on the wire; beyond it is an answer, never a cut."""

# One HTTP body, and the same after gunzip.
BODY_BYTES_MAX = 1024 * 1024
# Events in one array.
EVENTS_PER_ARRAY_MAX = 1_000
LINES_PER_EVENT_MAX = 100
# Serial numbers in all lines of one event.
SERIALS_PER_EVENT_MAX = 1_000
# Units in one line: far above any till, and a hundred lines of it stay exact in a double, as Lua counts.
QUANTITY_MAX = 1_000_000

SKU_CHARS_MAX = 128
NAME_CHARS_MAX = 64
OPAQUE_ID_CHARS_MAX = 200
# A reason, a value of `meta`, a tag: text for people.
TEXT_CHARS_MAX = 200
META_PER_EVENT_MAX = 8
TAGS_PER_EVENT_MAX = 16
# Locations an order names in `locations` or `prefer`.
LOCATIONS_PER_ORDER_MAX = 100

# How long a reservation may be asked for; its kind allows less.
TTL_SECONDS_MAX = 366 * 86_400

# One import, before and after gunzip, and its lines.
IMPORT_BYTES_MAX = 256 * 1024 * 1024
IMPORT_LINES_MAX = 1_000_000
# One line of it, in bytes: a SKU and a location with all their escapes.
IMPORT_LINE_BYTES_MAX = 4 * 1024
# Broken lines that are told; the others are counted.
IMPORT_ERRORS_MAX = 1_000
# Imports that are listed, and remembered after their end.
IMPORTS_KEPT_MAX = 100

# SKUs in `GET /v1/availability`, so that the address stays under what proxies take.
SKUS_PER_GET_MAX = 50
SKUS_PER_QUERY_MAX = 1_000
# An address: so many SKUs of any characters, and what stands beside them. Proxies take less; plain names need it not.
ADDRESS_BYTES_MAX = SKUS_PER_GET_MAX * SKU_CHARS_MAX * 12 + 4 * 1024
# Items on one page of a list.
PAGE_ITEMS_MAX = 1_000

# One message from a screen.
MESSAGE_BYTES_MAX = 64 * 1024
SKUS_PER_CONNECTION_MAX = 10_000
# A number a screen chooses or repeats (`ref`, a `rev`) is exact in a browser.
SAFE_INTEGER_MAX = 2**53 - 1
# Silence after the handshake.
FIRST_MESSAGE_SECONDS = 10
HEARTBEAT_SECONDS = 20
# A reader that takes nothing for as long is closed.
STALLED_SECONDS = 30

# One token or key; the pools and locations of a large house fit.
TOKEN_CHARS_MAX = 8 * 1024
# One header, so that the longest token fits.
HEADER_BYTES_MAX = TOKEN_CHARS_MAX + 1024
# How long a token lasts at most that the hub makes for a page.
TOKEN_SECONDS_MAX = 24 * 3600
# How wrong a clock may be on either side of a token's times.
TOKEN_LEEWAY_SECONDS = 60

# The `detail` of a problem: it may quote what was sent, but not all of it.
DETAIL_CHARS_MAX = 300
