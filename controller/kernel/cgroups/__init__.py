"""Control groups of either version: limits, use, pausing."""
