"""Registries for tests: Debian's own, with each way to log in, and one that misbehaves by script."""
