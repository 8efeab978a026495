"""Bounds and times of the live door; those of the wire are the wire's, the others protect this process."""

import msgspec

from protocol import limits


class LiveLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one live door allows; tests shorten the times."""

    # One message from a screen; a longer one is closed with 1009.
    message_bytes_max: int = limits.MESSAGE_BYTES_MAX
    # SKUs and locations one connection may watch.
    skus_max: int = limits.SKUS_PER_CONNECTION_MAX
    # No message within this of the handshake is closed with 4408.
    first_message_seconds: float = limits.FIRST_MESSAGE_SECONDS
    heartbeat_seconds: float = limits.HEARTBEAT_SECONDS
    # A connection that takes nothing of what waits for it is closed with 1013 after this.
    stalled_seconds: float = limits.STALLED_SECONDS
    # Open connections; at 8.5 KiB each while idle the default is 85 MB. One more is answered 503.
    connections_max: int = 10_000
    # A connection with more unsent bytes is slow: its values are kept, newest only, until it has taken most.
    slow_bytes: int = 64 * 1024
    # What the system keeps unsent for one connection (Linux: twice as much). By itself it would take megabytes, and a
    # reader that stopped would look like one that reads.
    send_buffer_bytes: int = 64 * 1024
    # Unsent bytes at which a connection is dropped: an answer for all SKUs it may watch fits, a flood of pongs
    # does not.
    unsent_bytes_max: int = 4 * 1024 * 1024
    # How long a peer may take over the opening, and over the closing, handshake.
    opening_seconds: float = 10
    closing_seconds: float = 5
    # Messages a second, on average, and at once; more are read later, so the sender waits.
    messages_per_second: float = 100
    messages_at_once: int = 500
    # So many SKUs in a message count as one message more: so 2,500 a second, and at once all that one connection may
    # watch.
    skus_charged: int = 25
    # Messages that cannot be understood; one more is closed with 1008.
    malformed_max: int = 20
    # Reads of Redis for new watchers at the same time; SKUs in one, some two milliseconds; SKUs whose watchers wait
    # for each other, so that many who come at once are read for together.
    reads_at_once: int = 4
    skus_per_read: int = 250
    skus_joined: int = 1_000
    # Journal entries taken in one tick.
    entries_per_tick: int = 1_000
    # Waiting after the journal could not be read, doubled up to the longest.
    retry_seconds: float = 0.1
    retry_seconds_max: float = 2.0
