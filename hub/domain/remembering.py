"""How long the kernel remembers an id by itself; beyond it only the ledger knows.

The kernel's script keeps the same numbers in hub/stock/lua/dedupe.lua and open.lua.
"""

DAY_MS = 24 * 60 * 60 * 1000
# Whole days that dedupe records outlive the day of their booking.
REMEMBERED_DAYS = 7
# How far ahead of the kernel's clock a stated time may be before the ledger is asked about the id.
AHEAD_MS = 5 * 60 * 1000
