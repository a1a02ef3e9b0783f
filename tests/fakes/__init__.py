"""Fakes of the ports: a kernel in memory, time without waiting."""
