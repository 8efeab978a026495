"""Availability told to vendors' shops, and into files."""
