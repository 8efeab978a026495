"""Vendors' dialects → events: one pure module per kind of system. The hub speaks its own events without any of them."""
