"""Data directories of volumes: mounts, first contents, copies."""
