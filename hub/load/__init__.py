"""A load generator that knows the doors, and nothing behind them; docs/load.md says how to use it."""
