"""Containers' processes: bundles, runtimes, conmon, ways into running ones."""
