"""Check the invariants of a hub, live or stopped, and name what is wrong."""
