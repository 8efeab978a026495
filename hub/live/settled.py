"""Keeps Python's collector from looking at every idle connection again and again.

A full collection looks at every object: beside five thousand sockets it holds up the loop for 170 ms, beside twenty
thousand for most of a second, and finds nothing. So connections that came are set aside (`gc.freeze`) a few at a time,
once they were looked at, and collections go on with what is newer. A connection that ends leaves circles among what
was set aside; when half of them have ended, everything is looked at once more.
"""

import gc

from hub.live.fanout import Counters

# What so many connections brought is looked at in some milliseconds.
COME_MAX = 200
# So many that ended are no memory that anybody misses.
GONE_MIN = 500


class Settled:
    """Which connections of a live door the collector has looked at."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._come_before = 0
        self._gone_before = 0

    def look(self) -> None:
        """Have what is new looked at and set aside where it has become much; call it often."""
        counters = self._counters
        gone = counters.gone - self._gone_before
        come = counters.connections + counters.gone - self._come_before
        if gone >= max(GONE_MIN, counters.connections // 2):
            gc.unfreeze()
            self._gone_before = counters.gone
        elif come < COME_MAX:
            return
        self._come_before = counters.connections + counters.gone
        gc.collect()
        gc.freeze()
