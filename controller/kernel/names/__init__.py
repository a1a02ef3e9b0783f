"""Names of containers: the name server's process, and what the daemon tells it."""
