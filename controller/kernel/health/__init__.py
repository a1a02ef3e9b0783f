"""Health checks of containers: requests, and programs that a process of our own starts in them."""
