"""Adapters on the real kernel, in a test host."""
