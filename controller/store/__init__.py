"""Desired state on disk: one database, one writer, a copy in memory, and whoever watches."""
