"""Healing: a Redis that lacks what the ledger has is found out, closed, given it back and opened under a new epoch."""
