"""The language: what crosses the doors, its limits and its problems. Types, encoding and decoding, nothing else."""
