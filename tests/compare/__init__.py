"""Docker and hold side by side: the same probe in a container of each."""
