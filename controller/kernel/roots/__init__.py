"""Containers' root file systems: overlays of layers, and what is mounted with them."""
