"""The client of plugins: programs of others that make networks and volumes (docs/plugins.md)."""
