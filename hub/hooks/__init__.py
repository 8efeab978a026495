"""The feed sent to others' addresses."""
