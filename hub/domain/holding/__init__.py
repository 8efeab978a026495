"""Holds: units kept for somebody, as a reservation or an order. Pure, and the specification of the kernel's Lua."""
